"""LineCounter: the numbers of the lines of many logs, counted bit by bit in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.logs.index import BLOCK, BlockIndex

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rankdeck.logs.arrivals import Arrivals
    from rankdeck.logs.rank_files import RankFiles

_STEP = 1 << 20


class LineCounter:
    """How many lines lie before a cut."""

    def __init__(self, files: RankFiles, arrivals: Arrivals, ends: Sequence[int]) -> None:
        """Begin with nothing counted.

        Args:
            files: The logs.
            arrivals: Knows which lines end without a newline.
            ends: Up to where the logs are shown; to be set anew as they grow.
        """
        self._files = files
        self._arrivals = arrivals
        self.ends = ends
        self._indexes = [BlockIndex() for _ in files.logs]
        self._next = 0

    @property
    def complete(self) -> bool:
        """Whether everything that is shown has been counted."""
        return all(index.size >= end for index, end in zip(self._indexes, self.ends, strict=True))

    @property
    def part(self) -> float:
        """How much of it has been, 0 to 1."""
        total = sum(self.ends)
        return min(1.0, sum(index.size for index in self._indexes) / total) if total else 1.0

    @property
    def count(self) -> int:
        """Lines counted so far."""
        return sum(
            index.newlines + self._arrivals.breaks_before(number, index.size)
            for number, index in enumerate(self._indexes)
        )

    def count_some(self, budget: int) -> bool:
        """Count in up to `budget` more bytes; whether everything has been."""
        ends = self.ends
        for _ in self._indexes:
            number = self._next
            index = self._indexes[number]
            while index.size < ends[number]:
                if budget <= 0:
                    return False
                data = self._files.read(number, index.size, min(_STEP, ends[number] - index.size))
                if not data:
                    break
                index.feed(data)
                budget -= len(data)
            self._next = (number + 1) % len(self._indexes)
        return self.complete

    def before(self, places: Sequence[int]) -> int:
        """Lines before these places in the logs."""
        total = 0
        for number, (index, place) in enumerate(zip(self._indexes, places, strict=True)):
            if place:
                block = place // BLOCK
                inside = self._files.read(number, block * BLOCK, place - block * BLOCK)
                total += index.before(block) + inside.count(b"\n")
                total += self._arrivals.breaks_before(number, place)
        return total
