"""`rankdeck logs --fold`, `--minority` and `--errors`: views over the logs of all ranks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from rankdeck.cli.common import print_json
from rankdeck.cli.log_output import LineWriter
from rankdeck.cli.text import table
from rankdeck.logs.filtered import FilteredSource, Filters
from rankdeck.logs.first_error import ERRORS, first_errors
from rankdeck.logs.folded import FoldedSource
from rankdeck.logs.merged import MergedSource
from rankdeck.logs.ranks import name_ranks
from rankdeck.logs.sanitise import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rankdeck.logs.first_error import FirstError
    from rankdeck.logs.lines import LogLine
    from rankdeck.logs.search import Expression
    from rankdeck.logs.source import LogSource
    from rankdeck.logs.sources import RankLog
    from rankdeck.run.layout import RunDir

_PAGE = 512
_MOST_RANGES = 4


def print_folded(
    run: RunDir,
    logs: Sequence[RankLog],
    query: Expression | None,
    count: int | None,
    *,
    only_minority: bool,
    as_json: bool,
) -> None:
    """What the ranks wrote, in the order of time, each line with all that wrote it."""
    merged = MergedSource(logs)
    base: LogSource = merged if query is None else FilteredSource(merged, Filters((query,)))
    local_ranks = {log.rank: log.local_rank for log in logs}
    source = FoldedSource(base, local_ranks, only_minority=only_minority)
    pages = _pages(source) if count is None else iter([_last(source, count)])
    if as_json:
        rows = [
            {"ranks": list(_writers(line)), "line": line.data.decode("utf-8", "replace")}
            for lines in pages
            for line in lines
        ]
        print_json({"id": run.id, "lines": rows})
    else:
        writer = LineWriter(0)
        for lines in pages:
            writer.write_named((_name(line), line.data) for line in lines)
    source.close()


def _pages(source: LogSource) -> Iterator[list[LogLine]]:
    position, more = 0, True
    while more:
        lines = source.after(position, _PAGE)
        yield lines
        position, more = lines.looked_to, lines.more


def _last(source: LogSource, count: int) -> list[LogLine]:
    found: list[LogLine] = []
    position, more = source.size, True
    while more and len(found) < count:
        lines = source.before(position, count - len(found))
        found = lines + found
        position, more = lines.looked_to, lines.more
    return found


def _writers(line: LogLine) -> tuple[int, ...]:
    return line.ranks or (line.rank,)


def _name(line: LogLine) -> str:
    ranks = _writers(line)
    told = name_ranks(ranks, _MOST_RANGES)
    return told if len(ranks) == 1 else f"{told} ×{len(ranks)}"


def print_first_errors(
    run: RunDir, logs: Sequence[RankLog], query: Expression | None, *, as_json: bool
) -> None:
    """The first error of each rank, the earliest first."""
    errors = first_errors(logs, ERRORS if query is None else query)
    nodes = {log.rank: log.node for log in logs}
    if as_json:
        rows = [
            {
                "rank": error.rank,
                "node": nodes[error.rank],
                "time": error.time,
                "offset": error.offset,
                "line": error.line.data.decode("utf-8", "replace"),
                "message": error.message.data.decode("utf-8", "replace"),
                "whole": error.whole,
            }
            for error in errors
        ]
        print_json({"id": run.id, "errors": rows})
        return
    if not errors:
        click.echo("no line of these logs tells of an error", err=True)
        return
    click.echo(
        table(
            [
                (_clock(error.time), str(error.rank), clean(nodes[error.rank]), _told(error))
                for error in errors
            ],
            right=frozenset({1}),
        )
    )


def _clock(at: float | None) -> str:
    if at is None:
        return "-"
    return time.strftime("%H:%M:%S", time.localtime(at)) + f".{int(at % 1 * 1000):03d}"


def _told(error: FirstError) -> str:
    note = "" if error.whole else "  (only the end of this log was looked at)"
    return clean(error.message.data) + note
