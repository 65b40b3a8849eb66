"""How facts look: text in styled pieces, never markup. Pure; all outside text passes `safe`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style

from rankdeck.logs.sanitise import clean
from rankdeck.text import MARKS, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.color import Color

    from rankdeck.run.state import RunPhase

Piece = tuple[str, str]
"""Text and the name of its style (`STYLES`)."""
Line = tuple[Piece, ...]

STYLES: dict[str, Style] = {}
"""Every style by name; its colours are those of the theme (`use_colours`)."""
_ROLES = {
    "red": "error",
    "yellow": "warning",
    "green": "success",
    "cyan": "accent",
    "blue": "accent",
    "magenta": "secondary",
}
"""What in a theme stands for the colours by which states are known on the command line."""
_BLOCKS = "▁▂▃▄▅▆▇█"


def use_colours(roles: Mapping[str, Color]) -> None:
    """Give every style its colour: by role (`error`), else the terminal's own."""

    def style(name: str, *, bold: bool | None = None) -> Style:
        return Style(color=roles.get(_ROLES.get(name, ""), name), bold=bold)

    STYLES.update(
        {
            "": Style(),
            "bold": Style(bold=True),
            "dim": Style(dim=True),
            "title": Style(bold=True),
            "error": style("red", bold=True),
            "warning": style("yellow"),
            "good": style("green"),
            "accent": style("cyan"),
            "key": style("cyan", bold=True),
        }
    )
    for phase, (_, colour) in MARKS.items():
        bold = phase.value in ("failed", "lost") or None
        STYLES[phase.value] = style(colour, bold=bold)


use_colours({})


def safe(text: str) -> str:
    """Text from outside as it may be shown on one line."""
    return clean(text).replace("\t", "    ")


def counted(number: int, thing: str) -> str:
    """`1 node`, `2 nodes`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def state_piece(phase: RunPhase) -> Piece:
    """`● running`, in the state's style."""
    return (f"{MARKS[phase][0]} {phase.value}", phase.value)


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Exactly `width` cells of text; what does not fit ends in an ellipsis."""
    if cell_len(text) > width:
        text = shown(text, width)
    if right:
        return " " * (width - cell_len(text)) + text
    return set_cell_size(text, width)


def segments(line: Iterable[Piece], base: Style) -> list[Segment]:
    """The pieces as Textual draws them, on top of `base`."""
    return [Segment(text, base + STYLES[style]) for text, style in line if text]


def line_width(line: Line) -> int:
    """Cells the line takes."""
    width = 0
    for text, _ in line:
        width += len(text) if _narrow(text) else cell_len(text)
    return width


def _narrow(text: str) -> bool:
    """Whether every character surely takes one cell: by far the quickest thing to ask of a text."""
    return text.isascii() and text.isprintable()


def whole_pieces(line: Line, width: int) -> Line:
    """The first pieces, as many as fit as a whole."""
    kept: list[Piece] = []
    for piece in line:
        width -= cell_len(piece[0])
        if width < 0:
            break
        kept.append(piece)
    return tuple(kept)


def cut_line(line: Line, width: int) -> Line:
    """The line in at most `width` cells; what does not fit ends in an ellipsis."""
    if line_width(line) <= width:
        return line
    kept = whole_pieces(line, width)
    room = width - line_width(kept)
    text, style = line[len(kept)]
    if room > 0:
        return (*kept, (fit(text, room), style))
    return (*kept[:-1], (fit(f"{kept[-1][0]}…", cell_len(kept[-1][0])), kept[-1][1]))


def plain(line: Line) -> str:
    """The line without its styles."""
    return "".join(text for text, _ in line)


def sparkline(values: Sequence[float], width: int) -> str:
    """The values as a row of blocks, at most `width`, the newest last."""
    if width <= 0 or not values:
        return ""
    if len(values) > width:
        # the last of each group, so that the newest value is always the last block
        values = [values[(i + 1) * len(values) // width - 1] for i in range(width)]
    low, high = min(values), max(values)
    if high <= low:
        return _BLOCKS[0] * len(values)
    return "".join(_BLOCKS[int((value - low) / (high - low) * 7)] for value in values)


def bar(part: float, width: int) -> str:
    """A progress bar of `width` cells; `part` is 0 to 1."""
    full = int(max(0.0, min(1.0, part)) * width)
    return "█" * full + "░" * (width - full)


def wrap(line: Line, width: int) -> list[Line]:
    """The line in pieces of at most `width` cells, broken at spaces where there are any near."""
    if width <= 0 or line_width(line) <= width:
        return [line]
    lead: Piece = line[0]
    if lead[1] == "key" and line_width((lead,)) < width // 2:
        lead = (" " * line_width((lead,)), "")
    elif lead[0] != "│ ":
        text = plain(line)
        lead = (" " * min(len(text) - len(text.lstrip(" ")), width // 2), "")
    done: list[Line] = []
    rest = line
    while line_width(rest) > width:
        cut = _cut_at(plain(rest), width)
        head, rest = _split(rest, cut)
        done.append(head)
        rest = (lead, *_strip_left(rest))
        if line_width(rest) <= cell_len(lead[0]):
            return done
    return [*done, rest]


def _cut_at(text: str, width: int) -> int:
    index = width if _narrow(text) else _beyond(text, width)
    if index >= len(text):
        return len(text)
    space = text.rfind(" ", max(0, index - 24), index)
    stripped = len(text) - len(text.lstrip(" "))
    return space + 1 if space > stripped else max(1, index)


def _beyond(text: str, width: int) -> int:
    """The first character that does not fit as a whole."""
    used = 0
    for index, char in enumerate(text):
        used += cell_len(char)
        if used > width:
            return index
    return len(text)


def _split(line: Line, at: int) -> tuple[Line, Line]:
    head: list[Piece] = []
    tail: list[Piece] = []
    for text, style in line:
        head.append((text[:at], style))
        tail.append((text[at:], style))
        at = max(0, at - len(text))
    return tuple(piece for piece in head if piece[0]), tuple(piece for piece in tail if piece[0])


def _strip_left(line: Line) -> Line:
    pieces = list(line)
    while pieces:
        text, style = pieces[0]
        stripped = text.lstrip(" ")
        if stripped:
            pieces[0] = (stripped, style)
            break
        pieces.pop(0)
    return tuple(pieces)
