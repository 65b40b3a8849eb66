"""A page of styled lines that can be scrolled: events, failures, plans, help.

Lines are wrapped at the widget's width; only what is seen is drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.keys import Scope, bindings
from tui.looks import Line, segments, wrap

if TYPE_CHECKING:
    from collections.abc import Sequence


class TextLines(ScrollView, can_focus=True):
    """Lines made of safe text; shows them from the top, or follows their end."""

    DEFAULT_CSS = """
    TextLines {
        height: 1fr; overflow-x: hidden; scrollbar-size: 1 1; scrollbar-size-horizontal: 0;
    }
    """
    BINDINGS = bindings(Scope.TEXT)

    def __init__(self, *, follow: bool = False, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._follow = follow
        self._lines: tuple[Line, ...] = ()
        self._wrapped: list[Line] = []
        self._wrapped_at = 0

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines as they were given."""
        return self._lines

    def show(self, lines: Sequence[Line]) -> None:
        """Show these lines; where they only grew, only the new ones are laid out."""
        given = tuple(lines)
        if given == self._lines:
            return
        old = self._lines
        at_end = self._at_end
        grown = bool(old) and given[: len(old)] == old and self._wrapped_at == self._room
        self._lines = given
        if grown:
            for line in given[len(old) :]:
                self._wrapped += wrap(line, self._room)
            self._lay_out()
        else:
            self._wrap_all()
        if at_end:
            self.scroll_end(animate=False)

    def on_resize(self) -> None:
        """Wrap at the new width."""
        at_end = self._at_end or not self._wrapped_at
        if self._room != self._wrapped_at:
            self._wrap_all()
        if self._follow and at_end:
            self.scroll_end(animate=False)

    @property
    def _at_end(self) -> bool:
        return self._follow and self.scroll_offset.y >= self.max_scroll_y

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        row, style, width = y + self.scroll_offset.y, self.rich_style, self.size.width
        line = self._wrapped[row] if row < len(self._wrapped) else ()
        strip = Strip(segments(line, style))
        return strip.extend_cell_length(width, style).crop(0, width)

    @property
    def _room(self) -> int:
        # the scroll bar is always allowed for, so that its coming changes no line
        return max(0, self.container_size.width - 2)

    def _wrap_all(self) -> None:
        self._wrapped_at = self._room
        self._wrapped = [part for line in self._lines for part in wrap(line, self._room)]
        self._lay_out()

    def _lay_out(self) -> None:
        self.virtual_size = Size(self._room, len(self._wrapped))
        self.refresh()
