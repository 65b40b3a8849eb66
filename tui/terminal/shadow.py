"""Shadow: what the terminal shows now, and the shortest way from there to what it should show.

Pure but for its memory. It writes cells that differ, moves over those that do not, and where rows
have moved up (a log that is followed) lets the terminal scroll them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.terminal.cells import Cells, is_narrow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_UNKNOWN = "?"
"""Colours of a cell of which nobody knows what it shows: equal to no real ones."""
_STEP_OVER = 4
"""Up to so many unchanged cells are written again, as a move would cost as much."""
_FURTHEST_SCROLL = 3
_LEAST_BLOCK = 4
"""Rows; a block that has moved is at least this high, or it is just written."""


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
        pen = _Pen()
        block = self._moved(wanted)
        if block is not None:
            top, bottom, rows = block
            for y in range(top, bottom + 1):
                wanted.setdefault(y, Cells(self._text[y][:], self._colours[y][:]))
            pen.scroll(top, bottom, rows)
            self._scroll(top, bottom, rows)
        for y in sorted(wanted):
            self._write_row(pen, y, wanted[y])
        return pen.finish()

    def _write_row(self, pen: _Pen, y: int, row: Cells) -> None:
        text, colours = self._text[y], self._colours[y]
        if row.text == text and row.colours == colours:
            return
        for start, stop in _runs(row, Cells(text, colours)):
            for x in range(start, stop):
                if row.text[x]:
                    pen.move(x, y)
                    pen.write(row.text[x], row.colours[x])
        text[:], colours[:] = row.text, row.colours

    # -- rows that move ---------------------------------------------------------------------

    def _moved(self, wanted: Mapping[int, Cells]) -> tuple[int, int, int] | None:
        """The block of rows that only moved up: top row, bottom row, by how many rows."""
        changed = sorted(
            y
            for y, row in wanted.items()
            if row.text != self._text[y] or row.colours != self._colours[y]
        )
        if len(changed) < _LEAST_BLOCK:
            return None
        best, found = self.width, None
        for rows in range(1, _FURTHEST_SCROLL + 1):
            gain = self._gain(wanted, changed[0], changed[-1], rows)
            if gain > best:
                best, found = gain, (changed[0], changed[-1], rows)
        return found

    def _gain(self, wanted: Mapping[int, Cells], top: int, bottom: int, rows: int) -> int:
        """How many cells fewer are to be written if these rows go up first."""
        if bottom - top + 1 < _LEAST_BLOCK + rows:
            return 0
        gain = 0
        for y in range(top, bottom + 1):
            row = wanted.get(y)
            text = row.text if row is not None else self._text[y]
            if row is not None:
                gain += _differ(text, self._text[y])
            gain -= self.width if y + rows > bottom else _differ(text, self._text[y + rows])
        return gain

    def _scroll(self, top: int, bottom: int, rows: int) -> None:
        for plane, blank in ((self._text, " "), (self._colours, _UNKNOWN)):
            del plane[top : top + rows]
            fresh = [[blank] * self.width for _ in range(rows)]
            plane[bottom - rows + 1 : bottom - rows + 1] = fresh


def _differ(one: list[str], other: list[str]) -> int:
    return 0 if one == other else sum(map(str.__ne__, one, other))


def _runs(new: Cells, old: Cells) -> list[tuple[int, int]]:
    """From where to where a row is to be written; in whole characters."""
    text, width = new.text, new.width
    differs = [
        x for x in range(width) if text[x] != old.text[x] or new.colours[x] != old.colours[x]
    ]
    runs: list[tuple[int, int]] = []
    for x in differs:
        # the second half of a character is written with its first
        start = x - 1 if x and text[x] == "" else x
        stop = x + 2 if x + 1 < width and text[x + 1] == "" else x + 1
        if runs and (start <= runs[-1][1] or _cheap(new, runs[-1][1], start)):
            runs[-1] = (runs[-1][0], max(stop, runs[-1][1]))
        else:
            runs.append((start, stop))
    return runs


def _cheap(row: Cells, start: int, stop: int) -> bool:
    """Whether writing these cells again costs no more than moving over them."""
    return (
        stop - start <= _STEP_OVER
        and all(colour == row.colours[start - 1] for colour in row.colours[start:stop])
        and all(text.isascii() and text for text in row.text[start:stop])
    )


class _Pen:
    """Writes cells with as few bytes as it can."""

    __slots__ = ("_colour", "_out", "_x", "_y")

    def __init__(self) -> None:
        self._out: list[str] = []
        self._x = self._y = -1
        self._colour = ""

    def move(self, x: int, y: int) -> None:
        """Go to a cell."""
        if (x, y) == (self._x, self._y):
            return
        ahead = x - self._x
        if y == self._y and self._x >= 0 and ahead > 0:
            self._out.append(f"\x1b[{ahead}C" if ahead > 1 else "\x1b[C")
        else:
            self._out.append(f"\x1b[{y + 1};{x + 1}H" if x else f"\x1b[{y + 1}H")
        self._x, self._y = x, y

    def write(self, text: str, colour: str) -> None:
        """Write one cell where we are."""
        if text == "":
            return
        if colour != self._colour:
            self._out.append(f"\x1b[0;{colour}m" if colour else "\x1b[m")
            self._colour = colour
        self._out.append(text)
        # terminals do not agree on how wide the others are: the next move is an absolute one
        self._x = self._x + 1 if is_narrow(text) else -1

    def scroll(self, top: int, bottom: int, rows: int) -> None:
        """Let the rows from `top` to `bottom` go up."""
        self._out.append(f"\x1b[m\x1b[{top + 1};{bottom + 1}r\x1b[{bottom + 1}H")
        self._out.append("\x1bD" * rows)
        self._out.append("\x1b[r")
        self._x = self._y = -1
        self._colour = ""

    def finish(self) -> str:
        """Everything that was written; leaves the terminal without colours."""
        if self._colour:
            self._out.append("\x1b[m")
        return "".join(self._out)
