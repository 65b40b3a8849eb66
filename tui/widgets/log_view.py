"""LogView: draws the rows of a Viewport, its scroll bar and marks; repaints rows that differ.

A Line-API widget. It draws its own scroll bar, by bytes: how many rows a log has is not known
until all of it has been read, and nobody should wait for that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from rich.segment import Segment
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from rankdeck.logs.file import Change, LogFile
from tui.widgets.log_viewport import Row, Viewport

if TYPE_CHECKING:
    import re
    from collections.abc import Callable
    from pathlib import Path

    from rich.style import Style
    from textual import events

_WHEEL_ROWS = 3
_NUMBER_WIDTH = 6
_MARKS_PER_LINE = 200


class _Drawn(NamedTuple):
    """All that decides how one row of the screen looks."""

    row: Row | None
    number: str
    thumb: bool
    found: bool


class LogView(Widget, can_focus=True):
    """The visible part of one log."""

    DEFAULT_CSS = """
    LogView { height: 1fr; }
    LogView > .log-view--number { color: $text-muted; }
    LogView > .log-view--empty { color: $text-muted; text-style: italic; }
    LogView > .log-view--match { text-style: reverse; }
    LogView > .log-view--found { background: $warning; color: black; text-style: bold underline; }
    LogView > .log-view--thumb { color: $primary; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "log-view--number",
        "log-view--empty",
        "log-view--match",
        "log-view--found",
        "log-view--thumb",
    }

    class Moved(Message):
        """What is shown has changed place by the mouse."""

    def __init__(self) -> None:
        """Begin without a log."""
        super().__init__()
        self.viewport: Viewport | None = None
        self.empty = "no log"
        """What to say while there is nothing to show."""
        self.numbers = True
        """Whether line numbers are shown where they are known."""
        self.column = 0
        """The first cell shown of lines that are not wrapped."""
        self.pattern: re.Pattern[str] | None = None
        """What to mark in the text."""
        self.found: int | None = None
        """Offset of the line that the last search has gone to."""
        self._drawn: tuple[_Drawn, ...] = ()

    @property
    def text_width(self) -> int:
        """Cells for text, between the line numbers and the scroll bar."""
        return max(2, self.size.width - self._gutter - 1)

    @property
    def _gutter(self) -> int:
        return self._digits + 1 if self.numbers else 0

    @property
    def _digits(self) -> int:
        lines = self.viewport.file.line_count if self.viewport else 0
        return max(_NUMBER_WIDTH, len(f"{lines}"))

    def open(self, path: Path) -> None:
        """Show another log, at its end.

        Raises:
            OSError: It is there but cannot be read.
        """
        old, self.viewport = self.viewport, None
        if old is not None:
            old.file.close()
        wrap = old.wrap if old is not None else False
        self.column = 0
        self.found = None
        self.viewport = Viewport(LogFile(path))
        self.viewport.wrap = wrap
        self.show()

    def poll(self, budget: int) -> Change:
        """Look whether the log has changed, count some lines, show what is new.

        Raises:
            OSError: The log cannot be read any more.
        """
        viewport = self.viewport
        if viewport is None:
            return Change.SAME
        counted = viewport.file.indexed
        change = viewport.file.refresh()
        if change is Change.RESET:
            viewport.reset()
            self.found = None
        if not viewport.file.indexed:
            viewport.file.index_some(budget)
        if change is not Change.SAME or not counted:
            self.show()
        return change

    def move(self, act: Callable[[Viewport], None]) -> None:
        """Change the place in the log and show that."""
        if self.viewport is not None:
            act(self.viewport)
            self.show()

    def show(self) -> None:
        """Read what belongs on the screen; repaint the rows that differ from what is there."""
        viewport = self.viewport
        if viewport is not None:
            viewport.width, viewport.height = self.text_width, self.size.height
            viewport.layout()
        drawn = self._draw()
        if drawn == self._drawn:
            return
        old, self._drawn = self._drawn, drawn
        if len(old) != len(drawn):
            self.refresh()
            return
        for y, (before, now) in enumerate(zip(old, drawn, strict=True)):
            if before != now:
                self.refresh(Region(0, y, self.size.width, 1))

    def reveal_column(self) -> None:
        """Scroll sideways so that the first mark in the found line is seen."""
        viewport = self.viewport
        if viewport is None or viewport.wrap or self.pattern is None:
            return
        for row in viewport.rows:
            if row.line.offset == self.found and (match := self.pattern.search(row.cells.text)):
                first, last = row.cells.cell_of(match.start()), row.cells.cell_of(match.end())
                if first < self.column or last > self.column + self.text_width:
                    self.column = max(0, first - self.text_width // 3)
                    self.refresh()

    def shift(self, cells: int) -> None:
        """Scroll sideways, no further than the longest line on the screen."""
        viewport = self.viewport
        if viewport is None or viewport.wrap:
            return
        widest = max((row.cells.width for row in viewport.rows), default=0)
        column = max(0, min(self.column + cells, widest - self.text_width // 2))
        if column != self.column:
            self.column = column
            self.refresh()

    def on_resize(self) -> None:
        """Fill the new size."""
        self.show()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Go down."""
        self._by_mouse(event, lambda viewport: viewport.move(_WHEEL_ROWS))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Go up."""
        self._by_mouse(event, lambda viewport: viewport.move(-_WHEEL_ROWS))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Go to the part of the log that the scroll bar shows there."""
        if event.x == self.size.width - 1:
            part = event.y / max(1, self.size.height - 1)
            self._by_mouse(event, lambda viewport: viewport.to_fraction(part))

    def _by_mouse(self, event: events.MouseEvent, act: Callable[[Viewport], None]) -> None:
        event.stop()
        self.move(act)
        self.post_message(self.Moved())

    def _draw(self) -> tuple[_Drawn, ...]:
        viewport, height = self.viewport, self.size.height
        rows = viewport.rows if viewport is not None else ()
        first, last = self._thumb(rows)
        numbers = self._row_numbers(rows)
        return tuple(
            _Drawn(
                rows[y] if y < len(rows) else None,
                numbers[y] if y < len(rows) else "",
                first <= y < last,
                y < len(rows) and rows[y].line.offset == self.found,
            )
            for y in range(height)
        )

    def _thumb(self, rows: tuple[Row, ...]) -> tuple[int, int]:
        """The rows of the scroll bar that stand for what is on the screen."""
        viewport, height = self.viewport, self.size.height
        if viewport is None or not rows or viewport.file.size == 0:
            return 0, 0
        begin, size = rows[0].line.offset, viewport.file.size
        if begin == 0 and viewport.at_end and not rows[0].start:
            return 0, 0
        length = max(1, min(height, (rows[-1].line.end - begin) * height // size))
        first = height - length if viewport.at_end else (height - length) * begin // size
        return first, first + length

    def _row_numbers(self, rows: tuple[Row, ...]) -> list[str]:
        """The line number of each row that begins a line."""
        if not self.numbers or self.viewport is None or not rows:
            return [""] * len(rows)
        number = self.viewport.file.line_at(rows[0].line.offset)
        numbers: list[str] = []
        offset = rows[0].line.offset
        for row in rows:
            if number is not None and row.line.offset != offset:
                number += 1
            offset = row.line.offset
            known = number is not None and row.line.exact and row.start == 0
            told = f"{number + 1}" if known and number is not None else ""
            numbers.append(f"{told:>{self._digits}} ")
        return numbers

    def render_line(self, y: int) -> Strip:
        """One row: line number, text, scroll bar."""
        base = self.rich_style
        width = self.size.width
        if y >= len(self._drawn):
            return Strip.blank(width, base)
        row, number, thumb, found = self._drawn[y]
        if row is None:
            if y == 0 and not any(drawn.row for drawn in self._drawn):
                style = self.get_component_rich_style("log-view--empty")
                return Strip([Segment(self.empty, style)]).crop_extend(0, width, base)
            return Strip.blank(width, base)
        strip = self._text(row, base, found=found)
        strip = strip.crop_extend(0, self.text_width, base)
        bar = Segment("█", self.get_component_rich_style("log-view--thumb"))
        end = Strip([bar if thumb else Segment(" ", base)], 1)
        if not self.numbers:
            return Strip.join([strip, end])
        style = self.get_component_rich_style("log-view--number")
        return Strip.join([Strip([Segment(number, style)], self._gutter), strip, end])

    def _text(self, row: Row, base: Style, *, found: bool) -> Strip:
        cells = row.cells
        marked = self._marks(cells.text, found=found)
        if self.viewport is not None and self.viewport.wrap:
            return cells.strip(row.start, row.stop, base=base, marked=marked)
        return cells.window(self.column, self.text_width, base=base, marked=marked)

    def _marks(self, text: str, *, found: bool) -> list[tuple[int, int, Style]]:
        if self.pattern is None:
            return []
        name = "log-view--found" if found else "log-view--match"
        style = self.get_component_rich_style(name, partial=not found)
        marks: list[tuple[int, int, Style]] = []
        for match in self.pattern.finditer(text):
            if match.end() > match.start():
                marks.append((match.start(), match.end(), style))
            if len(marks) >= _MARKS_PER_LINE:
                break
        return marks
