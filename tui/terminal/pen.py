"""Pen: writes cells on a terminal with as few bytes as it can."""

from __future__ import annotations

import re
from functools import lru_cache

from tui.terminal.cells import is_narrow

_COLOUR = re.compile(r"(?:^|;)([34]8;(?:2;\d+;\d+;\d+|5;\d+)|[349]\d|10[0-7])(?=;|$)")


class Pen:
    """Knows where the cursor is and which colours hold."""

    __slots__ = ("_colour", "_out", "_x", "_y")

    def __init__(self) -> None:
        """Nobody knows where the cursor is; no colours hold."""
        self._out: list[str] = []
        self._x = self._y = -1
        self._colour = ""

    def write(self, x: int, y: int, text: str, colour: str) -> None:
        """Write the character of one cell."""
        if (x, y) != (self._x, self._y):
            self._move(x, y)
        if colour != self._colour:
            self._out.append(_change_of(self._colour, colour))
            self._colour = colour
        self._out.append(text)
        # terminals do not agree on how wide the others are: the next move is an absolute one
        self._x = x + 1 if is_narrow(text) else -1

    def scroll(self, top: int, bottom: int, rows: int) -> None:
        """Let the rows from `top` to `bottom` go up by some."""
        self._out.append(f"\x1b[{top + 1};{bottom + 1}r\x1b[{bottom + 1}H")
        self._out.append("\x1bD" * rows)
        self._out.append("\x1b[r")
        self._x = self._y = -1

    def finish(self) -> str:
        """Everything that was written; leaves the terminal without colours."""
        if self._colour:
            self._out.append("\x1b[m")
            self._colour = ""
        return "".join(self._out)

    def _move(self, x: int, y: int) -> None:
        ahead = x - self._x
        if y == self._y and self._x >= 0 and ahead > 0:
            self._out.append(f"\x1b[{ahead}C" if ahead > 1 else "\x1b[C")
        else:
            self._out.append(f"\x1b[{y + 1};{x + 1}H" if x else f"\x1b[{y + 1}H")
        self._x, self._y = x, y


@lru_cache(4096)
def _change_of(old: str, new: str) -> str:
    """The sequence from one set of colours to another."""
    if not new:
        return "\x1b[m"
    before, after = _parts(old), _parts(new)
    if (
        not old
        or before[0] != after[0]
        or any(b and not a for b, a in zip(before, after, strict=True))
    ):
        return f"\x1b[0;{new}m" if old else f"\x1b[{new}m"
    changed = [a for b, a in zip(before[1:], after[1:], strict=True) if a != b]
    return f"\x1b[{';'.join(changed)}m"


def _parts(colour: str) -> tuple[str, str, str]:
    """Attributes, foreground and background."""
    foreground = background = ""
    for found in _COLOUR.findall(colour):
        if found.startswith(("4", "10")):
            background = found
        else:
            foreground = found
    return _COLOUR.sub("", colour).strip(";"), foreground, background
