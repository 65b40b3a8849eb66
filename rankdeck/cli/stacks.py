"""`rankdeck stacks`: where the ranks of a run are in their program, without any tool installed."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click
import msgspec

from rankdeck.cli.common import (
    json_option,
    keep_supervised,
    open_store,
    print_json,
    run_argument,
    whoami,
)
from rankdeck.cli.signal import await_answer, choose_ranks
from rankdeck.cli.text import paint, shown
from rankdeck.diagnose.stacks import RankStack, StackGroup, group_stacks, read_stack
from rankdeck.errors import ExitCode, UserError
from rankdeck.run.control import STACKS, RunCommand, RunCommandKind, send_command
from rankdeck.run.view import RunReader
from rankdeck.text import ranges

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rankdeck.run.layout import RunDir
    from rankdeck.run.view import RunSnapshot

_MOST_SECONDS = 15.0
_NOBODY_SECONDS = 4.0
"""The same where no rank has a file to answer into."""
_STILL_SECONDS = 0.3
"""A file that has not grown for so long holds all the stacks: there is no mark at their end."""
_LATE_SECONDS = 2.0
"""For so long after the last answer others are waited for."""
_LOOK_EVERY = 0.1
_MOST_FRAMES = 12
_LARGEST = 1 << 20


class Answers(msgspec.Struct, frozen=True):
    """What ranks answered; `--json` prints it."""

    id: str
    groups: tuple[StackGroup, ...]
    missing: tuple[int, ...]


@click.command("stacks")
@run_argument()
@click.option("--rank", "ranks", type=int, multiple=True, help="Only this rank (repeatable).")
@click.option("--node", "nodes", multiple=True, help="Only the ranks of this node (repeatable).")
@json_option
def stacks_command(ref: str, ranks: tuple[int, ...], nodes: tuple[str, ...], as_json: bool) -> None:
    """Show where the Python ranks of RUN are: equal stacks once, the odd ones first.

    The ranks go on undisturbed; one that hangs in native code answers, too.
    """
    run = open_store().find(ref)
    snapshot = RunReader(run).snapshot()
    # of a run that has ended nobody can be chosen; that is told first
    chosen = () if snapshot.run.state.final else choose_ranks(snapshot, ranks, nodes)
    answers = ask_stacks(run, snapshot, chosen)
    if as_json:
        print_json(answers)
    else:
        click.echo("\n".join(told(answers.groups, answers.missing)))
    if not answers.groups:
        sys.exit(ExitCode.UNUSABLE)


def ask_stacks(run: RunDir, snapshot: RunSnapshot, chosen: tuple[int, ...] = ()) -> Answers:
    """Ask ranks where they are, all that live if none are chosen, and wait for what they say.

    Raises:
        UserError: The run has ended, or nobody can be asked.
    """
    if snapshot.run.state.final:
        raise UserError(f"{run.id} has already ended: {snapshot.run.state.value}")
    asked = [r for r in snapshot.ranks if not r.state.final and (not chosen or r.rank in chosen)]
    paths = {rank.rank: rank.log.with_suffix(".stacks") for rank in asked}
    before = {rank: _size(path) for rank, path in paths.items()}
    _ask(run, chosen, snapshot.run.last_seq)
    stacks = _hear(paths, before)
    return Answers(run.id, group_stacks(stacks), tuple(sorted(paths.keys() - stacks.keys())))


def _ask(run: RunDir, chosen: tuple[int, ...], after: int) -> None:
    command = RunCommand(
        command=RunCommandKind.SIGNAL, signal=STACKS, ranks=chosen, by=whoami(), time=time.time()
    )
    send_command(run, command)
    keep_supervised(run)
    await_answer(run, after, STACKS)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _hear(paths: Mapping[int, Path], before: Mapping[int, int]) -> dict[int, RankStack]:
    """Wait until every file has grown and stands still, but not for ever."""
    sizes = dict(before)
    changed = time.monotonic()
    able = any(path.exists() for path in paths.values())
    deadline = changed + (_MOST_SECONDS if able else _NOBODY_SECONDS)
    while time.monotonic() < deadline:
        now = {rank: _size(path) for rank, path in paths.items()}
        if now != sizes:
            sizes, changed = now, time.monotonic()
        grown = [sizes[rank] > before[rank] for rank in paths]
        still = time.monotonic() - changed
        if (all(grown) and still >= _STILL_SECONDS) or (any(grown) and still >= _LATE_SECONDS):
            break
        time.sleep(_LOOK_EVERY)
    found = {}
    for rank, path in paths.items():
        if sizes[rank] > before[rank]:
            with path.open("rb") as file:
                file.seek(before[rank])
                stack = read_stack(file.read(_LARGEST).decode("utf-8", "replace"))
            if stack is not None:
                found[rank] = stack
    return found


def told(groups: tuple[StackGroup, ...], missing: tuple[int, ...]) -> list[str]:
    """The stacks as lines."""
    lines = []
    for group in groups:
        count = len(group.ranks)
        word = "rank" if count == 1 else f"{count} ranks:"
        lines.append(paint(f"{word} {ranges(group.ranks)}", "cyan", bold=True))
        for frame in group.frames[:_MOST_FRAMES]:
            line = "?" if frame.line is None else frame.line
            lines.append(f"  {shown(frame.function)}  {shown(frame.file)}:{line}")
        if len(group.frames) > _MOST_FRAMES:
            lines.append(f"  … {len(group.frames) - _MOST_FRAMES} calls further out")
        lines.append("")
    if missing:
        lines.append(f"no answer from rank {ranges(missing)}: not started yet, no Python, no")
        lines[-1] += " recorder in it (--no-hooks), or it does not run at all"
    return lines
