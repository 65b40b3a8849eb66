"""RowTable: rows of records with a cursor and marks; draws only what is seen, however many.

A function of the records and the clock: a row is repainted only when its text has changed. What a
table is about (columns, how a record reads) comes from its owner; it never sorts or filters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.keys import Scope, bindings
from tui.looks import Line, Piece, fit, segments
from tui.widgets.column_widths import share_room

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.style import Style
    from textual import events

_T = TypeVar("_T")
_MARK = "▌"


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    name: str
    title: str
    width: int
    """Cells; the least where `share` is given."""
    share: int = 0
    """Its part of the cells that are left, against the other columns' shares."""
    most: int = 0
    """No more cells than this; 0: as many as there are."""
    right: bool = False
    """Whether its text stands at the right."""
    from_width: int = 0
    """The table is at least this wide, or the column is left out."""
    sort: bool = False
    """Whether the rows can be sorted by it."""
    falls: bool = False
    """Whether the largest comes first when the rows are sorted by it."""


class RowTable(ScrollView, Generic[_T], can_focus=True):
    """A table of records."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "row-table--head",
        "row-table--cursor",
        "row-table--mark",
    }
    DEFAULT_CSS = """
    RowTable { height: 1fr; scrollbar-size: 1 1; scrollbar-size-horizontal: 0; overflow-x: hidden; }
    RowTable > .row-table--head { color: $text-muted; text-style: bold; }
    RowTable > .row-table--cursor { background: $primary 60%; color: $text; }
    RowTable:focus > .row-table--cursor { background: $primary; color: $text; text-style: bold; }
    RowTable > .row-table--mark { color: $warning; text-style: bold; }
    """
    BINDINGS = bindings(Scope.TABLE)

    cursor: reactive[int] = reactive(0, repaint=False)

    class Moved(Message):
        """The cursor is on another row."""

    class Opened(Message):
        """The user wants to see the record under the cursor."""

    class Marked(Message):
        """Other rows are marked than before."""

    class Sorted(Message):
        """The rows are wanted in another order: `sorting` says in which."""

    def __init__(
        self,
        columns: Sequence[Column],
        key: Callable[[_T], str],
        cells: Callable[[_T, float, Mapping[str, int]], Mapping[str, Piece]],
        *,
        id: str | None = None,  # noqa: A002 - the library's own name for it
        marks: bool = True,
    ) -> None:
        """An empty table.

        Args:
            columns: From left to right.
            key: What tells one record from all others; cursor and marks stay on it.
            cells: A record at a time (seconds since the epoch), as a styled piece for each
                column; gets the columns' widths. Text from outside must have passed `safe`.
            id: The widget's id.
            marks: Whether anything can be done to several rows; else the keys for that are free.
        """
        super().__init__(id=id)
        self.nothing = ""
        """What to say where there are no rows."""
        self._can_mark = marks
        self._sorts = any(column.sort for column in columns)
        self._reordered = False
        self._columns = tuple(columns)
        self._key = key
        self._cells = cells
        self._rows: tuple[_T, ...] = ()
        self._now = 0.0
        self._drawn: dict[int, tuple[bool, bool, Line]] = {}
        self._marks: frozenset[str] = frozenset()
        self._mark_from = 0
        self._places: dict[str, int] = {}
        self._sorting: tuple[str, bool] = ("", False)
        self._right = frozenset(column.name for column in columns if column.right)
        self._lines: dict[str, Line] = {}
        """Rows as they read at this moment and width, by key."""
        self._widths: tuple[int, dict[str, int]] = (-1, {})
        self._style: Style | None = None
        """That of its text, while rows are drawn."""

    # -- what it shows ----------------------------------------------------------------------

    @property
    def rows(self) -> tuple[_T, ...]:
        """The records in the table, from the top."""
        return self._rows

    @property
    def moment(self) -> float:
        """What its clocks show."""
        return self._now

    @property
    def selected(self) -> _T | None:
        """The record under the cursor."""
        return self._rows[self.cursor] if self._rows else None

    @property
    def marked(self) -> tuple[_T, ...]:
        """The marked records that are in the table, from the top."""
        places = sorted(self._places[key] for key in self._marks if key in self._places)
        return tuple(self._rows[place] for place in places)

    @property
    def chosen(self) -> tuple[_T, ...]:
        """What an action is about: the marked records, else the one under the cursor."""
        selected = self.selected
        return self.marked or (() if selected is None else (selected,))

    @property
    def sorting(self) -> tuple[str, bool]:
        """The column that the rows are sorted by, and whether they fall; no column: as they came.

        What it says is shown in the head; the owner brings the rows into that order.
        """
        return self._sorting

    def show(self, rows: Sequence[_T], now: float) -> None:
        """Show these records; the cursor stays on its record, or where that was."""
        selected = self.selected
        self._rows, self._now = tuple(rows), now
        self._lines.clear()
        self._places = dict(zip(map(self._key, self._rows), range(len(self._rows)), strict=True))
        self.virtual_size = Size(self._room, len(self._rows) + 1)
        # whoever stands at the top and asks for another order wants to see what is first in it
        stays = not (self._reordered and self.cursor == 0)
        self._reordered = False
        if selected is not None and stays:
            self.cursor = self._places.get(self._key(selected), self.cursor)
        self.cursor = self.validate_cursor(self.cursor)
        self._redraw()

    def tick(self, now: float) -> None:
        """Let the clocks in the table go on; only rows that look different are drawn."""
        self._now = now
        self._lines.clear()
        self._redraw()

    def _redraw(self) -> None:
        self.widths()
        for y in range(self.size.height):
            if self._state(y) != self._drawn.get(y):
                self.refresh(Region(0, y, self.size.width, 1))

    def select(self, key: str) -> bool:
        """Put the cursor on a record; whether it is in the table."""
        place = self._places.get(key)
        if place is not None:
            self.cursor = place
        return place is not None

    def sort(self, column: str, *, falls: bool) -> None:
        """Say in the head that the rows are sorted by this column; empty: by none."""
        self._sorting = (column, falls)
        self._redraw()

    def mark(self, keys: frozenset[str]) -> None:
        """Mark exactly these."""
        if keys != self._marks:
            self._marks = keys
            self._redraw()
            self.post_message(self.Marked())

    # -- keys -------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave keys that mean nothing here to the screen."""
        if action in ("sort", "turn"):
            return self._sorts
        return self._can_mark or action not in ("mark", "mark_range", "mark_all")

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor on a row."""
        return max(0, min(cursor, len(self._rows) - 1))

    def watch_cursor(self) -> None:
        """Keep the cursor's row in sight."""
        self._reveal()
        self._redraw()
        self.post_message(self.Moved())

    def _reveal(self) -> None:
        top, page = self.scroll_offset.y, max(1, self.size.height - 1)
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False)
        elif self.cursor >= top + page:
            self.scroll_to(y=self.cursor - page + 1, animate=False)

    def action_cursor(self, step: int) -> None:
        """Move the cursor by `step` rows."""
        self.cursor += step

    def action_page(self, step: int) -> None:
        """Move the cursor by a page."""
        self.cursor += step * max(1, self.size.height - 2)

    def action_edge(self, side: int) -> None:
        """Move the cursor to the first (-1) or last row."""
        self.cursor = 0 if side < 0 else len(self._rows) - 1

    def action_mark(self) -> None:
        """Mark the row, or unmark it, and go on to the next."""
        selected = self.selected
        if selected is not None:
            self._mark_from = self.cursor
            self.mark(self._marks ^ {self._key(selected)})
            self.cursor += 1

    def action_mark_range(self) -> None:
        """Mark every row from the last one that was marked to this one."""
        first, last = sorted((self._mark_from, self.cursor))
        self.mark(self._marks | {self._key(row) for row in self._rows[first : last + 1]})

    def action_mark_all(self) -> None:
        """Mark every row, or none where all of them are marked."""
        every = frozenset(map(self._key, self._rows))
        self.mark(frozenset() if every <= self._marks else every)

    def action_sort(self, step: int) -> None:
        """Sort by the next column that is shown and can be sorted by; after the last, by none."""
        shown = self.widths()
        names = ["", *(c.name for c in self._columns if c.sort and c.name in shown)]
        at = names.index(self._sorting[0]) if self._sorting[0] in names else 0
        self._sort_by(names[(at + step) % len(names)])

    def action_turn(self) -> None:
        """Turn the order round."""
        self._sorting = (self._sorting[0], not self._sorting[1])
        self._reorder()

    def _sort_by(self, name: str) -> None:
        self._sorting = (name, any(c.falls for c in self._columns if c.name == name))
        self._reorder()

    def _reorder(self) -> None:
        self._reordered = True
        self._redraw()
        self.post_message(self.Sorted())

    def action_open(self) -> None:
        """Open the record under the cursor."""
        if self._rows:
            self.post_message(self.Opened())

    def on_click(self, event: events.Click) -> None:
        """Select a row; a second click opens it. In the head: sort by the column."""
        row = event.y - 1 + self.scroll_offset.y
        if event.y == 0:
            self._sort_at(event.x)
        if event.y > 0 and row < len(self._rows):
            if event.chain > 1 and row == self.cursor:
                self.action_open()
            self.cursor = row

    def _sort_at(self, x: int) -> None:
        end = 1
        for name, width in self.widths().items():
            end += width + 1
            if x < end:
                if name == self._sorting[0]:
                    self.action_turn()
                elif any(column.sort for column in self._columns if column.name == name):
                    self._sort_by(name)
                return

    @property
    def _room(self) -> int:
        """Cells beside the scroll bar."""
        return self.scrollable_content_region.width

    # -- drawing ----------------------------------------------------------------------------

    def on_resize(self) -> None:
        """Draw what has come into sight; one that is seen for the first time may stand at its end.

        The library paints the new size before it tells of it: rows that stayed are there already.
        """
        self.virtual_size = Size(self._room, len(self._rows) + 1)
        self._reveal()
        self._redraw()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """What is seen has moved."""
        super().watch_scroll_y(old_value, new_value)
        self._drawn.clear()
        self.refresh()

    def render_lines(self, crop: Region) -> list[Strip]:
        """Some rows of the screen; what is asked of the widgets around it is asked once."""
        self._style = self.rich_style
        try:
            return super().render_lines(crop)
        finally:
            self._style = None

    def render_line(self, y: int) -> Strip:
        """One row of the screen."""
        width = self._room
        self.widths()
        state = self._state(y)
        self._drawn[y] = state
        under_cursor, marked, line = state
        style = self._style or self.rich_style
        if y == 0:
            style = self.get_component_rich_style("row-table--head")
        elif under_cursor:
            style = self.get_component_rich_style("row-table--cursor")
            # colours of states do not show on the cursor's; mark and word remain
            line = tuple((text, "") for text, _ in line)
        strip = Strip(segments(line, style))
        if marked:
            mark = self.get_component_rich_style("row-table--mark")
            strip = Strip.join([Strip(segments(((_MARK, ""),), mark)), strip.crop(1)])
        return strip.extend_cell_length(width, style).crop(0, width)

    def widths(self) -> dict[str, int]:
        """Cells of each column that is shown at this width, in order."""
        room = self._room
        if self._widths[0] != room:
            self._widths = (room, share_room(self._columns, room))
            self._lines.clear()
        return self._widths[1]

    def _state(self, y: int) -> tuple[bool, bool, Line]:
        """All that decides how a row of the screen looks: cursor, mark, text."""
        if y == 0:
            titles = {column.name: (self._title(column), "") for column in self._columns}
            return False, False, self._line(titles, self.widths())
        index = y - 1 + self.scroll_offset.y
        if index >= len(self._rows):
            says = y == 2 and self.nothing and not self._rows
            return False, False, ((f" {self.nothing}", "dim"),) if says else ()
        row = self._rows[index]
        key = self._key(row)
        line = self._lines.get(key)
        if line is None:
            widths = self.widths()
            line = self._lines[key] = self._line(self._cells(row, self._now, widths), widths)
        return index == self.cursor, key in self._marks, line

    def _title(self, column: Column) -> str:
        name, falls = self._sorting
        if column.name != name or not name:
            # rows as they came, turned round, have no column of their own to say so
            return column.title
        arrow = "▼" if falls else "▲"
        return f"{arrow}{column.title}" if column.right else f"{column.title} {arrow}"

    def _line(self, cells: Mapping[str, Piece], widths: Mapping[str, int]) -> Line:
        pieces: list[Piece] = [(" ", "")]
        for name, room in widths.items():
            text, style = cells.get(name, ("", ""))
            pieces += [(fit(text, room, right=name in self._right), style), (" ", "")]
        return tuple(pieces)
