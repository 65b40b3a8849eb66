"""Shadow: what the terminal shows now, and the shortest way from there to what it should show.

Pure but for its memory. It writes cells that differ, all of one colour together, moves over those
that do not, and where rows have moved up (a log that is followed) lets the terminal scroll them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tui.terminal.cells import Cells
from tui.terminal.pen import Pen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_UNKNOWN = "?"
"""Colours of a cell of which nobody knows what it shows: equal to no real ones."""
_STEP_OVER = 4
"""Up to so many unchanged cells are written again, as a move would cost as much."""
_FURTHEST_SCROLL = 3
_LEAST_BLOCK = 4
"""Fewer rows than this are just written."""


class _Block(NamedTuple):
    """Rows that have moved up."""

    top: int
    bottom: int
    rows: int
    """By how many."""


class Shadow:
    """The cells of one terminal."""

    def __init__(self, width: int, height: int) -> None:
        """Nothing is known about what the terminal shows."""
        self.width = width
        self.height = height
        self._text = [[" "] * width for _ in range(height)]
        self._colours = [[_UNKNOWN] * width for _ in range(height)]

    def forget(self) -> None:
        """Something else has written on the terminal."""
        for row in self._colours:
            row[:] = [_UNKNOWN] * self.width

    def change(self, pieces: Iterable[tuple[int, int, Cells]]) -> str:
        """What to send so that the terminal shows these pieces; the rest stays.

        Args:
            pieces: Row, column and cells; the last one wins where they overlap.
        """
        wanted = self._wanted(pieces)
        pen = Pen()
        block = self._moved(wanted)
        if block is not None:
            for y in range(block.top, block.bottom + 1):
                wanted.setdefault(y, Cells(self._text[y][:], self._colours[y][:]))
            pen.scroll(*block)
            self._scroll(block)
        runs: list[tuple[str, int, int, int]] = []
        for y, row in wanted.items():
            old = Cells(self._text[y], self._colours[y])
            runs += [(row.colours[start], y, start, stop) for start, stop in _runs(row, old)]
        for _, y, start, stop in sorted(runs):
            row = wanted[y]
            for x in range(start, stop):
                if row.text[x]:
                    pen.write(x, y, row.text[x], row.colours[x])
        for y, row in wanted.items():
            self._text[y], self._colours[y] = row
        return pen.finish()

    def _wanted(self, pieces: Iterable[tuple[int, int, Cells]]) -> dict[int, Cells]:
        """The rows that may differ from what is there, as they are to be."""
        wanted: dict[int, Cells] = {}
        for y, x, cells in pieces:
            if not 0 <= y < self.height or x >= self.width:
                continue
            row = wanted.get(y)
            if row is None:
                row = wanted[y] = Cells(self._text[y][:], self._colours[y][:])
            stop = min(self.width, x + cells.width)
            row.text[x:stop] = cells.text[: stop - x]
            row.colours[x:stop] = cells.colours[: stop - x]
        return {
            y: row
            for y, row in wanted.items()
            if row.text != self._text[y] or row.colours != self._colours[y]
        }

    # -- rows that move ---------------------------------------------------------------------

    def _moved(self, wanted: Mapping[int, Cells]) -> _Block | None:
        """The rows that are best scrolled before anything is written."""
        if len(wanted) < _LEAST_BLOCK:
            return None
        rows = [wanted[y].text if y in wanted else old for y, old in enumerate(self._text)]
        stay = [_differ(new, old) for new, old in zip(rows, self._text, strict=True)]
        best, found = self.width, None
        for by in range(1, _FURTHEST_SCROLL + 1):
            gains = [
                stay[y] - _differ(rows[y], self._text[y + by]) for y in range(self.height - by)
            ]
            for top, last, gain in _best_ranges(gains):
                # the rows that come in from below are written whole
                gain -= sum(self.width - stay[y] for y in range(last + 1, last + by + 1))
                if gain > best and last - top + 1 >= _LEAST_BLOCK:
                    best, found = gain, _Block(top, last + by, by)
        return found

    def _scroll(self, block: _Block) -> None:
        top, bottom, rows = block
        for plane, blank in ((self._text, " "), (self._colours, _UNKNOWN)):
            del plane[top : top + rows]
            fresh = [[blank] * self.width for _ in range(rows)]
            plane[bottom - rows + 1 : bottom - rows + 1] = fresh


def _differ(one: list[str], other: list[str]) -> int:
    """How many cells of two rows differ."""
    return 0 if one == other else sum(map(str.__ne__, one, other))


def _best_ranges(gains: list[int]) -> list[tuple[int, int, int]]:
    """The range of the greatest sum: first, last, sum; none where there is no gain."""
    best, first, total = (0, 0, 0), 0, 0
    for y, gain in enumerate(gains):
        total += gain
        if total > best[2]:
            best = (first, y, total)
        if total <= 0:
            first, total = y + 1, 0
    return [best] if best[2] > 0 else []


def _runs(new: Cells, old: Cells) -> list[tuple[int, int]]:
    """From where to where a row is to be written; whole characters, one colour each."""
    text, colours, width = new.text, new.colours, new.width
    runs: list[tuple[int, int]] = []
    for x in range(width):
        if text[x] == old.text[x] and colours[x] == old.colours[x]:
            continue
        # the second half of a character is written with its first
        start = x - 1 if x and text[x] == "" else x
        stop = x + 2 if x + 1 < width and text[x + 1] == "" else x + 1
        if runs and _joins(new, runs[-1][1], start, colours[runs[-1][0]]):
            runs[-1] = (runs[-1][0], max(stop, runs[-1][1]))
        else:
            runs.append((start, stop))
    return runs


def _joins(row: Cells, end: int, start: int, colour: str) -> bool:
    """Whether a run that ends at `end` goes on to a cell at `start` as cheaply as by a move."""
    if start - end > _STEP_OVER or row.colours[min(start, row.width - 1)] != colour:
        return False
    return all(row.colours[x] == colour and row.text[x].isascii() for x in range(end, start)) and (
        all(row.text[end:start])
    )
