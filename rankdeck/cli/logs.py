"""`rankdeck logs`: what the ranks printed, one by one or merged by time, past and present."""

from __future__ import annotations

import os
import shutil
import sys
import time
from typing import TYPE_CHECKING

import click

from rankdeck.cli.common import (
    find_run,
    json_option,
    keep_supervised,
    print_json,
    run_argument,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rankdeck.cli.log_output import LineWriter
    from rankdeck.logs.search import Expression
    from rankdeck.logs.sources import RankLog
    from rankdeck.run.layout import RunDir

_FOLLOW_PERIOD = 0.1
_BATCH = 512


@click.command("logs")
@run_argument()
@click.option("--rank", "ranks", metavar="N,N-M", help="Only these ranks: 0,4-7.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the run has ended.")
@click.option("--merge", is_flag=True, help="All ranks in the order of time.")
@click.option("--fold", is_flag=True, help="Merged; what several ranks wrote, once.")
@click.option("--minority", is_flag=True, help="Merged; only what fewer than half wrote.")
@click.option("--errors", is_flag=True, help="Each rank's first error, the earliest first.")
@click.option("--grep", "pattern", metavar="RE", help="Only lines that match.")
@click.option("-i", "--ignore-case", is_flag=True, help="With --grep.")
@click.option("-n", "--lines", "count", type=click.IntRange(min=0), help="Only the last N lines.")
@click.option("--attempt", type=click.IntRange(min=0), help="An earlier attempt, from 0.")
@click.option("--launcher", is_flag=True, help="The launcher's own output instead of the ranks'.")
@json_option
def logs_command(
    ref: str,
    ranks: str | None,
    follow: bool,
    merge: bool,
    fold: bool,
    minority: bool,
    errors: bool,
    pattern: str | None,
    ignore_case: bool,
    count: int | None,
    attempt: int | None,
    launcher: bool,
    as_json: bool,
) -> None:
    """Print the logs of RUN's ranks.

    In a pipe the bytes are as the ranks wrote them; on a terminal they are made safe. With
    several ranks each line begins with its rank, with --fold and --minority with all ranks that
    wrote it: equal but for their own rank, dates and times, and within two seconds.
    """
    from rankdeck.logs.search import expression
    from rankdeck.logs.sources import rank_logs
    from rankdeck.run.stored import read_plan

    if follow:
        _refuse_to_follow(as_json=as_json, view=fold or minority or errors)
    run = find_run(ref)
    query = None if pattern is None else expression(pattern, ignore_case=ignore_case)
    if launcher:
        _print_launcher(run, query, count)
        return
    world_size = read_plan(run).world_size
    chosen = _chosen(ranks, world_size)
    logs = tuple(log for log in rank_logs(run, attempt) if log.rank in chosen)
    if errors:
        from rankdeck.cli.log_views import print_first_errors

        print_first_errors(run, logs, query, as_json=as_json)
        return
    if fold or minority:
        from rankdeck.cli.log_views import print_folded

        print_folded(run, logs, query, count, only_minority=minority, as_json=as_json)
        return
    if as_json:
        _print_document(run, logs, query, count)
        return
    from rankdeck.cli.log_output import LineWriter

    writer = LineWriter(world_size, prefixed=len(logs) > 1, query=query)
    if follow:
        sys.exit(_follow(run, logs, writer, merge=merge, count=count))
    if merge and len(logs) > 1:
        _print_merged(logs, writer, count)
    elif len(logs) == 1 and query is None and count is None and not sys.stdout.isatty():
        _copy(logs[0].path)
    else:
        for log in logs:
            _print_one(log.path, log.rank, writer, query, count)


def _refuse_to_follow(*, as_json: bool, view: bool) -> None:
    if as_json:
        raise click.UsageError("--json makes one document; it does not go with --follow")
    if view:
        raise click.UsageError("--fold, --minority and --errors do not go with --follow")


def _chosen(ranks: str | None, world_size: int) -> frozenset[int]:
    from rankdeck.logs.ranks import parse_ranks

    return frozenset(range(world_size) if ranks is None else parse_ranks(ranks, world_size))


def _copy(path: Path) -> None:
    try:
        with open(path, "rb") as log:
            shutil.copyfileobj(log, sys.stdout.buffer, 1 << 20)
    except FileNotFoundError:
        return
    sys.stdout.buffer.flush()


def _print_one(
    path: Path, rank: int, writer: LineWriter, query: Expression | None, count: int | None
) -> None:
    from rankdeck.logs.stream import stream_batches

    if count is not None:
        writer.write_lines(rank, _last_lines(path, query, count))
        return
    for lines in stream_batches(path):
        writer.write_lines(rank, lines)


def _last_lines(path: Path, query: Expression | None, count: int) -> list[bytes]:
    from collections import deque

    from rankdeck.logs.file import LogFile
    from rankdeck.logs.search import search

    file = LogFile(path)
    if not file.exists or not count:
        return []
    if query is None:
        return [line.data + line.mark.encode() for line in file.tail(count)]
    hits = (hit for step in search(file, query) for hit in step.hits)
    return [hit.data for hit in deque(hits, maxlen=count)]


def _print_merged(logs: tuple[RankLog, ...], writer: LineWriter, count: int | None) -> None:
    for rank, lines in _merged(logs, count, None):
        writer.write_lines(rank, lines)


def _merged(
    logs: tuple[RankLog, ...], count: int | None, stops: dict[int, int] | None
) -> Iterator[tuple[int, list[bytes]]]:
    """Runs of lines of one rank, in the order of time."""
    from collections import deque
    from itertools import groupby, islice

    from rankdeck.logs.merge import merged_lines

    lines = merged_lines(logs, stops)
    kept = lines if count is None else iter(deque(lines, maxlen=count))
    for rank, group in groupby(kept, key=lambda item: item.rank):
        while batch := [item.line.data for item in islice(group, _BATCH)]:
            yield rank, batch


def _print_launcher(run: RunDir, query: Expression | None, count: int | None) -> None:
    from rankdeck.cli.log_output import LAUNCHER, LineWriter
    from rankdeck.logs.sources import node_logs

    nodes = node_logs(run)
    for node in nodes:
        writer = LineWriter(0, prefixed=len(nodes) > 1, launcher=node.node, query=query)
        _print_one(node.launcher, LAUNCHER, writer, query, count)


def _print_document(
    run: RunDir, logs: tuple[RankLog, ...], query: Expression | None, count: int | None
) -> None:
    rows = []
    for rank, lines in _merged(logs, None, None):
        for line in lines:
            if query is None or query.find(line) is not None:
                rows.append({"rank": rank, "line": line.decode("utf-8", "replace")})
    if count is not None:
        rows = rows[len(rows) - min(count, len(rows)) :]
    print_json({"id": run.id, "lines": rows})


def _follow(
    run: RunDir, logs: tuple[RankLog, ...], writer: LineWriter, *, merge: bool, count: int | None
) -> int:
    """Print what is there, then what comes, until the run has ended."""
    from rankdeck.cli.log_output import RunFollower
    from rankdeck.logs.merge import line_ends
    from rankdeck.run.view import RunReader

    reader = RunReader(run)
    snapshot = reader.snapshot()
    follower = RunFollower(run, frozenset(log.rank for log in logs), launcher=False)
    follower.skip_to(logs[0].attempt if logs else 0)
    starts: dict[int, int] = {}
    if merge or count is not None:
        starts = line_ends(logs)
        for rank, lines in _merged(logs, count, starts):
            writer.write_lines(rank, lines)
    next_look = 0.0
    told = False
    while True:
        snapshot = reader.snapshot()
        final = snapshot.run.state.final
        follower.look_for(snapshot, starts)
        starts = {}
        follower.pass_on(writer, last=final)
        if final:
            return os.EX_OK
        if not told and time.monotonic() >= next_look:
            next_look = time.monotonic() + 2.0
            told = not keep_supervised(run)
        time.sleep(_FOLLOW_PERIOD)
