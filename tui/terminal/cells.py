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
        before = len(text)
        if _NARROW.fullmatch(part):
            text += part
        else:
            _add_clusters(text, part)
        colours += [colour] * (len(text) - before)
    return Cells(text, colours)


def is_narrow(text: str) -> bool:
    """Whether every terminal agrees that each of these characters takes one cell."""
    return _NARROW.fullmatch(text) is not None


def _add_clusters(text: list[str], part: str) -> None:
    for char in part:
        width = get_character_cell_size(char)
        if width == 2:
            text += [char, ""]
        elif width:
            text.append(char)
        elif text:
            # a mark stands with the character before it, whose second cell stays empty
            text[-1 if text[-1] else -2] += char
