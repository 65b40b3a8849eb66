"""From what the user wants to see to the source of its lines: one file, filtered, merged, folded.

Opens files and reads plans: only on the reader's thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rankdeck.logs.filtered import FilteredSource, Filters
from rankdeck.logs.lines import last_state
from rankdeck.logs.plain_source import FileSource
from rankdeck.logs.sources import rank_logs
from rankdeck.run.stored import read_state

if TYPE_CHECKING:
    from rankdeck.logs.lines import LogLine
    from rankdeck.logs.source import LogSource
    from tui.log_page import Look, Target

_LONGEST = 1 << 20
"""Bytes of one line that are copied or saved."""


@dataclass(frozen=True, slots=True)
class View:
    """What is shown, and what is needed to speak of it."""

    source: LogSource
    file: FileSource | None = None
    """The one file it shows lines of; positions are offsets in it."""
    numbered: bool = True
    """Whether line numbers mean anything here."""
    name: str = ""
    label: int = 0
    """Cells of the column that says whose line it is; 0: all lines are one rank's."""
    ranks: int = 1
    started: float | None = None
    """When the run began."""

    @property
    def consecutive(self) -> bool:
        """Whether each line's number is one more than that of the line above."""
        return self.source is self.file

    def whole(self, line: LogLine) -> bytes:
        """The line's bytes, also where they are too many to be shown."""
        if not line.clipped or self.file is None:
            return line.data
        return last_state(self.file.file.read(line.offset, min(line.length, _LONGEST)))


def open_view(target: Target, look: Look) -> View:
    """Open what the user wants to see of this log.

    Raises:
        OSError: It is there but cannot be read.
        UserError: The run's plan cannot be read, or there is no such rank.
    """
    return _one_file(target, look)


def _one_file(target: Target, look: Look) -> View:
    times, ahead, started = target.path.with_suffix(".times"), 0.0, None
    if target.run is not None and target.rank is not None:
        for log in rank_logs(target.run, target.attempt):
            if log.rank == target.rank and log.path == target.path:
                times, ahead = log.times, log.clock_ahead
        started = read_state(target.run).started
    file = FileSource(target.path, times, clock_ahead=ahead)
    source = _filtered(file, look)
    return View(source, file, started=started)


def _filtered(source: LogSource, look: Look) -> LogSource:
    if not look.filters:
        return source
    kept = tuple(one.wanted.query for one in look.filters if not one.out)
    left_out = tuple(one.wanted.query for one in look.filters if one.out)
    return FilteredSource(source, Filters(kept, left_out))
