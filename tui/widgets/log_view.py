"""LogView: draws a page of a log, its scroll bar, marks and selection; repaints rows that differ.

A Line-API widget. It reads nothing: a page has all it needs. It draws its own scroll bar, by
positions: how many rows a log has is not known until all of it has been read.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui.log_page import Page, PageRow

if TYPE_CHECKING:
    from textual import events
    from textual.geometry import Size

    from rankdeck.logs.search import Expression

_WHEEL_ROWS = 3
_MARKS_PER_LINE = 200
_BOOKMARK = "▌"
# told apart on dark and light grounds; the label's text says the rank as well
_RANK_COLOURS = (
    "cyan", "green", "yellow", "magenta", "blue", "bright_red", "bright_cyan", "bright_green",
    "bright_magenta", "bright_blue", "bright_yellow", "red",
)  # fmt: skip
_RANK_STYLES = tuple(Style(color=colour) for colour in _RANK_COLOURS)


class _Drawn(NamedTuple):
    """All that decides how one row of the screen looks."""

    row: PageRow | None
    thumb: bool
    found: bool
    selected: int
    """0: no, 1: selected, 2: where the selection ends."""


class LogView(Widget, can_focus=True):
    """The visible part of one log."""

    DEFAULT_CSS = """
    LogView { height: 1fr; }
    LogView > .log-view--number { color: $text-muted; }
    LogView > .log-view--time { color: $text-muted; }
    LogView > .log-view--bookmark { color: $warning; text-style: bold; }
    LogView > .log-view--empty { color: $text-muted; text-style: italic; }
    LogView > .log-view--match { text-style: reverse; }
    LogView > .log-view--found { background: $warning; color: black; text-style: bold underline; }
    LogView > .log-view--selected { background: $primary 40%; }
    LogView > .log-view--cursor { background: $primary 70%; text-style: bold; }
    LogView > .log-view--thumb { color: $primary; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "log-view--number",
        "log-view--time",
        "log-view--bookmark",
        "log-view--empty",
        "log-view--match",
        "log-view--found",
        "log-view--selected",
        "log-view--cursor",
        "log-view--thumb",
    }

    class Wheel(Message):
        """The wheel was turned, or a selection is drawn over an edge."""

        def __init__(self, rows: int) -> None:
            super().__init__()
            self.rows = rows

    class Dragged(Message):
        """The scroll bar was taken to a place."""

        def __init__(self, fraction: float) -> None:
            super().__init__()
            self.fraction = fraction

    class Picked(Message):
        """Lines were selected with the mouse."""

        def __init__(self, anchor: int, cursor: int) -> None:
            super().__init__()
            self.anchor = anchor
            self.cursor = cursor

    class Cleared(Message):
        """A click where nothing is to be selected."""

    class Resized(Message):
        """There is another size to fill."""

    def __init__(self) -> None:
        """Begin without a page."""
        super().__init__()
        self.page = Page()
        self.empty = "no log"
        """What to say while there is nothing to show."""
        self.column = 0
        """The first cell shown of lines that are not wrapped."""
        self.pattern: Expression | None = None
        """What to mark in the text."""
        self._drawn: tuple[_Drawn, ...] = ()
        self._told_empty = ""
        self._ground: Style | None = None
        self._anchor: int | None = None
        self._dragging = False
        self._picked = False
        self._pressed_at = 0

    @property
    def text_width(self) -> int:
        """Cells for text, between what stands left of it and the scroll bar."""
        return max(2, self.size.width - self.page.gutter.width - 1)

    @property
    def found(self) -> int | None:
        """Position of the line that was gone to last."""
        return self.page.found

    def show(self, page: Page) -> None:
        """Show a page; repaint the rows that differ from what is there."""
        self.page = page
        drawn = self._draw()
        if drawn == self._drawn and self._told_empty == self.empty:
            return
        old, self._drawn = self._drawn, drawn
        self._told_empty, told = self.empty, self._told_empty
        if len(old) != len(drawn) or told != self.empty:
            self.refresh()
            return
        for y, (before, now) in enumerate(zip(old, drawn, strict=True)):
            if before != now:
                self.refresh(Region(0, y, self.size.width, 1))

    def reveal_column(self) -> None:
        """Scroll sideways so that the first mark in the found line is seen."""
        row = self.page.row_of(self.page.found)
        if self.page.wrap or self.pattern is None or row is None:
            return
        cells = row.row.cells
        if span := next(self.pattern.spans(cells.text), None):
            first, last = map(cells.cell_of, span)
            if first < self.column or last > self.column + self.text_width:
                self.column = max(0, first - self.text_width // 3)
                self.refresh()

    def shift(self, cells: int) -> None:
        """Scroll sideways, no further than the longest line on the screen."""
        if self.page.wrap:
            return
        self._to_column(min(self.column + cells, self._widest - self.text_width // 2))

    def to_edge(self, *, end: bool) -> None:
        """Scroll to the first column, or so far that the longest line's end is seen."""
        if not self.page.wrap:
            self._to_column(self._widest - self.text_width if end else 0)

    @property
    def _widest(self) -> int:
        return max((row.row.cells.width for row in self.page.rows), default=0)

    def _to_column(self, column: int) -> None:
        column = max(0, column)
        if column != self.column:
            self.column = column
            self.refresh()

    def _size_updated(
        self, size: Size, virtual_size: Size, container_size: Size, layout: bool = True
    ) -> bool:
        # textual sends no event where somebody asked for a region between the change and the layout
        if size != self._size:
            self.post_message(self.Resized())
        return super()._size_updated(size, virtual_size, container_size, layout)

    # -- the mouse --------------------------------------------------------------------------

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Go down."""
        event.stop()
        self.post_message(self.Wheel(_WHEEL_ROWS))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Go up."""
        event.stop()
        self.post_message(self.Wheel(-_WHEEL_ROWS))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take the scroll bar, or begin to select."""
        event.stop()
        self._picked, self._pressed_at = False, event.y
        if event.x >= self.size.width - 1:
            self._dragging = True
            self.capture_mouse()
            self._drag(event.y)
        else:
            self._anchor = self._position_at(event.y)
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Move the scroll bar, or select more."""
        if self._dragging:
            self._drag(event.y)
        elif self._anchor is not None and (self._picked or event.y != self._pressed_at):
            self._picked = True
            if not 0 <= event.y < self.size.height:
                self.post_message(self.Wheel(-1 if event.y < 0 else 1))
            position = self._position_at(min(max(0, event.y), self.size.height - 1))
            if position is not None:
                self.post_message(self.Picked(self._anchor, position))

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """Let go."""
        event.stop()
        if not self._dragging and not self._picked:
            self.post_message(self.Cleared())
        self._dragging, self._anchor = False, None
        self.release_mouse()

    def _drag(self, y: int) -> None:
        self.post_message(
            self.Dragged(min(max(0, y), self.size.height) / max(1, self.size.height - 1))
        )

    def _position_at(self, y: int) -> int | None:
        rows = self.page.rows
        return rows[min(y, len(rows) - 1)].row.line.offset if rows else None

    # -- drawing ----------------------------------------------------------------------------

    def _draw(self) -> tuple[_Drawn, ...]:
        page = self.page
        first, last = page.thumb
        rows: list[PageRow | None] = [*page.rows]
        rows += [None] * (page.height - len(rows))
        return tuple(
            _Drawn(
                row,
                first <= y < last,
                row is not None and row.row.line.offset == page.found,
                self._selected(row),
            )
            for y, row in enumerate(rows)
        )

    def _selected(self, row: PageRow | None) -> int:
        chosen = self.page.selection
        if row is None or chosen is None or not chosen.low <= row.row.line.offset <= chosen.high:
            return 0
        return 2 if row.row.line.offset == chosen.cursor else 1

    def render_lines(self, crop: Region) -> list[Strip]:
        """Rows of the screen; the ground they stand on is worked out once for all of them."""
        self._ground = self.rich_style
        strips = super().render_lines(crop)
        self._ground = None
        return strips

    def render_line(self, y: int) -> Strip:
        """One row: bookmark, number, time, rank, text, scroll bar."""
        ground = base = self._ground or self.rich_style
        width = self.size.width
        drawn = self._drawn[y] if y < len(self._drawn) else None
        if drawn is None or drawn.row is None:
            if y == 0 and not self.page.rows:
                style = self.get_component_rich_style("log-view--empty")
                return Strip([Segment(self.empty, style)]).crop_extend(0, width, base)
            return Strip.blank(width, base)
        left = self._left(drawn.row, base)
        if drawn.selected:
            name = "log-view--cursor" if drawn.selected > 1 else "log-view--selected"
            base = base + self.get_component_rich_style(name)
        room = self.text_width
        text = self._text(drawn.row, base, found=drawn.found).crop_extend(0, room, base)
        bar = Segment("█", self.get_component_rich_style("log-view--thumb"))
        end = Strip([bar if drawn.thumb else Segment(" ", ground)], 1)
        strip = Strip.join([left, text, end]) if left else Strip.join([text, end])
        # a page made for another size is on its way out
        return strip if strip.cell_length == width else strip.crop_extend(0, width, base)

    def _left(self, row: PageRow, base: Style) -> Strip | None:
        gutter = self.page.gutter
        segments: list[Segment] = []
        if gutter.bookmark:
            style = self.get_component_rich_style("log-view--bookmark")
            segments.append(Segment(_BOOKMARK if row.bookmark else " ", style))
        if gutter.number:
            segments.append(Segment(row.number, self.get_component_rich_style("log-view--number")))
        if gutter.time:
            segments.append(Segment(row.time, self.get_component_rich_style("log-view--time")))
        if gutter.label:
            style = base
            if row.rank >= 0 and not len(row.row.line.ranks) > 1:
                style = base + _RANK_STYLES[row.rank % len(_RANK_STYLES)]
            segments.append(Segment(row.label, style))
        return Strip(segments, gutter.width) if segments else None

    def _text(self, shown: PageRow, base: Style, *, found: bool) -> Strip:
        row = shown.row
        cells = row.cells
        marked = self._marks(cells.text, found=found)
        if self.page.wrap:
            return cells.strip(row.start, row.stop, base=base, marked=marked)
        return cells.window(self.column, self.text_width, base=base, marked=marked)

    def _marks(self, text: str, *, found: bool) -> list[tuple[int, int, Style]]:
        if self.pattern is None:
            return []
        name = "log-view--found" if found else "log-view--match"
        style = self.get_component_rich_style(name, partial=not found)
        marks: list[tuple[int, int, Style]] = []
        for begin, end in islice(self.pattern.spans(text), _MARKS_PER_LINE):
            marks.append((begin, end, style))
        return marks
