"""Where each rank of a grid stands: pure arithmetic over nodes, their sizes and the screen's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len

from tui.widgets.log_lines import safe_text

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST_NAME = 20
_GAP = 2
_FEW = 16
_MANY_ROWS = 1 << 30
_FOLD_PAGES = 3
"""So many pages of ranks are too many to be seen one by one."""
_LONG_PREFIX = 3


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a row: the cells of one node, or the next ones of a node that needs more rows."""

    x: int
    label: str
    cells_x: int
    first: int
    """Index of its first rank."""
    count: int


@dataclass(frozen=True, slots=True)
class GridLayout:
    """The place of every rank."""

    rows: tuple[tuple[Piece, ...], ...]
    step: int
    """Cells from one rank to the next."""
    row_of: tuple[int, ...]
    """The row of each rank, by index."""

    def x_of(self, index: int) -> int:
        """The column of a rank."""
        for piece in self.rows[self.row_of[index]]:
            if piece.first <= index < piece.first + piece.count:
                return piece.cells_x + (index - piece.first) * self.step
        return 0

    def nearest(self, row: int, x: int) -> int:
        """The rank of a row that is closest to a column."""

        def clamped(piece: Piece) -> tuple[int, int]:
            at = min(max(0, (x - piece.cells_x) // self.step), piece.count - 1)
            return abs(piece.cells_x + at * self.step - x), piece.first + at

        return min(clamped(piece) for piece in self.rows[row])[1]

    def hit(self, row: int, x: int) -> int | None:
        """The rank that a click meant: its cell, or the first one of the node's name."""
        for piece in self.rows[row] if 0 <= row < len(self.rows) else ():
            if piece.cells_x <= x < piece.cells_x + piece.count * self.step:
                return piece.first + (x - piece.cells_x) // self.step
            if piece.x <= x < piece.cells_x:
                return piece.first
        return None


@dataclass(frozen=True, slots=True)
class Choice:
    """The layout that serves a place best."""

    layout: GridLayout
    folded: bool
    """Whether a cell stands for a node."""


def choose_layout(
    nodes: Sequence[tuple[str, int]], width: int, height: int, folded: bool | None
) -> Choice:
    """As loose as the height allows; folded (if None) where the ranks take too many pages."""
    shown = [(short_name(name), count) for name, count in nodes]
    layout = build_layout(shown, width, _MANY_ROWS)
    if len(layout.rows) > height:
        layout = build_layout(shown, width, height)
    if len(layout.rows) > height:
        names = shorten([name for name, _ in shown])
        shown = [(name, count) for name, (_, count) in zip(names, shown, strict=True)]
        layout = build_layout(shown, width, height)
    if folded is None:
        folded = len(layout.rows) > _FOLD_PAGES * height and len(nodes) > 1
    return Choice(build_folded(shown, width) if folded else layout, folded)


def rows_wanted(
    nodes: Sequence[tuple[str, int]], width: int, most: int, folded: bool | None
) -> int:
    """Rows that show every rank: one a node, or as few as must be if that is above `most`.

    Folded, or (if None) where these would be too many pages: rows of nodes.
    """
    shown = [(short_name(name), count) for name, count in nodes]
    rows = 0
    for height in (_MANY_ROWS, most):
        rows = len(build_layout(shown, width, height).rows)
        if rows <= most:
            break
    if folded is None:
        folded = rows > _FOLD_PAGES * most and len(nodes) > 1
    return len(build_folded(shown, width).rows) if folded else rows


def build_layout(nodes: Sequence[tuple[str, int]], width: int, height: int) -> GridLayout:
    """Place every node: a row each while that fits the height, else side by side and denser."""
    names = max((cell_len(name) for name, _ in nodes), default=0)
    most = max((count for _, count in nodes), default=1)
    for step, columns in ((2, False), (2, True), (1, True)):
        layout = _place(nodes, width, names, most, step, columns=columns)
        if len(layout.rows) <= height:
            break
    return layout


def build_folded(nodes: Sequence[tuple[str, int]], width: int) -> GridLayout:
    """One cell for each node, its index the node's; every row has the name of its first one."""
    start = max((cell_len(name) for name, _ in nodes), default=0) + 1
    step = 2 if width - start >= 2 * _FEW else 1
    per_row = max(1, (width - start) // step)
    rows: list[tuple[Piece, ...]] = []
    row_of: list[int] = []
    for first in range(0, len(nodes), per_row):
        part = min(per_row, len(nodes) - first)
        row_of.extend([len(rows)] * part)
        rows.append((Piece(0, nodes[first][0], start, first, part),))
    return GridLayout(tuple(rows), step, tuple(row_of))


def shorten(names: Sequence[str]) -> tuple[str, ...]:
    """Names without what all of them begin with, if that is long and leaves each something."""
    if len(names) < _FEW:
        return tuple(names)
    low, high = min(names), max(names)
    same = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))
    common = low[:same].rstrip("0123456789")
    if len(common) < _LONG_PREFIX or any(len(name) == len(common) for name in names):
        return tuple(names)
    return tuple(f"…{name[len(common) :]}" for name in names)


def _place(
    nodes: Sequence[tuple[str, int]], width: int, names: int, most: int, step: int, *, columns: bool
) -> GridLayout:
    start = names + 1
    per_row = max(1, min(most, (width - start) // step))
    block = start + per_row * step + _GAP
    across = max(1, (width + _GAP) // block) if columns and most <= per_row else 1
    rows: list[tuple[Piece, ...]] = []
    row_of: list[int] = []
    open_row: list[Piece] = []
    first = 0
    for name, count in nodes:
        for done in range(0, count, per_row):
            part = min(per_row, count - done)
            if len(open_row) == across:
                rows.append(tuple(open_row))
                open_row = []
            x = len(open_row) * block
            label = "" if done else name
            open_row.append(Piece(x, label, x + start, first + done, part))
            row_of.extend([len(rows)] * part)
        first += count
    if open_row:
        rows.append(tuple(open_row))
    return GridLayout(tuple(rows), step, tuple(row_of))


def short_name(name: str) -> str:
    """A node's name, made safe and no wider than a column of names may be."""
    safe = safe_text(name)
    while cell_len(safe) > _LONGEST_NAME:
        safe = safe[:-2] + "…"
    return safe
