"""From what the user wants to see to the source of its lines: one file, filtered, merged, folded.

Opens files and reads plans: only on the reader's thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rankdeck.errors import UserError
from rankdeck.logs.filtered import FilteredSource, Filters
from rankdeck.logs.folded import FoldedSource
from rankdeck.logs.handle import Handle
from rankdeck.logs.lines import last_state
from rankdeck.logs.merged import MergedSource
from rankdeck.logs.plain_source import FileSource
from rankdeck.logs.ranks import rank_prefix
from rankdeck.logs.sources import rank_logs
from rankdeck.run.stored import read_state
from tui.log_gutter import short_ranks

if TYPE_CHECKING:
    from pathlib import Path

    from rankdeck.logs.lines import LogLine
    from rankdeck.logs.source import LogSource
    from rankdeck.logs.sources import RankLog
    from rankdeck.run.layout import RunDir
    from tui.log_page import Look, Target

_LONGEST = 1 << 20
"""Bytes of one line that are copied or saved."""
_FOLDED_LABEL = 9


@dataclass(frozen=True, slots=True)
class View:
    """What is shown, and what is needed to speak of it."""

    source: LogSource
    file: FileSource | None = None
    """The one file it shows lines of; positions are offsets in it."""
    merged: MergedSource | None = None
    """The logs that it shows together; positions are theirs."""
    name: str = ""
    label: int = 0
    """Cells of the column that says whose line it is; 0: all lines are one rank's."""
    ranks: int = 1
    """How many ranks are shown."""
    world: int = 1
    """How many ranks the run has."""
    started: float | None = None
    """When the run began."""

    sparse: bool = False
    """Whether only some lines are shown, and have to be looked for."""

    consecutive: bool = True
    """Whether each line's number is one more than that of the line above."""
    paths: frozenset[Path] = frozenset()
    """The logs that it shows together."""
    numbers: dict[int, int] = field(default_factory=dict)
    """Line numbers on the screen, by position: a line keeps its own."""

    def whole(self, line: LogLine) -> bytes:
        """The line's bytes, also where they are too many to be shown."""
        origin = self.source.origin(line.offset) if line.clipped else None
        if origin is None:
            return line.data
        raw = Handle(origin.path).read(origin.offset, min(line.length, _LONGEST))
        return last_state(raw)


def open_view(target: Target, look: Look) -> View:
    """Open what the user wants to see of this log.

    Raises:
        OSError: It is there but cannot be read.
        UserError: The run's plan cannot be read, or there is no such rank.
    """
    if target.run is not None and look.merged:
        return _many_files(target.run, target.attempt, look)
    return _one_file(target, look)


def _one_file(target: Target, look: Look) -> View:
    times, ahead, started = target.path.with_suffix(".times"), 0.0, None
    if target.run is not None and target.rank is not None:
        for log in rank_logs(target.run, target.attempt):
            if log.rank == target.rank and log.path == target.path:
                times, ahead = log.times, log.clock_ahead
        started = _started(target.run)
    file = FileSource(target.path, times, clock_ahead=ahead)
    sparse = bool(look.filters)
    source = _filtered(file, look)
    return View(source, file, started=started, sparse=sparse, consecutive=not sparse)


def _many_files(run: RunDir, attempt: int, look: Look) -> View:
    every = rank_logs(run, attempt)
    logs = tuple(log for log in every if not look.ranks or log.rank in look.ranks)
    if not logs:
        raise UserError(f"the run has no rank {short_ranks(look.ranks)}", "M chooses others")
    merged = MergedSource(logs)
    source = _filtered(merged, look)
    folds = look.fold or look.minority
    if folds:
        local = {log.rank: log.local_rank for log in logs}
        source = FoldedSource(source, local, loose=look.loose, only_minority=look.minority)
    world = max(log.rank for log in every) + 1
    label = len(rank_prefix(0, world))
    return View(
        source,
        merged=merged,
        paths=frozenset(log.path for log in logs),
        name=_name(logs, every, look),
        label=max(label, _FOLDED_LABEL) if folds else label,
        ranks=len(logs),
        world=world,
        started=_started(run),
        sparse=bool(look.filters) or look.minority,
        consecutive=not look.filters and not folds,
    )


def _name(logs: tuple[RankLog, ...], every: tuple[RankLog, ...], look: Look) -> str:
    if len(logs) == len(every):
        name = f"all {len(logs)} ranks by time"
    else:
        name = f"rank{'' if len(logs) == 1 else 's'} {short_ranks(log.rank for log in logs)}"
    alike = " (about alike)" if look.loose else ""
    if look.minority:
        return f"{name}, only what most did not write{alike}"
    return f"{name}, folded{alike}" if look.fold else name


def _started(run: RunDir) -> float | None:
    try:
        return read_state(run).started
    except OSError:
        # then times count from the first line
        return None


def _filtered(source: LogSource, look: Look) -> LogSource:
    if not look.filters:
        return source
    kept = tuple(one.wanted.query for one in look.filters if not one.out)
    left_out = tuple(one.wanted.query for one in look.filters if one.out)
    return FilteredSource(source, Filters(kept, left_out))
