"""LogTimes: when the bytes of a rank's log were written, from its sparse (time, size) pairs.

The agent notes a log's size about ten times a second while it grows. What lies between two sizes
was written shortly before the second one; inside such a sample time is interpolated. Of any number
of pairs only the few around the place that was asked about last are kept.
"""

from __future__ import annotations

import math
import os
import sys
from array import array
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple

from rankdeck.logs.handle import Handle

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Literal

_PAIR = 16
_WINDOW = 256
_SAMPLE_SECONDS = 0.2
"""A sample covers no more than this, however long the log had been silent before."""
_GUESSES = 4
"""So often a window is looked for where it would be if pairs came evenly."""
_TIME: Final = 0
_SIZE: Final = 1
_BEFORE_ALL = (-math.inf, 0)


class _Window(NamedTuple):
    """Some consecutive pairs, with the one before them."""

    first: int
    columns: tuple[array[float], array[int]]
    """Their times, and their sizes."""
    before: tuple[float, int]


class LogTimes:
    """Times of one log; reads only the few pairs it is asked about."""

    __slots__ = ("_count", "_ends", "_handle", "_size", "_window", "path")

    def __init__(self, path: Path, window: int = _WINDOW) -> None:
        """Open the pairs if they are there; `window`: how many are kept."""
        self.path = path
        self._size = window
        self._handle: Handle | None = None
        self._count = 0
        self._window: _Window | None = None
        self._ends: tuple[tuple[float, int], tuple[float, int]] | None = None
        self.refresh()

    @property
    def count(self) -> int:
        """Complete pairs, as of the last `refresh`."""
        return self._count

    @property
    def last(self) -> tuple[float, int] | None:
        """The newest pair."""
        return self._first_and_last()[1] if self._count else None

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
            self._window = self._ends = None

    def release(self) -> None:
        """Close the file until it is needed again; what is known stays."""
        self._handle = None

    def time_at(self, offset: int) -> float | None:
        """When the byte at `offset` was written; past the last pair, its time; None: unknown."""
        if self._count == 0:
            return None
        last_time, last_size = self._first_and_last()[1]
        if offset >= last_size:
            return last_time
        return _dated(self._window_with(_SIZE, offset + 1), offset)

    def times_at(self, offsets: Sequence[int]) -> list[float] | None:
        """When each of these bytes was written, in order of place; None: unknown."""
        if self._count == 0:
            return None
        last_time, last_size = self._first_and_last()[1]
        found = []
        window, until = None, 0
        for offset in offsets:
            if offset >= last_size:
                found.append(last_time)
                continue
            if window is None or offset >= until:
                window = self._window_with(_SIZE, offset + 1)
                until = window.columns[_SIZE][-1]
            found.append(_dated(window, offset))
        return found

    def offset_at(self, time: float) -> int:
        """The first byte that was written at `time` or later, to the sample.

        The last known size if everything was written before.
        """
        if self._count == 0:
            return 0
        last_time, last_size = self._first_and_last()[1]
        if time > last_time:
            return last_size
        window = self._window_with(_TIME, time)
        at = bisect_left(window.columns[_TIME], time)
        return window.columns[_SIZE][at - 1] if at else window.before[_SIZE]

    def offset_near(self, time: float) -> int | None:
        """The first byte that `time_at` dates at `time` or later; None: all are before it."""
        if self._count == 0 or time > self._first_and_last()[1][_TIME]:
            return None
        window = self._window_with(_TIME, time)
        times, sizes = window.columns
        at = min(bisect_left(times, time), len(times) - 1)
        time_before, size_before = (times[at - 1], sizes[at - 1]) if at else window.before
        until, size = times[at], sizes[at]
        begin = max(time_before, until - _SAMPLE_SECONDS)
        if size <= size_before or time <= begin or until <= begin:
            return size_before
        return size_before + math.ceil((size - size_before) * (time - begin) / (until - begin))

    def latest_between(self, begin: int, end: int) -> float | None:
        """The latest time of any byte between two offsets, whatever the clock did; None: unknown.

        It is an upper bound: that of the samples they lie in.
        """
        if self._count == 0:
            return None
        last_time, last_size = self._first_and_last()[1]
        latest = -math.inf
        while begin < end:
            if begin >= last_size:
                return max(latest, last_time)
            times, sizes = self._window_with(_SIZE, begin + 1).columns
            at = bisect_right(sizes, begin)
            stop = min(bisect_left(sizes, end, at) + 1, len(sizes))
            if at >= stop:
                return max(latest, times[-1])
            latest = max(latest, max(times[at:stop]))
            begin = sizes[stop - 1]
        return latest

    def _first_and_last(self) -> tuple[tuple[float, int], tuple[float, int]]:
        if self._ends is None:
            self._ends = self._pair(0), self._pair(self._count - 1)
        return self._ends

    def _window_with(self, column: Literal[0, 1], target: float) -> _Window:
        """The window with the first pair that reaches `target`; the last pair must reach it."""
        window = self._window
        if window is not None and window.before[column] < target <= window.columns[column][-1]:
            return window
        low, high = 0, (self._count - 1) // self._size
        least, most = (pair[column] for pair in self._first_and_last())
        turn = 0
        while low < high:
            middle = (low + high) // 2
            if turn < _GUESSES and least < target < most and math.isfinite(most - least):
                part = (target - least) / (most - least)
                middle = min(high, low + int((high - low + 1) * part))
            turn += 1
            window = self._load(middle)
            if window.columns[column][-1] < target:
                low, least = middle + 1, window.columns[column][-1]
            elif window.before[column] >= target:
                high, most = middle - 1, window.before[column]
            else:
                return window
        return self._load(low)

    def _load(self, number: int) -> _Window:
        first = number * self._size
        count = min(self._size, self._count - first)
        before = _BEFORE_ALL
        lead = 1 if first else 0
        times, sizes = self._read(first - lead, count + lead)
        if lead and times:
            before = times.pop(0), sizes.pop(0)
        if not times:
            # the file is shorter than it was
            times, sizes = array("d", [before[_TIME]]), array("Q", [before[_SIZE]])
        self._window = _Window(first, (times, sizes), before)
        return self._window

    def _pair(self, number: int) -> tuple[float, int]:
        times, sizes = self._read(number, 1)
        return (times[0], sizes[0]) if times else _BEFORE_ALL

    def _read(self, first: int, count: int) -> tuple[array[float], array[int]]:
        times, sizes = array("d"), array("Q")
        try:
            if self._handle is None:
                self._handle = Handle(self.path)
            data = self._handle.read(first * _PAIR, count * _PAIR)
        except OSError:
            return times, sizes
        data = data[: len(data) // _PAIR * _PAIR]
        times.frombytes(data)
        sizes.frombytes(data)
        if sys.byteorder == "big":
            times.byteswap()
            sizes.byteswap()
        return times[::2], sizes[1::2]


def _dated(window: _Window, offset: int) -> float:
    """When a byte was written that lies in this window."""
    times, sizes = window.columns
    at = min(bisect_right(sizes, offset), len(sizes) - 1)
    time, size = times[at], sizes[at]
    time_before, size_before = (times[at - 1], sizes[at - 1]) if at else window.before
    begin = max(time_before, time - _SAMPLE_SECONDS)
    if size <= size_before or offset < size_before or begin >= time:
        return time
    return begin + (time - begin) * (offset - size_before) / (size - size_before)
