"""The preview: rows that a cursor goes over, each perhaps about a field or a node; can be searched.

Only what is seen is drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.keys import Scope, bindings
from tui.looks import Line, plain, segments, wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.style import Style

    from tui.form.plan_rows import PlanRow


class PlanView(ScrollView, can_focus=True):
    """A page of rows with a cursor."""

    BINDINGS = bindings(Scope.PLAN)
    COMPONENT_CLASSES: ClassVar[set[str]] = {"plan--cursor", "plan--found"}
    DEFAULT_CSS = """
    PlanView { height: 1fr; overflow-x: hidden; scrollbar-size-horizontal: 0; padding: 0 1; }
    PlanView > .plan--cursor { background: $boost; }
    PlanView:focus > .plan--cursor { background: $primary-muted; }
    PlanView > .plan--found { background: $warning; color: $background; }
    """

    class Chosen(Message):
        """Enter on a row."""

        def __init__(self, row: PlanRow) -> None:
            super().__init__()
            self.row = row

    class Wanted(Message):
        """Something the screen does for it: `search`, `copy`, `copy_all`, `export`, `in_full`."""

        def __init__(self, what: str) -> None:
            super().__init__()
            self.what = what

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._rows: tuple[PlanRow, ...] = ()
        self._wrapped: list[tuple[Line, int]] = []
        """Lines as they are drawn, and the row that each belongs to."""
        self._starts: list[int] = []
        self._wrapped_at = 0
        self._cursor = 0
        self._sought = ""

    @property
    def rows(self) -> tuple[PlanRow, ...]:
        """The rows as they were given."""
        return self._rows

    @property
    def row(self) -> PlanRow | None:
        """The row under the cursor."""
        return self._rows[self._cursor] if self._rows else None

    def show(self, rows: Sequence[PlanRow]) -> None:
        """Show these rows; the cursor stays where it is as far as possible."""
        given = tuple(rows)
        if given == self._rows:
            return
        self._rows = given
        self._cursor = max(0, min(self._cursor, len(given) - 1))
        self._wrap_all()

    def seek(self, text: str) -> bool:
        """Mark this text, and go to the next row with it; false: there is none."""
        self._sought = text.casefold()
        self.refresh()
        return self._next(1, include_here=True)

    def forget(self) -> bool:
        """Mark nothing any more; false where nothing was marked."""
        sought, self._sought = self._sought, ""
        self.refresh()
        return bool(sought)

    def on_resize(self) -> None:
        """Wrap at the new width."""
        if self._room != self._wrapped_at:
            self._wrap_all()

    def action_move(self, rows: int) -> None:
        """Move the cursor."""
        self._go(self._cursor + rows)

    def action_page(self, pages: int) -> None:
        """Move the cursor by a page."""
        at = self._starts[self._cursor] if self._starts else 0
        target = max(0, min(at + pages * max(1, self.size.height - 1), len(self._wrapped) - 1))
        if self._wrapped:
            self._go(self._wrapped[target][1])

    def action_first(self) -> None:
        """The first row."""
        self._go(0)

    def action_last(self) -> None:
        """The last row."""
        self._go(len(self._rows) - 1)

    def action_node(self, step: int) -> None:
        """The first row of the next or the previous node."""
        heads = [
            index
            for index, row in enumerate(self._rows)
            if row.node >= 0 and (not index or self._rows[index - 1].node != row.node)
        ]
        if step > 0:
            self._go(next((at for at in heads if at > self._cursor), self._cursor))
        else:
            self._go(next((at for at in reversed(heads) if at < self._cursor), self._cursor))

    def action_next_found(self, step: int) -> None:
        """The next or the previous row with what is sought."""
        if self._sought:
            self._next(step, include_here=False)

    def action_choose(self) -> None:
        """Go to the field that the row is about."""
        if (row := self.row) is not None:
            self.post_message(self.Chosen(row))

    def action_want(self, what: str) -> None:
        """Ask the screen for something."""
        self.post_message(self.Wanted(what))

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        at, width = y + self.scroll_offset.y, self.size.width
        style: Style = self.rich_style
        if at >= len(self._wrapped):
            return Strip.blank(width, style)
        line, row = self._wrapped[at]
        if row == self._cursor:
            style = self.get_component_rich_style("plan--cursor")
        strip = Strip(segments(line, style))
        strip = strip.extend_cell_length(width, style).crop(0, width)
        return self._marked(strip, line)

    def _marked(self, strip: Strip, line: Line) -> Strip:
        """What is sought, marked."""
        text = plain(line)
        at = text.casefold().find(self._sought) if self._sought else -1
        if at < 0:
            return strip
        from rich.cells import cell_len

        begin = cell_len(text[:at])
        end = begin + cell_len(text[at : at + len(self._sought)])
        before, found, after = strip.divide([begin, end, strip.cell_length])
        return Strip.join(
            [before, found.apply_style(self.get_component_rich_style("plan--found")), after]
        )

    def _next(self, step: int, *, include_here: bool) -> bool:
        count = len(self._rows)
        first = 0 if include_here else 1
        for distance in range(first, count + first):
            at = (self._cursor + step * distance) % count
            if self._sought in plain(self._rows[at].line).casefold():
                self._go(at)
                return True
        return False

    def _go(self, row: int) -> None:
        if not self._rows:
            return
        self._cursor = max(0, min(row, len(self._rows) - 1))
        begin = self._starts[self._cursor]
        end = (
            self._starts[self._cursor + 1]
            if self._cursor + 1 < len(self._starts)
            else len(self._wrapped)
        )
        self.scroll_to_region(
            Region(0, begin, 1, max(1, end - begin)), animate=False, force=True, x_axis=False
        )
        self.refresh()

    @property
    def _room(self) -> int:
        # the scroll bar is always allowed for, so that its coming changes no line
        return max(0, self.container_size.width - 4)

    def _wrap_all(self) -> None:
        self._wrapped_at = self._room
        self._wrapped, self._starts = [], []
        for index, row in enumerate(self._rows):
            self._starts.append(len(self._wrapped))
            self._wrapped += [(part, index) for part in wrap(row.line, self._room)]
        self.virtual_size = Size(self._room, len(self._wrapped))
        self.refresh()
