"""LogTimes: when the bytes of a rank's log were written, from its sparse (time, size) pairs.

The agent notes a log's size about ten times a second while it grows. What lies between two sizes
was written shortly before the second one; inside such a sample time is interpolated.
"""

from __future__ import annotations

import math
import os
import struct
from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from rankdeck.logs.handle import Handle

if TYPE_CHECKING:
    from pathlib import Path

_PAIR = 16
_BLOCK_PAIRS = 256
_SAMPLE_SECONDS = 0.2
"""A sample covers no more than this, however long the log had been silent before."""


class _Block(NamedTuple):
    """Some consecutive pairs, with the one before them."""

    first: int
    times: tuple[float, ...]
    sizes: tuple[int, ...]
    time_before: float
    size_before: int


class LogTimes:
    """Times of one log; reads only the few pairs it is asked about."""

    def __init__(self, path: Path) -> None:
        """Open the pairs if they are there."""
        self.path = path
        self._handle: Handle | None = None
        self._count = 0
        self._block: _Block | None = None
        self.refresh()

    @property
    def count(self) -> int:
        """Complete pairs, as of the last `refresh`."""
        return self._count

    def refresh(self) -> None:
        """Take note of pairs added since."""
        try:
            if self._handle is None:
                self._handle = Handle(self.path)
            count = os.fstat(self._handle.descriptor).st_size // _PAIR
        except OSError:
            return
        if count != self._count:
            self._count = count
            self._block = None

    def time_at(self, offset: int) -> float | None:
        """When the byte at `offset` was written; past the last pair, its time; None: unknown."""
        if self._count == 0:
            return None
        block = self._block_with_size_above(offset)
        at = bisect_right(block.sizes, offset)
        if at == len(block.sizes):
            return block.times[-1]
        time, size = block.times[at], block.sizes[at]
        time_before = block.times[at - 1] if at else block.time_before
        size_before = block.sizes[at - 1] if at else block.size_before
        begin = max(time_before, time - _SAMPLE_SECONDS)
        if size <= size_before or offset < size_before or begin >= time:
            return time
        return begin + (time - begin) * (offset - size_before) / (size - size_before)

    def offset_at(self, time: float) -> int:
        """The first byte that was written at `time` or later, to the sample.

        The last known size if everything was written before.
        """
        low, high = 0, self._count
        while low < high:
            middle = (low + high) // 2
            if self._pair(middle)[0] < time:
                low = middle + 1
            else:
                high = middle
        return self._pair(low - 1)[1] if low else 0

    def offset_near(self, time: float) -> int | None:
        """The first byte that `time_at` dates at `time` or later; None: all are before it."""
        low, high = 0, self._count
        while low < high:
            middle = (low + high) // 2
            if self._pair(middle)[0] < time:
                low = middle + 1
            else:
                high = middle
        if low == self._count:
            return None
        until, size = self._pair(low)
        time_before, size_before = self._pair(low - 1) if low else (float("-inf"), 0)
        begin = max(time_before, until - _SAMPLE_SECONDS)
        if size <= size_before or time <= begin or until <= begin:
            return size_before
        return size_before + math.ceil((size - size_before) * (time - begin) / (until - begin))

    @property
    def last(self) -> tuple[float, int] | None:
        """The newest pair."""
        return self._pair(self._count - 1) if self._count else None

    def latest_between(self, begin: int, end: int) -> float | None:
        """The latest time of any byte between two offsets, whatever the clock did; None: unknown.

        It is an upper bound: that of the samples they lie in.
        """
        if self._count == 0:
            return None
        latest = float("-inf")
        while begin < end:
            block = self._block_with_size_above(begin)
            at = bisect_right(block.sizes, begin)
            if at == len(block.sizes):
                return max(latest, block.times[-1])
            while at < len(block.sizes) and begin < end:
                latest = max(latest, block.times[at])
                begin = max(begin + 1, block.sizes[at])
                at += 1
        return latest

    def _block_with_size_above(self, offset: int) -> _Block:
        block = self._block
        if block is not None and block.size_before <= offset:
            if offset < block.sizes[-1] or block.first + len(block.sizes) >= self._count:
                return block
            block = self._load(block.first // _BLOCK_PAIRS + 1)
            if offset < block.sizes[-1]:
                return block
        low, high = 0, (self._count - 1) // _BLOCK_PAIRS
        while low < high:
            middle = (low + high) // 2
            if self._pair(middle * _BLOCK_PAIRS + _BLOCK_PAIRS - 1)[1] <= offset:
                low = middle + 1
            else:
                high = middle
        return self._load(low)

    def _load(self, number: int) -> _Block:
        first = number * _BLOCK_PAIRS
        count = min(_BLOCK_PAIRS, self._count - first)
        before = self._pair(first - 1) if first else (float("-inf"), 0)
        assert self._handle is not None
        data = self._handle.read(first * _PAIR, count * _PAIR)
        values = struct.unpack(
            "<" + "dQ" * (len(data) // _PAIR), data[: len(data) // _PAIR * _PAIR]
        )
        self._block = _Block(first, values[::2], values[1::2], *before)
        return self._block

    def _pair(self, number: int) -> tuple[float, int]:
        assert self._handle is not None
        time, size = struct.unpack("<dQ", self._handle.read(number * _PAIR, _PAIR))
        return time, size
