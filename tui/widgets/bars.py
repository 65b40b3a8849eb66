"""The line above and the line below every screen: where one is, and which keys there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.strip import Strip
from textual.widget import Widget

from tui.looks import Line, Piece, cut_line, line_width, plain, segments
from tui.valid_keys import ValidKey, valid_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.keys import Key

_ROOT = "rankdeck"
_STEP = " ▸ "


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
        """One line; what does not fit ends in an ellipsis."""
        style, width = self.rich_style, self.size.width
        line = self.lines[y] if y < len(self.lines) else ()
        strip = Strip(segments(cut_line(line, width), style))
        return strip.extend_cell_length(width, style).crop(0, width)


class TitleBar(LineBar):
    """Where one is and how one came there on the left, a summary on the right."""

    DEFAULT_CSS = "TitleBar { background: $panel; }"

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._parts: tuple[Line, Line] = ((), ())

    @property
    def crumb(self) -> str:
        """What this screen is called in the titles of those above it."""
        return next((text.strip() for text, _ in self._parts[0] if text.strip()), "")

    def show_parts(self, left: Line, right: Line = ()) -> None:
        """Show both sides; the way here, and then the right one, go when there is no room.

        Args:
            left: What this screen shows; `rankdeck ▸ ` before it is not repeated.
            right: A summary.
        """
        left = _without_root(left)
        self._parts = (left, right)
        if getattr(self.app, "read_only", False):
            left = (*left, ("  ", ""), ("read-only", "warning"))
        width = self.size.width - 2
        room = width - line_width(left) - line_width(right) - 1
        way = next((way for way in self._ways() if cell_len(way) <= room), "")
        gap = width - cell_len(way) - line_width(left) - line_width(right)
        middle: Piece = (" " * max(1, gap), "")
        end = (middle, *right) if gap > 0 else ()
        self.show(((" ", ""), (way, "dim"), *left, *end))

    def _ways(self) -> list[str]:
        """How the way here is written, the longest first."""
        trail: tuple[str, ...] = getattr(self.screen, "trail", ())
        names = (_ROOT, *trail)
        ways = [_STEP.join((*names, ""))]
        ways += [_STEP.join(("…", *names[cut:], "")) for cut in range(1, len(names))]
        return ways

    def on_resize(self) -> None:
        """Lay both sides out again."""
        self.show_parts(*self._parts)


def _without_root(line: Line) -> Line:
    text = plain(line)
    if not text.startswith(_ROOT + _STEP):
        return line
    cut = len(_ROOT + _STEP)
    kept: list[Piece] = []
    for piece, style in line:
        if piece[cut:]:
            kept.append((piece[cut:], style))
        cut = max(0, cut - len(piece))
    return tuple(kept)


class KeyBar(LineBar):
    """The most useful keys of what has the focus, then the screen's, and always the help's."""

    DEFAULT_CSS = "KeyBar { background: $panel; }"

    def __init__(self, keys: Sequence[Key] = ()) -> None:
        """`keys` is what there is before anything has the focus."""
        super().__init__()
        self._first = tuple(keys)

    def on_mount(self) -> None:
        """Follow the focus."""
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self.choose())

    def on_resize(self) -> None:
        """Choose what fits."""
        self.choose()

    def choose(self) -> None:
        """Show the keys that are valid now, as many as fit."""
        if not self.is_attached or not self.size.width:
            return
        useless = getattr(self.screen, "useless", frozenset[str]())
        found = [
            valid
            for valid in valid_keys(self.screen)
            if valid.row.bar and valid.shown and valid.row.action not in useless
        ]
        if not found:
            found = [ValidKey(key, self, key.shown.split()[0]) for key in self._first if key.bar]
        helps = [valid for valid in found if valid.row.action == "help"]
        others = [valid for valid in found if valid.row.action != "help"]
        room = self.size.width - 1 - sum(map(_width, helps))
        shown: list[ValidKey] = []
        for valid in others:
            # the mark of what is left out needs its place, too
            last = len(shown) + 1 == len(others)
            if _width(valid) + (0 if last else 3) > room:
                break
            room -= _width(valid)
            shown.append(valid)
        pieces: list[Piece] = [(" ", "")]
        for valid in shown:
            style = ("key", "") if valid.enabled else ("dim", "dim")
            pieces += [(valid.shown, style[0]), (f" {valid.row.label}  ", style[1])]
        if len(shown) < len(others):
            pieces.append(("…  ", "dim"))
        for valid in helps:
            pieces += [(valid.shown, "key"), (f" {valid.row.label}  ", "")]
        self.show(tuple(pieces))


def _width(valid: ValidKey) -> int:
    return cell_len(valid.shown) + cell_len(valid.row.label) + 3
