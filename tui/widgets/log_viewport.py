"""Viewport: which rows of a log fill a screen of some size; pure, knows no widget.

Its place is a position (of the top line) and a character in that line, never a line number, so
any place in a log of any size is shown at the cost of one screenful of reading. Reads the source
whenever it moves, so it belongs to the reader's thread.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from tui.log_known import KnownLines
from tui.widgets.log_lines import CellLine, cell_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rankdeck.logs.lines import LogLine
    from rankdeck.logs.source import LogSource


class Row(NamedTuple):
    """One row of the screen."""

    line: LogLine
    start: int
    """First character; 0 when lines are not wrapped."""
    stop: int

    @property
    def cells(self) -> CellLine:
        """The whole line as cells."""
        return cell_line(self.line)


class Viewport:
    """A window of `height` rows on a log."""

    def __init__(self, source: LogSource, *, sparse: bool = False) -> None:
        """Begin at the end of the log, following it, without any size yet.

        Args:
            source: The lines.
            sparse: Whether they have to be looked for, so that a screenful may take a while.
        """
        self.source = source
        self.width = 0
        """Cells for the text of a row; matters only for wrapping."""
        self.height = 0
        self.wrap = False
        self.follow = True
        """Whether the place is always the end of the log."""
        self.rows: tuple[Row, ...] = ()
        """What is on the screen; fewer than `height` only if the log is that short."""
        self._top = 0
        self._char = 0
        self._last = (-1, -1)
        self._known = KnownLines(source) if sparse else None
        self._ending = KnownLines(source) if sparse else None
        self.searching = False
        """Whether there may be more to show than was found so far: lay out again."""

    @property
    def top(self) -> int:
        """Position of the line at the top."""
        return self._top

    @property
    def searched(self) -> float:
        """How much of the log has been looked through for lines that are shown, 0 to 1."""
        return 1.0 if self._known is None else self._known.reach / max(1, self.source.size)

    @property
    def at_end(self) -> bool:
        """Whether the last row of the log is on the screen."""
        if not self.rows or self.follow:
            return True
        row = self.rows[-1]
        if row.stop < len(row.cells.text):
            return False
        if row.line.end >= self.source.size:
            return True
        if self._known is None:
            return not self.source.after(row.line.end, 1)
        return row.line.offset >= self._last_position()

    @property
    def at_begin(self) -> bool:
        """Whether the first row of the log is on the screen, as far as that is known at once."""
        if not self.rows or self.rows[0].start:
            return not self.rows
        begin = self.rows[0].line.offset
        return begin <= 0 or (self._known is None and not self.source.before(begin, 1))

    def _last_position(self) -> int:
        if self._last[0] != self.source.size:
            # the known part around the place that is shown must stay
            lines = (self._ending or self.source).before(self.source.size, 1)
            if self._ending is not None and self._ending.more and not lines:
                self.searching = True
                return self.source.size
            self._last = (self.source.size, lines[-1].offset if lines else -1)
        return self._last[1]

    def reset(self) -> None:
        """The log is another one now: back to its end if following, else to its begin."""
        self._top = self._char = 0
        self._last = (-1, -1)
        for known in (self._known, self._ending):
            if known is not None:
                known.forget()

    def layout(self) -> None:
        """Read the rows for the place and size of now."""
        self.searching = False
        if self.height <= 0:
            self.rows = ()
            return
        if not self.follow:
            rows = self._forward(self._top, self._char, self.height)
            if len(rows) >= self.height or self.searching:
                self._settle(rows)
                return
        # a page at the end is always a full one
        self._settle(self._backward(self.source.size, 0, self.height))

    def move(self, rows: int) -> None:
        """Go up (negative) or down; following ends when that was up."""
        if rows < 0:
            self.follow = False
            self._settle_top(self._backward(self._top, self._char, -rows))
        elif rows > 0 and not self.follow:
            found = self._forward(self._top, self._char, rows + 1)
            self._settle_top(found[-1:])
        self.layout()

    def to_begin(self) -> None:
        """Go to the first line."""
        self.follow = False
        self._top = self._char = 0
        self.layout()

    def to_end(self) -> None:
        """Go to the end and follow it from now on."""
        self.follow = True
        self.layout()

    def show_line(self, position: int) -> None:
        """Bring the line at `position` onto the screen, some lines above it."""
        self.follow = False
        if not any(row.line.offset == position for row in self.rows):
            self._top, self._char = position, 0
            self._settle_top(self._backward(position, 0, self.height // 3))
        self.layout()

    def go_to(self, position: int) -> None:
        """Show the line at `position` at the top."""
        self.follow = False
        self._top, self._char = position, 0

    def grew(self) -> None:
        """The source has grown, and its last lines may be others now."""
        for known in (self._known, self._ending):
            if known is not None:
                known.forget_end()

    def reveal(self, position: int) -> None:
        """Move just as far as is needed for the line at `position` to be seen."""
        self.follow = False
        if self.rows and position > self.rows[-1].line.offset:
            lines = self.source.after(position, 1)
            rows = self._rows_of(lines[0])[: self.height] if lines else []
            above = self._backward(position, 0, self.height - len(rows))
            self._settle_top([*above, *rows])
        elif not self.rows or position < self.rows[0].line.offset or self.rows[0].start:
            self._top, self._char = position, 0
        self.layout()

    def to_fraction(self, fraction: float) -> None:
        """Go to a part of the log."""
        self.follow = False
        self._top = self.source.position_near(min(max(0.0, fraction), 1.0))
        self._char = 0
        self.layout()

    def after(self, position: int, count: int) -> Sequence[LogLine]:
        """Up to `count` lines from a position on; see `searching` where there are none."""
        if self._known is None:
            found = self.source.after(position, count)
            self.searching = self.searching or (found.more and not found)
            return found
        lines = self._known.after(position, count)
        self.searching = self.searching or self._known.more
        return lines

    def before(self, position: int, count: int) -> Sequence[LogLine]:
        """Up to `count` lines that end before a position; see `searching`."""
        if self._known is None:
            found = self.source.before(position, count)
            self.searching = self.searching or (found.more and not found)
            return found
        lines = self._known.before(position, count)
        self.searching = self.searching or self._known.more
        return lines

    def _settle_top(self, rows: list[Row]) -> None:
        if rows:
            self._top, self._char = rows[0].line.offset, rows[0].start

    def _settle(self, rows: list[Row]) -> None:
        self._settle_top(rows)
        self.rows = tuple(rows)

    def _rows_of(self, line: LogLine) -> list[Row]:
        cells = cell_line(line)
        if not self.wrap:
            return [Row(line, 0, len(cells.text))]
        starts = cells.row_starts(self.width)
        stops = (*starts[1:], len(cells.text))
        return [Row(line, start, stop) for start, stop in zip(starts, stops, strict=True)]

    def _forward(self, offset: int, char: int, count: int) -> list[Row]:
        """Up to `count` rows from a place on."""
        found: list[Row] = []
        position = offset
        while len(found) < count and not self.searching:
            lines = self.after(position, count - len(found))
            if not lines:
                break
            for line in lines:
                rows = self._rows_of(line)
                if line.offset == offset and char:
                    rows = rows[max(0, bisect_right([row.start for row in rows], char) - 1) :]
                found += rows
            if not lines[-1].ended or lines[-1].end <= position:
                break
            position = lines[-1].end
        return found[:count]

    def _backward(self, offset: int, char: int, count: int) -> list[Row]:
        """Up to `count` rows that end before a place, in order."""
        found: list[Row] = []
        if char:
            for line in self.after(offset, 1):
                found = [row for row in self._rows_of(line) if row.start < char]
        while len(found) < count and offset > 0:
            lines = self.before(offset, count - len(found))
            if not lines or lines[0].offset >= offset:
                break
            offset = lines[0].offset
            found = [row for line in lines for row in self._rows_of(line)] + found
        return found[-count:] if count > 0 else []
