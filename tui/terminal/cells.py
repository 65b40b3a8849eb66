"""Cells: rows of text as the terminal has them, one entry a cell.

Pure. A cell is its text and its colours (the parameters of an SGR sequence). The second cell of a
wide character is empty; marks that combine stand with the character before them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from rich.cells import get_character_cell_size
from rich.color import ColorSystem
from textual.strip import Strip

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.segment import Segment

# every one of these takes one cell, in every terminal
_NARROW = re.compile(
    "[ -~\u00a0-\u00ac\u00ae-\u02ff\u0391-\u052f\u2010-\u2027\u2030-\u205e\u2190-\u21ff"
    "\u2500-\u25fc\u2714\u2716\u2718\u2713\u2800-\u28ff]*"
)


class Cells(NamedTuple):
    """A piece of a row."""

    text: list[str]
    colours: list[str]

    @property
    def width(self) -> int:
        """How many cells there are."""
        return len(self.text)


def cells_of(segments: Iterable[Segment], system: ColorSystem = ColorSystem.TRUECOLOR) -> Cells:
    """The cells that these segments fill."""
    text: list[str] = []
    colours: list[str] = []
    for part, style, _ in segments:
        colour = ""
        if style is not None:
            colour = style._ansi if style._ansi is not None else Strip.render_ansi(style, system)
        found = list(part) if _NARROW.fullmatch(part) else _clusters(part)
        if found and found[0] == "" and text:
            # a mark that combines with the last character of the segment before
            text[-1] += part[0]
            found = _clusters(part[1:])
        text += found
        colours += [colour] * len(found)
    return Cells(text, colours)


def is_narrow(text: str) -> bool:
    """Whether every terminal agrees that each of these characters takes one cell."""
    return _NARROW.fullmatch(text) is not None


def _clusters(text: str) -> list[str]:
    found: list[str] = []
    for char in text:
        width = get_character_cell_size(char)
        if width == 0:
            if not found:
                found.append("")
            elif found[-1] == "" and len(found) > 1:
                found[-2] += char
            else:
                found[-1] += char
        elif width == 2:
            found += [char, ""]
        else:
            found.append(char)
    return found
