"""RankCells: from ranks to the cells of the grid, and back. No textual; the grid draws them.

A cell is a rank, or a node where the grid is folded: then it shows its most urgent rank.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from tui.widgets.rank_modes import Mode, find_rank, in_trouble, read_ranks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rankdeck.run.view import RankView


class RankCells:
    """The ranks of a run, by index in the order of their numbers."""

    def __init__(self) -> None:
        self.mode = Mode.STATE
        self.folded = False
        self.ranks: tuple[RankView, ...] = ()
        self.groups: list[tuple[str, int]] = []
        """Nodes with the numbers of their ranks."""
        self.levels: tuple[int, ...] = ()
        """The level of every cell."""
        self.silent: frozenset[int] = frozenset()
        """The numbers of the nodes that cannot be heard."""
        self.suspects: frozenset[int] = frozenset()
        """Ranks that the others may wait for."""
        self.reading = read_ranks(self.mode, (), 0.0)
        self._indexes: dict[int, int] = {}
        self._node_of: list[int] = []
        self._firsts: list[int] = []

    def __len__(self) -> int:
        return len(self.levels)

    def take(self, ranks: tuple[RankView, ...]) -> bool:
        """Take these ranks; whether they stand otherwise than before."""
        numbers = [rank.rank for rank in ranks]
        nodes = [(name, len(list(group))) for name, group in groupby(rank.node for rank in ranks)]
        self.ranks = ranks
        if nodes == self.groups and numbers == list(self._indexes):
            return False
        self.groups = nodes
        self._indexes = {number: index for index, number in enumerate(numbers)}
        self._node_of = [number for number, (_, count) in enumerate(nodes) for _ in range(count)]
        self._firsts = []
        first = 0
        for _, count in nodes:
            self._firsts.append(first)
            first += count
        return True

    def read(self, now: float) -> list[int] | None:
        """Work out every cell anew; those that differ, or None where all may."""
        self.reading = read_ranks(self.mode, self.ranks, now)
        old, self.levels = self.levels, self._levels()
        if len(old) != len(self.levels):
            return None
        if old == self.levels:
            return []
        return [i for i, (a, b) in enumerate(zip(old, self.levels, strict=True)) if a != b]

    def fold(self, folded: bool) -> None:
        """One cell for each node, or for each rank."""
        self.folded = folded
        self.levels = self._levels()

    def _levels(self) -> tuple[int, ...]:
        levels = self.reading.levels
        if not self.folded:
            return levels
        urgency = [level.urgency for level in self.reading.scale]
        pairs = zip(self._firsts, self.groups, strict=True)
        return tuple(max(levels[f : f + n], key=urgency.__getitem__) for f, (_, n) in pairs)

    # -- where ranks are --------------------------------------------------------------------

    def index(self, rank: int) -> int | None:
        """The index of a rank by its number."""
        return self._indexes.get(rank)

    def nearest(self, rank: int) -> int:
        """The number of the rank closest to this number."""
        return min(self._indexes, key=lambda number: abs(number - rank), default=rank)

    def cell_of(self, index: int) -> int:
        """The cell of a rank."""
        return self._node_of[index] if self.folded else index

    def node_at(self, cell: int) -> int:
        """The number of a cell's node."""
        return cell if self.folded else self._node_of[cell]

    def first_cell(self, node: int) -> int:
        """The first cell of a node."""
        return node if self.folded else self._firsts[node]

    def index_in(self, cell: int) -> int:
        """The rank that a cell stands for: of a node's, the most urgent one."""
        if not self.folded:
            return cell
        first, count = self._firsts[cell], self.groups[cell][1]
        scale, levels = self.reading.scale, self.reading.levels
        return max(range(first, first + count), key=lambda i: scale[levels[i]].urgency)

    def first_of(self, node: str) -> int | None:
        """The index of a node's first rank."""
        pairs = zip(self._firsts, self.groups, strict=True)
        return next((first for first, (name, _) in pairs if name == node), None)

    def runs(self, first: int, stop: int, cursor: int) -> Iterator[tuple[int, int]]:
        """Cells from `first` to `stop` in runs that look the same; the cursor stands alone."""
        levels, silent = self.levels, self.silent if self.folded else frozenset[int]()
        start = first
        while start < stop:
            end = start + 1
            if start != cursor:
                look = levels[start], start in silent
                while end < stop and end != cursor and (levels[end], end in silent) == look:
                    end += 1
            yield start, end
            start = end

    # -- what is looked for -----------------------------------------------------------------

    def find(self, text: str, start: int, *, backward: bool) -> int | None:
        """The index of the next rank that a text means."""
        silent = frozenset(self.groups[node][0] for node in self.silent)
        return find_rank(text, self.ranks, silent, start, backward=backward)

    def trouble(self, start: int, *, backward: bool) -> int | None:
        """The index of the next rank in trouble."""
        count, step = len(self.ranks), -1 if backward else 1
        for distance in range(1, count + 1):
            index = (start + step * distance) % count
            rank = self.ranks[index]
            known = self._node_of[index] in self.silent or rank.rank in self.suspects
            if in_trouble(self.reading, index, rank, known):
                return index
        return None
