"""Canvas: curves as braille dots, two by four to a cell. Pure; knows no terminal library.

A curve of any number of points costs two passes in C over its values: of each column of dots only
the first, the last, the least and the greatest value are drawn.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from typing import NamedTuple

_BITS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_SPANS = tuple(
    tuple(tuple(sum(side[a : b + 1]) for b in range(4)) for a in range(4)) for side in _BITS
)
"""The dots of one side of a cell from row `a` to row `b`."""
_ROWS = (0x09, 0x12, 0x24, 0xC0)
BLOCK = 512
PATTERNS = (1, 0b11111000, 0b10001000, 0b11101000)
"""Which of eight columns of dots a curve is drawn in: whole, dashed, dotted, both. 1: all."""

Run = tuple[str, int]
"""Text, and the layer it belongs to; -1: none."""


class Window(NamedTuple):
    """The part of the plane that is seen."""

    left: float
    right: float
    low: float
    high: float
    log: bool = False

    def height_of(self, value: float) -> float:
        """How far up a value is, 0 to 1; outside of it where it is not seen."""
        if self.log:
            if value <= 0 or self.low <= 0:
                return 0.0
            span = math.log10(self.high) - math.log10(self.low)
            return (math.log10(value) - math.log10(self.low)) / span if span else 0.5
        span = self.high - self.low
        return (value - self.low) / span if span else 0.5

    def part_of(self, x: float) -> float:
        """How far to the right, 0 to 1."""
        span = self.right - self.left
        return (x - self.left) / span if span else 0.5


class Column(NamedTuple):
    """What a curve does within one column of dots."""

    at: int
    first: float
    last: float
    low: float
    high: float


class Peaks(NamedTuple):
    """The least and the greatest of each `BLOCK` values: what drawing a long curve again needs."""

    lows: array[float]
    highs: array[float]


def peaks_of(values: array[float]) -> Peaks:
    """Made once, it makes every drawing of the same values cheap."""
    lows, highs = array("d"), array("d")
    for begin in range(0, len(values) - BLOCK + 1, BLOCK):
        part = values[begin : begin + BLOCK]
        lows.append(min(part))
        highs.append(max(part))
    return Peaks(lows, highs)


def _extremes(
    values: array[float], begin: int, end: int, peaks: Peaks | None
) -> tuple[float, float]:
    first, last = -(-begin // BLOCK), end // BLOCK
    if peaks is None or last - first < 2:
        part = values[begin:end]
        return min(part), max(part)
    low, high = min(peaks.lows[first:last]), max(peaks.highs[first:last])
    for rest in (values[begin : first * BLOCK], values[last * BLOCK : end]):
        if len(rest):
            low, high = min(low, min(rest)), max(high, max(rest))
    return low, high


def columns(
    xs: array[float],
    values: array[float],
    left: float,
    right: float,
    count: int,
    peaks: Peaks | None = None,
) -> list[Column]:
    """The curve between `left` and `right` in `count` columns; empty ones are left out.

    Args:
        xs: Where the values are, ascending.
        values: Finite values.
        left: The first column's place.
        right: The last column's place.
        count: How many columns.
        peaks: Those of the values, if there are any.
    """
    begin, end = bisect_left(xs, left), bisect_right(xs, right)
    span = right - left
    if end <= begin or count < 1:
        return []
    found: list[Column] = []
    if span <= 0:
        part = values[begin:end]
        return [Column(count // 2, part[0], part[-1], min(part), max(part))]
    scale = (count - 1) / span
    at = begin
    while at < end:
        column = int((xs[at] - left) * scale + 0.5)
        edge = left + (column + 0.5) / scale if scale else right
        after = max(at + 1, bisect_left(xs, edge, at, end))
        if after - at == 1:
            value = values[at]
            found.append(Column(column, value, value, value, value))
        else:
            low, high = _extremes(values, at, after, peaks)
            found.append(Column(column, values[at], values[after - 1], low, high))
        at = after
    return found


class Canvas:
    """Cells that curves are drawn into; later layers cover earlier ones."""

    def __init__(self, width: int, height: int, *, braille: bool = True) -> None:
        """An empty canvas of so many cells.

        Args:
            width: Cells.
            height: Cells.
            braille: Whether the terminal can show braille; else plain ASCII.
        """
        self.width = max(1, width)
        self.height = max(1, height)
        self._braille = braille
        self._layers: dict[int, list[int]] = {}
        self._texts: dict[int, Run] = {}

    def curve(self, shape: list[Column], window: Window, layer: int, pattern: int = 0) -> None:
        """Draw a curve that `columns` has prepared for `2 * width` columns."""
        cells = self._layers.setdefault(layer, [0] * (self.width * self.height))
        rows = self.height * 4 - 1
        wanted = PATTERNS[pattern % len(PATTERNS)]

        def row(value: float) -> int:
            return rows - round(min(1.0, max(0.0, window.height_of(value))) * rows)

        before_at, before_row = -1, 0
        for at, first, last, low, high in shape:
            top, bottom = (row(high), row(low)) if high > low else (row(high),) * 2
            begin = row(first) if high > low else top
            if before_at >= 0:
                if at - before_at > 1:
                    self._join(cells, before_at, before_row, at, begin, wanted)
                elif begin != before_row:
                    # what lies between two columns belongs to the second one
                    top, bottom = min(top, max(before_row + 1, 0), begin), max(bottom, begin)
                    if before_row < top:
                        top = before_row + 1
                    elif before_row > bottom:
                        bottom = before_row - 1
            if wanted == 1 or wanted >> (at & 7) & 1:
                self._column(cells, at, top, bottom)
            before_at, before_row = at, (row(last) if high > low else top)

    def text(self, column: int, row: int, text: str, layer: int) -> None:
        """Put text over everything, from a cell on, as far as there is room."""
        if 0 <= row < self.height:
            for offset, char in enumerate(text):
                if 0 <= column + offset < self.width:
                    self._texts[row * self.width + column + offset] = (char, layer)

    def line(self, column: int, layer: int) -> None:
        """A vertical line through the cells that are empty."""
        char = "\u2502" if self._braille else "|"
        for row in range(self.height):
            place = row * self.width + column
            if not any(cells[place] for cells in self._layers.values()):
                self._texts.setdefault(place, (char, layer))

    def cell(self, x: float, value: float, window: Window) -> tuple[int, int]:
        """The column and row of cells of a point."""
        column = round(min(1.0, max(0.0, window.part_of(x))) * (self.width * 2 - 1)) // 2
        part = min(1.0, max(0.0, window.height_of(value)))
        return column, (self.height * 4 - 1 - round(part * (self.height * 4 - 1))) // 4

    def rows(self) -> list[list[Run]]:
        """The cells as text, row by row, each run of one layer in one piece."""
        layers = sorted(self._layers.items(), reverse=True)
        found = []
        for row in range(self.height):
            runs: list[Run] = []
            chars: list[str] = []
            current = -1
            for place in range(row * self.width, (row + 1) * self.width):
                char, layer = self._cell(place, layers)
                if layer != current and chars:
                    runs.append(("".join(chars), current))
                    chars = []
                current = layer
                chars.append(char)
            runs.append(("".join(chars), current))
            found.append(runs)
        return found

    def _cell(self, place: int, layers: list[tuple[int, list[int]]]) -> Run:
        if place in self._texts:
            return self._texts[place]
        for layer, cells in layers:
            mask = cells[place]
            if mask:
                return (chr(0x2800 + mask) if self._braille else _ascii(mask)), layer
        return " ", -1

    def _column(self, cells: list[int], at: int, top: int, bottom: int) -> None:
        column, spans = at >> 1, _SPANS[at & 1]
        if column >= self.width:
            return
        first, last = top >> 2, bottom >> 2
        place = first * self.width + column
        if first == last:
            cells[place] |= spans[top & 3][bottom & 3]
            return
        cells[place] |= spans[top & 3][3]
        for between in range(first + 1, last):
            cells[between * self.width + column] |= spans[0][3]
        cells[last * self.width + column] |= spans[0][bottom & 3]

    def _join(self, cells: list[int], at: int, row: int, to: int, to_row: int, wanted: int) -> None:
        """A straight line over columns that have no point of their own, ends left out."""
        slope = (to_row - row) / (to - at)
        before = row
        for column in range(at + 1, to):
            here = round(row + slope * (column - at))
            low, high = (
                (here, here)
                if abs(here - before) <= 1
                else ((before + 1, here) if here > before else (here, before - 1))
            )
            if wanted == 1 or wanted >> (column & 7) & 1:
                self._column(cells, column, low, high)
            before = here


def _ascii(mask: int) -> str:
    told = [bool(mask & bits) for bits in _ROWS]
    if sum(told) >= 3:
        return "|"
    if any(told[:2]) and any(told[2:]):
        return "-" if told[1] and told[2] else ":"
    return "'" if any(told[:2]) else "."


def ticks(low: float, high: float, count: int, *, log: bool = False) -> list[float]:
    """At most `count` round values between two, ascending."""
    if count < 1 or not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low] if count > 0 else []
    if log and low > 0:
        powers = [
            10.0**power
            for power in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
        ]
        if len(powers) >= 2 or count < 2:
            return powers[:: max(1, -(-len(powers) // count))]
    step = 10.0 ** math.floor(math.log10((high - low) / count))
    for factor in (1, 2, 5, 10, 20, 50, 100):
        size = step * factor
        first, last = math.ceil(low / size - 1e-9), math.floor(high / size + 1e-9)
        if last - first + 1 <= count:
            return [number * size for number in range(first, last + 1)]
    return []
