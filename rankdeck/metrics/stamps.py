"""Stamps: when the lines of a block were written, looked up only for the lines that need it."""

from __future__ import annotations

import math
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rankdeck.logs.times import LogTimes


class Stamps:
    """The times of the lines of one block, by their number in it."""

    def __init__(self, times: LogTimes, ahead: float, offset: int, block: bytes) -> None:
        """Prepare.

        Args:
            times: The times of the log.
            ahead: Seconds by which its clock is ahead.
            offset: Where in the log the block begins.
            block: Lines, each with a newline.
        """
        self.known = times.count > 0
        """Whether any time is known; else all are NaN."""
        self._times = times
        self._ahead = ahead
        self._offset = offset
        self._block = block
        self._begins: list[int] = []

    def begin(self, number: int) -> int:
        """Where in the block a line begins."""
        if not self._begins:
            sizes = map(len, self._block.splitlines(keepends=True))
            self._begins = [0, *accumulate(sizes)]
        return self._begins[number]

    def at(self, number: int) -> float:
        """When a line was written, by the supervisor's clock; NaN: nobody knows."""
        return self.at_byte(self.begin(number)) if self.known else math.nan

    def at_byte(self, begin: int) -> float:
        """When the byte at this place of the block was written."""
        if not self.known:
            return math.nan
        known = self._times.time_at(self._offset + begin)
        return math.nan if known is None else known - self._ahead

    def several(self, numbers: Sequence[int]) -> list[float]:
        """As `at`, for several lines in order."""
        if not self.known:
            return [math.nan] * len(numbers)
        begins = [self._offset + self.begin(number) for number in numbers]
        return [time - self._ahead for time in self._times.times_at(begins) or ()]
