"""FileSource: one log file, with the times of its lines, as a log pane reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.logs.file import LogFile
from rankdeck.logs.handle import Change
from rankdeck.logs.lines import Lines
from rankdeck.logs.search import search, search_backward
from rankdeck.logs.source import Origin
from rankdeck.logs.times import LogTimes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rankdeck.logs.search import Query, Step


class FileSource:
    """A `LogSource` of one file; a position is an offset in it."""

    def __init__(
        self, path: Path, times: Path | None = None, *, rank: int = -1, clock_ahead: float = 0.0
    ) -> None:
        """Open the file if it is there.

        Args:
            path: The log; it may not be there yet.
            times: When its bytes were written; see `LogTimes`.
            rank: Whose it is.
            clock_ahead: Seconds by which the times are ahead of the supervisor's clock.

        Raises:
            OSError: It is there but cannot be read.
        """
        self.file = LogFile(path)
        self.rank = rank
        self.clock_ahead = clock_ahead
        self._times_path = times
        self._times = None if times is None else LogTimes(times)

    @property
    def exists(self) -> bool:
        """Whether the file has ever been seen."""
        return self.file.exists

    @property
    def size(self) -> int:
        """Bytes, as of the last `refresh`."""
        return self.file.size

    @property
    def line_count(self) -> int:
        """Lines counted so far."""
        return self.file.line_count

    @property
    def indexed(self) -> bool:
        """Whether all lines have been counted."""
        return self.file.indexed

    @property
    def indexed_part(self) -> float:
        """How much of the file has been looked through to count its lines."""
        return min(1.0, self.file.indexed_bytes / self.size) if self.size else 1.0

    def refresh(self) -> Change:
        """Look for news.

        Raises:
            OSError: The file is there but cannot be read.
        """
        change = self.file.refresh()
        if self._times is not None and self._times_path is not None:
            if change is Change.RESET:
                self._times = LogTimes(self._times_path)
            else:
                # the times of what was written come shortly after it
                self._times.refresh()
        return change

    def index_some(self, budget: int = 8 << 20) -> bool:
        """Count the lines in up to `budget` more bytes; whether all have been."""
        return self.file.index_some(budget)

    def after(self, position: int, count: int) -> Lines:
        """Up to `count` lines from the one that begins at `position`."""
        size = self.size
        lines = self.file.after(position, count)
        if not lines:
            return Lines(looked_to=position, more=position < size and count <= 0)
        last = lines[-1]
        return Lines(lines, looked_to=last.end if last.ended else last.offset, more=last.end < size)

    def before(self, position: int, count: int) -> Lines:
        """Up to `count` lines that end at `position` or before."""
        lines = self.file.before(position, count)
        if not lines:
            return Lines(looked_to=position, more=position > 0 and count <= 0)
        return Lines(lines, looked_to=lines[0].offset, more=lines[0].offset > 0)

    def line_at(self, position: int) -> int | None:
        """The number of the line at this position; None: not counted yet."""
        return self.file.line_at(position)

    def offset_of(self, line: int) -> int:
        """Where a line begins, by its number.

        Raises:
            IndexError: There is no such line, or it has not been counted yet.
        """
        return self.file.offset_of(line)

    def position_near(self, fraction: float) -> int:
        """The begin of the line about this far into the file."""
        return self._begin_of(int(self.size * min(1.0, max(0.0, fraction))))

    def origin(self, position: int) -> Origin:
        """This very place."""
        return Origin(self.file.path, self.rank, position)

    def time_at(self, position: int) -> float | None:
        """When the line there was written, by the supervisor's clock."""
        known = None if self._times is None else self._times.time_at(position)
        return None if known is None else known - self.clock_ahead

    def position_at(self, time: float) -> int | None:
        """The first line written at `time` or later, to the sample; None: nobody knows."""
        if self._times is None or not self._times.count:
            return None
        offset = min(self._times.offset_at(time + self.clock_ahead), self.size)
        return self._begin_of(offset)

    def search(
        self, query: Query, begin: int, end: int, *, backward: bool = False
    ) -> Iterator[Step]:
        """Look for lines that match between two lines, in steps of bounded size."""
        if backward:
            return search_backward(self.file, query, begin, end)
        return search(self.file, query, begin, end, numbered=False)

    def close(self) -> None:
        """Let go of the files."""
        self.file.close()
        self._times = None

    def _begin_of(self, offset: int) -> int:
        if not 0 < offset < self.size or self.file.read(offset - 1, 1) == b"\n":
            return offset
        lines = self.file.before(offset, 1)
        return lines[0].offset if lines else 0
