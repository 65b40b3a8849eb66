"""How a piece of log text wants to look: colours and attributes as plain data, and SGR.

Colours are numbers of the terminal's palette (0 to 255) or red, green and blue.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple, TypeAlias

Colour: TypeAlias = int | tuple[int, int, int]
"""A palette number (0-15 are the theme's own) or (red, green, blue)."""


@dataclass(frozen=True, slots=True)
class Style:
    """Colours and attributes of a piece of text; None is the terminal's own colour."""

    fg: Colour | None = None
    bg: Colour | None = None
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    reverse: bool = False
    strike: bool = False


PLAIN = Style()
"""Text without any colour or attribute."""


class Span(NamedTuple):
    """Characters `start` to `end` of a cleaned line, and how they look."""

    start: int
    end: int
    style: Style


class StyledText(NamedTuple):
    """A cleaned line with its colours."""

    text: str
    spans: tuple[Span, ...]
    """In order, without overlaps; text between them is plain."""
    style_after: Style
    """What the next line begins with, unless it says otherwise."""


_SET: dict[int, dict[str, bool]] = {
    1: {"bold": True},
    2: {"dim": True},
    3: {"italic": True},
    4: {"underline": True},
    7: {"reverse": True},
    9: {"strike": True},
    21: {"underline": True},
    22: {"bold": False, "dim": False},
    23: {"italic": False},
    24: {"underline": False},
    27: {"reverse": False},
    29: {"strike": False},
}


@lru_cache(maxsize=1024)
def apply_sgr(style: Style, parameters: str) -> Style:
    """The style after `CSI <parameters> m`; what is unknown or malformed changes nothing."""
    if parameters[:1] in ("<", "=", ">", "?"):
        return style
    parts = parameters.split(";")
    at = 0
    while at < len(parts):
        if ":" in parts[at]:
            style = _with_subparameters(style, [_number(part) for part in parts[at].split(":")])
            at += 1
            continue
        code = _number(parts[at])
        at += 1
        if code in (38, 48):
            colour, used = _extended([_number(part) for part in parts[at : at + 4]])
            at += used
            style = _coloured(style, code, colour)
        else:
            style = _simple(style, code)
    return style


def _with_subparameters(style: Style, codes: list[int]) -> Style:
    """One parameter in the colon form: `38:2::r:g:b`, `48:5:n`, `4:3` (curly underline)."""
    if codes[0] in (38, 48):
        # the colour space before red is optional, and nothing here depends on it
        rest = [2, *codes[-3:]] if codes[1] == 2 and len(codes) >= 5 else codes[1:]
        return _coloured(style, codes[0], _extended(rest)[0])
    if codes[0] == 4:
        return replace(style, underline=codes[1] != 0)
    return style


def _simple(style: Style, code: int) -> Style:
    if code == 0:
        return PLAIN
    if code in _SET:
        return replace(style, **_SET[code])
    return _basic_colour(style, code)


def _coloured(style: Style, code: int, colour: Colour | None) -> Style:
    if colour is None:
        return style
    return replace(style, fg=colour) if code == 38 else replace(style, bg=colour)


def _basic_colour(style: Style, code: int) -> Style:
    if 30 <= code <= 37 or 90 <= code <= 97:
        return replace(style, fg=code - 30 if code < 90 else code - 82)
    if 40 <= code <= 47 or 100 <= code <= 107:
        return replace(style, bg=code - 40 if code < 100 else code - 92)
    if code == 39:
        return replace(style, fg=None)
    if code == 49:
        return replace(style, bg=None)
    return style


def _extended(codes: list[int]) -> tuple[Colour | None, int]:
    """The colour that follows a 38 or 48, and how many codes it took."""
    if codes[:1] == [5]:
        number = codes[1] if len(codes) > 1 else -1
        return (number if 0 <= number <= 255 else None), 2
    if codes[:1] == [2]:
        rgb = codes[1:4]
        if len(rgb) == 3 and all(0 <= part <= 255 for part in rgb):
            return (rgb[0], rgb[1], rgb[2]), 4
        return None, 4
    return None, 0


def _number(part: str) -> int:
    # an absent parameter is 0; a number too long to be meant is none
    if not part:
        return 0
    return int(part) if part.isdecimal() and len(part) <= 4 else -1
