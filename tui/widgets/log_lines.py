"""Log lines as cells: sanitised text with its colours, cut and wrapped by cells, made into Strips.

The one place where log bytes become something a terminal is given; a wide character is never cut
in two, and what does not fit is padded, so that every row is exactly as wide as it says.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from rich.cells import get_character_cell_size
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from rankdeck.logs.sanitise import clean, styled_spans

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rankdeck.logs.lines import LogLine
    from rankdeck.logs.style import Colour
    from rankdeck.logs.style import Style as LogStyle

TAB = 8
_DIM = Style(dim=True)
# selectors make a character wide in one terminal and narrow in the next; without them all agree
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_MARKS_KEPT = 3


@lru_cache(maxsize=1024)
def rich_style(style: LogStyle) -> Style:
    """A log's own style as the terminal library's."""
    return Style(
        color=_colour(style.fg),
        bgcolor=_colour(style.bg),
        bold=style.bold or None,
        dim=style.dim or None,
        italic=style.italic or None,
        underline=style.underline or None,
        reverse=style.reverse or None,
        strike=style.strike or None,
    )


def _colour(colour: Colour | None) -> Color | None:
    if colour is None:
        return None
    return Color.from_ansi(colour) if isinstance(colour, int) else Color.from_rgb(*colour)


def safe_text(text: bytes | str) -> str:
    """Foreign text on one line, as wide as it says; tabs become single spaces."""
    safe = clean(text).replace("\t", " ")
    if safe.isascii():
        return safe
    return "".join(
        char for char, width in zip(safe, _widths(safe), strict=True) if width is not None
    )


@dataclass(frozen=True, slots=True)
class CellLine:
    """One line of a log, ready to be cut into rows."""

    text: str
    """Tabs expanded, the mark of a clipped line behind it."""
    spans: tuple[tuple[int, int, Style], ...]
    """Characters from, to, and how they look; in order, without overlaps."""
    starts: tuple[int, ...] | None
    """The cell each character begins at, and the width at last; None: one cell a character."""

    @property
    def width(self) -> int:
        """Cells of the whole line."""
        return len(self.text) if self.starts is None else self.starts[-1]

    def cell_of(self, index: int) -> int:
        """The cell that a character begins at."""
        index = min(index, len(self.text))
        return index if self.starts is None else self.starts[index]

    def index_at(self, cell: int) -> int:
        """The first character that begins at `cell` or later."""
        if self.starts is None:
            return min(cell, len(self.text))
        return min(bisect_left(self.starts, cell), len(self.text))

    def row_starts(self, width: int) -> tuple[int, ...]:
        """The first character of each row when wrapped to `width` cells; one row at least."""
        width = max(2, width)
        if self.starts is None:
            return tuple(range(0, max(1, len(self.text)), width))
        rows, index = [0], 0
        while self.starts[-1] - self.starts[index] > width:
            # the last character that ends within the width, and any marks that stand on it
            index = bisect_right(self.starts, self.starts[index] + width) - 1
            if index >= len(self.text):
                break
            rows.append(index)
        return tuple(rows)

    def strip(
        self,
        first: int,
        stop: int,
        *,
        base: Style,
        marked: Sequence[tuple[int, int, Style]] = (),
        left: int = 0,
    ) -> Strip:
        """Characters `first` to `stop` as a Strip, `left` blank cells before them."""
        segments = [Segment(" " * left, base)] if left else []
        for start, end, style in _flatten(first, stop, self.spans, marked):
            segments.append(Segment(self.text[start:end], base + style if style else base))
        return Strip(segments, left + self.cell_of(stop) - self.cell_of(first))

    def window(
        self, cell: int, width: int, *, base: Style, marked: Sequence[tuple[int, int, Style]] = ()
    ) -> Strip:
        """What lies in the cells `cell` to `cell + width`."""
        first = self.index_at(cell)
        while (
            cell > 0 and first < len(self.text) and self.cell_of(first + 1) == self.cell_of(first)
        ):
            first += 1  # a mark whose character lies outside
        left = min(width, self.cell_of(first) - cell) if first < len(self.text) else 0
        stop = first
        if first < len(self.text):
            stop = (
                min(len(self.text), first + width)
                if self.starts is None
                else min(len(self.text), bisect_right(self.starts, cell + width) - 1)
            )
        return self.strip(first, max(first, stop), base=base, marked=marked, left=left)


def _flatten(
    first: int,
    stop: int,
    spans: Sequence[tuple[int, int, Style]],
    marked: Sequence[tuple[int, int, Style]],
) -> Iterable[tuple[int, int, Style | None]]:
    """Pieces of one look each; what is marked looks so whatever is below it."""
    cuts = {first, stop}
    for layer in (spans, marked):
        for start, end, _ in layer:
            if end > first and start < stop:
                cuts.update((max(start, first), min(end, stop)))
    ordered = sorted(cuts)
    places = [(layer, [span[0] for span in layer]) for layer in (spans, marked) if layer]
    for start, end in pairwise(ordered):
        look: Style | None = None
        for layer, begins in places:
            at = bisect_right(begins, start) - 1
            if at >= 0 and layer[at][1] > start:
                look = layer[at][2] if look is None else look + layer[at][2]
        yield start, end, look


def cell_line(line: LogLine) -> CellLine:
    """A line of a log as cells."""
    return _cell_line(line.data, line.mark)


@lru_cache(maxsize=512)
def _cell_line(data: bytes, mark: str) -> CellLine:
    text, log_spans, _ = styled_spans(data)
    spans = [(span.start, span.end, rich_style(span.style)) for span in log_spans]
    if text.isascii() and "\t" not in text:
        return _marked(text, spans, None, mark)
    moved: list[int] = []
    chars: list[str] = []
    widths: list[int] = []
    at = 0
    for char, width in zip(text, _widths(text), strict=True):
        moved.append(len(chars))
        if char == "\t":
            fill = TAB - at % TAB
            chars.extend(" " * fill)
            widths.extend([1] * fill)
            at += fill
        elif width is not None:
            chars.append(char)
            widths.append(width)
            at += width
    moved.append(len(chars))
    spans = [(moved[start], moved[end], style) for start, end, style in spans]
    return _marked("".join(chars), spans, widths, mark)


def _widths(text: str) -> list[int | None]:
    """The width of each character, None for one to leave out.

    Left out are marks that stand on nothing or on a heap of others, and selectors.
    """
    widths: list[int | None] = []
    marks = _MARKS_KEPT
    for char in text:
        width = get_character_cell_size(char) if char != "\t" else 1
        if width > 0:
            marks = 0
            widths.append(width)
        else:
            marks += 1
            keep = marks <= _MARKS_KEPT and not _SELECTORS.match(char)
            widths.append(0 if keep else None)
    return widths


def _marked(
    text: str, spans: list[tuple[int, int, Style]], widths: list[int] | None, mark: str
) -> CellLine:
    if mark:
        if widths is not None:
            widths = [*widths, *(1 for _ in mark)]
        spans = [*spans, (len(text), len(text) + len(mark), _DIM)]
        text += mark
    starts = None if widths is None else tuple(accumulate(widths, initial=0))
    return CellLine(text, tuple(spans), starts)
