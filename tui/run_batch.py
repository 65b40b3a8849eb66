"""Doing one thing to several runs: what is done to which, what is asked first, and how it went."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from rankdeck.errors import UserError
from rankdeck.run.layout import RunDir
from rankdeck.text import size
from tui.looks import Line, counted, safe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rankdeck.run.store import RunStore
    from rankdeck.run.summary import RunSummary

_NAMED = 5
_FEW = 3


class BatchKind(str, Enum):
    """What can be done to several runs."""

    STOP = "stop"
    KILL = "kill"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Batch:
    """What would be done."""

    kind: BatchKind
    runs: tuple[RunSummary, ...]
    left_out: tuple[RunSummary, ...]
    """Those to which it cannot be done."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What came of it."""

    done: int
    failures: tuple[str, ...]


def make_batch(kind: BatchKind, runs: Sequence[RunSummary]) -> Batch:
    """Sort out what can be done: only living runs are ended, only ended ones deleted."""
    wants_final = kind is BatchKind.DELETE
    return Batch(
        kind,
        tuple(run for run in runs if run.state.final == wants_final),
        tuple(run for run in runs if run.state.final != wants_final),
    )


def refusal(batch: Batch) -> str:
    """Why nothing can be done; empty: something can."""
    if batch.runs:
        return ""
    count = len(batch.left_out)
    if not count:
        return "there is no run here"
    who = safe(batch.left_out[0].name) if count == 1 else f"none of the {count} marked runs"
    if batch.kind is BatchKind.DELETE:
        return f"{who} has {'not ' if count == 1 else ''}ended; stop it first (s)"
    return f"{who} has already ended" if count == 1 else f"all {count} of them have already ended"


def question(batch: Batch, folder: str, amount: str = "…") -> tuple[Line, ...]:
    """What is asked before it is done.

    Args:
        batch: What would be done.
        folder: Where runs lie.
        amount: What a deletion sets free, for people.
    """
    runs = batch.runs
    what = safe(runs[0].name) if len(runs) == 1 else f"{len(runs)} runs"
    lines: list[Line] = [((f"{batch.kind.value.capitalize()} {what}?", "title"),), ()]
    if batch.kind is BatchKind.DELETE:
        lines.append((("This goes for good: the record and the logs of all ranks:", ""),))
        if len(runs) == 1:
            lines.append(((f"  {safe(os.path.join(folder, runs[0].id))}  {amount}", "warning"),))
        else:
            lines += _names(runs)
            lines.append(((f"  {len(runs)} folders in {safe(folder)}  {amount}", "warning"),))
        lines.append((("Output directories (checkpoints) stay.", ""),))
    else:
        lines += _names(runs) if len(runs) > 1 else [((f"  {runs[0].id}", "dim"),)]
        ranks = sum(run.world_size for run in runs)
        how = "Ranks get TERM, then time to save, then KILL."
        if batch.kind is BatchKind.KILL:
            how = "Ranks end at once and save nothing."
        lines.append(((f"{how} {counted(ranks, 'rank')}.", ""),))
    if batch.left_out:
        lines += [(), _left_out(batch)]
    return tuple(lines)


def _left_out(batch: Batch) -> Line:
    why = "not ended" if batch.kind is BatchKind.DELETE else "already ended"
    names = [safe(run.name) for run in batch.left_out[:_FEW]]
    if len(batch.left_out) > _FEW:
        names.append(f"{len(batch.left_out) - _FEW} more")
    return ((f"Left out, because {why}: ", "dim"), (", ".join(names), ""))


def _names(runs: Sequence[RunSummary]) -> list[Line]:
    lines: list[Line] = [
        ((f"  {safe(run.name)}", "bold"), (f"  {run.id}  {run.state.value}", "dim"))
        for run in runs[:_NAMED]
    ]
    if len(runs) > _NAMED:
        lines.append(((f"  and {len(runs) - _NAMED} more", ""),))
    return lines


def told(batch: Batch, result: BatchResult) -> str:
    """What came of it, in a few lines."""
    runs = batch.runs
    what = safe(runs[0].name) if len(runs) == 1 else f"{result.done} runs"
    verb = "deleted" if batch.kind is BatchKind.DELETE else f"asked to {_verb(batch.kind)}"
    lines = [f"{what}: {verb}"] if result.done else []
    return "\n".join((*lines, *map(safe, result.failures[:3])))


def _verb(kind: BatchKind) -> str:
    return "end" if kind is BatchKind.KILL else kind.value


# -- in the background --------------------------------------------------------------------------


def carry_out(batch: Batch, store: RunStore, by: str) -> BatchResult:
    """Do it, to all of them; one that fails keeps no other from it."""
    failures = []
    for run in batch.runs:
        try:
            _do(batch.kind, store, run.id, by)
        except (UserError, OSError) as error:
            failures.append(str(error) if isinstance(error, OSError) else error.message)
    return BatchResult(len(batch.runs) - len(failures), tuple(failures))


def _do(kind: BatchKind, store: RunStore, run_id: str, by: str) -> None:
    from rankdeck.run.control import RunCommand, RunCommandKind, send_command
    from rankdeck.run.launch import ensure_supervised

    run = RunDir(store.runs_dir / run_id)
    if kind is BatchKind.DELETE:
        store.remove(run)
        return
    command = RunCommandKind.KILL if kind is BatchKind.KILL else RunCommandKind.STOP
    send_command(run, RunCommand(command=command, by=by, time=time.time()))
    ensure_supervised(run)


def measure(batch: Batch, store: RunStore) -> str:
    """What the runs' folders take, for people."""
    total = sum(_tree_size(str(store.runs_dir / run.id)) for run in batch.runs)
    return f"({size(total)})"


def _tree_size(folder: str) -> int:
    total = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size
            except OSError:
                # it went away while we counted
                continue
    return total


def whoami() -> str:
    """`user@host`, for the record of who asked."""
    import getpass
    import socket

    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
