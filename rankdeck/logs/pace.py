"""Pace: at what time how much of all logs had been written, from a few of them.

The few are drawn by size, so that each stands for the same share of the bytes; what they say is
good to a per cent or so, which is enough to know where to look closely.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rankdeck.logs.cuts import Cut
    from rankdeck.logs.rank_files import RankFiles

_DRAWN = 64
_TURNS = 24


class Pace:
    """How much had been written between two cuts by a time."""

    def __init__(self, files: RankFiles, low: Cut, high: Cut) -> None:
        """Draw the logs to look at; all if there are few."""
        self._files = files
        self._base = low.base
        parts = [
            (high_place - low_place, index, low_place, high_place)
            for index, (low_place, high_place) in enumerate(
                zip(low.places, high.places, strict=True)
            )
            if high_place > low_place
        ]
        total = high.base - low.base
        if len(parts) <= 2 * _DRAWN:
            self.whole = True
            self._drawn = [(1.0, *part[1:]) for part in parts]
            return
        self.whole = False
        before = list(accumulate((part[0] for part in parts), initial=0))
        self._drawn = []
        for turn in range(_DRAWN):
            at = (2 * turn + 1) * total // (2 * _DRAWN)
            size, index, low_place, high_place = parts[bisect_right(before, at) - 1]
            self._drawn.append((total / _DRAWN / size, index, low_place, high_place))

    def base(self, time: float) -> float:
        """About the position of what was written at this time."""
        base = float(self._base)
        for weight, index, low, high in self._drawn:
            place = self._files.offset_at(index, time)
            base += weight * (min(max(place, low), high) - low)
        return base

    def time_of(self, position: float, begin: float, end: float, close: float) -> float | None:
        """About when this position was written; None: not between these times.

        Args:
            position: What is looked for.
            begin: A time before.
            end: A time after.
            close: By how many bytes it may be missed; what was written at once is not divided.
        """
        low, high = self.base(begin), self.base(end)
        if not low <= position <= high:
            return None
        time = begin
        for turn in range(_TURNS):
            part = 0.5 if turn % 3 == 2 or high <= low else (position - low) / (high - low)
            time = begin + (end - begin) * min(0.98, max(0.02, part))
            found = self.base(time)
            if abs(found - position) <= close:
                break
            if found < position:
                begin, low = time, found
            else:
                end, high = time, found
        return time
