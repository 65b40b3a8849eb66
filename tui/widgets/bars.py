"""The line above and the line below every screen: where one is, and which keys there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.strip import Strip
from textual.widget import Widget

from tui.looks import Line, Piece, line_width, segments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.keys import Key


class LineBar(Widget):
    """A few lines of text, drawn again only when they have changed."""

    DEFAULT_CSS = "LineBar { height: 1; }"

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.lines: tuple[Line, ...] = ()

    def show(self, *lines: Line) -> None:
        """Show these lines."""
        if lines != self.lines:
            grown = len(lines) != len(self.lines)
            self.lines = lines
            if grown:
                self.styles.height = max(1, len(lines))
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line, cut at the end of the screen."""
        style, width = self.rich_style, self.size.width
        line = self.lines[y] if y < len(self.lines) else ()
        strip = Strip(segments(line, style))
        return strip.extend_cell_length(width, style).crop(0, width)


class TitleBar(LineBar):
    """Where one is: text on the left, a summary on the right."""

    DEFAULT_CSS = "TitleBar { background: $panel; }"

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._parts: tuple[Line, Line] = ((), ())

    def show_parts(self, left: Line, right: Line = ()) -> None:
        """Show both sides; the right one goes when there is no room for it."""
        self._parts = (left, right)
        gap = self.size.width - line_width(left) - line_width(right) - 2
        middle: Piece = (" " * max(1, gap), "")
        self.show((((" "), ""), *left, *((middle, *right) if gap > 0 else ())))

    def on_resize(self) -> None:
        """Lay both sides out again."""
        self.show_parts(*self._parts)


class KeyBar(LineBar):
    """The most useful keys here, as many as fit, and always `? help`."""

    DEFAULT_CSS = "KeyBar { background: $panel; }"

    def __init__(self, keys: Sequence[Key]) -> None:
        super().__init__()
        self._keys = tuple(key for key in keys if key.bar)

    def on_resize(self) -> None:
        """Choose what fits."""
        help_key = [key for key in self._keys if key.action == "help"]
        room = self.size.width - 1 - sum(_width(key) for key in help_key)
        shown: list[Key] = []
        for key in self._keys:
            if key in help_key:
                continue
            room -= _width(key)
            if room < 0:
                break
            shown.append(key)
        pieces: list[Piece] = [(" ", "")]
        for key in (*shown, *help_key):
            pieces += [(key.shown.split()[0], "key"), (f" {key.label}  ", "")]
        self.show(tuple(pieces))


def _width(key: Key) -> int:
    return len(key.shown.split()[0]) + len(key.label) + 3
