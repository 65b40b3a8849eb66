"""Cuts: places that divide a merged log into segments small enough to read and order at once.

A cut is a place in each rank's log, so that no line can be lost or told twice whatever the times
say. Its position is the number of bytes before it, in all logs together. Cuts are found by time
when they are needed, anywhere, from what is between the two known ones around it.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from rankdeck.logs.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rankdeck.logs.rank_files import RankFiles

_TURNS = 60
_FINEST = 1e-5
"""Seconds; where more than a segment was written at the same time, ranks are divided."""
_MEMORY = 8 << 20
_NEAR, _FULL = 0.6, 0.9
"""Parts of a segment: how far behind its begin a position may be, and how large it should be."""
_CLOSE = 0.1
_CORRECTIONS = 4
"""How often all logs are asked how much there was at the time that a few of them told."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A place in each log."""

    base: int
    """The position: bytes before it."""
    time: float
    """What is before it was written before this time, as far as the times tell."""
    places: Sequence[int]


def cut(time: float, places: Sequence[int]) -> Cut:
    """A cut at these places."""
    return Cut(sum(places), time, array("Q", places))


class Cuts:
    """The known cuts of growing logs, from the very begin to the end so far."""

    def __init__(self, files: RankFiles, first_time: float, end: Cut, limit: int) -> None:
        """Begin with the two ends.

        Args:
            files: The logs.
            first_time: Before anything was written.
            end: Where the logs end now.
            limit: Bytes that a segment should not exceed.
        """
        self._files = files
        self._limit = limit
        self._cuts = [cut(first_time, [0] * len(files.logs))]
        if end.base:
            self._cuts.append(end)
        self._most = max(64, _MEMORY // (64 + 8 * len(files.logs)))

    @property
    def end(self) -> Cut:
        """Where the logs ended when they were last looked at."""
        return self._cuts[-1]

    @property
    def last_begin(self) -> Cut | None:
        """Where the last segment begins."""
        return self._cuts[-2] if len(self._cuts) > 1 else None

    def append(self, end: Cut) -> None:
        """Take note of what has been written."""
        self._cuts.append(end)
        if len(self._cuts) > self._most:
            # every other one of the older half: it is found again by time
            half = len(self._cuts) // 2
            self._cuts[1:half] = self._cuts[1:half:2]

    def replace_end(self, end: Cut) -> None:
        """Let the last segment go on to a new end."""
        self._cuts[-1] = end

    def around(self, position: int) -> tuple[Cut, Cut]:
        """The cuts of the segment that a position lies in; there must be something there.

        Raises:
            OSError: A log cannot be read.
        """
        number = bisect_right(self._cuts, position, key=lambda known: known.base)
        if number == len(self._cuts):
            number -= 1
        low, high = self._cuts[number - 1], self._cuts[number]
        if high.base - low.base <= self._limit:
            return low, high
        begin, end = self._narrow(low, high, position)
        new = [known for known in (begin, end) if low.base < known.base < high.base]
        self._cuts[number:number] = new
        self._forget(position)
        return begin, end

    def position_at(self, time: float) -> int:
        """About where what was written at `time` or later begins; at a cut or inside a segment.

        Raises:
            OSError: A log cannot be read.
        """
        number = bisect_left(self._cuts, time, key=lambda known: known.time)
        if number == 0:
            return 0
        if number == len(self._cuts):
            return self.end.base
        return self._at(time, self._cuts[number - 1], self._cuts[number]).base

    def _forget(self, position: int) -> None:
        if len(self._cuts) <= self._most:
            return
        here = bisect_right(self._cuts, position, key=lambda known: known.base)
        kept = [
            known
            for number, known in enumerate(self._cuts)
            if number % 2 == 0 or abs(number - here) < 8 or number + 8 > len(self._cuts)
        ]
        self._cuts = kept

    def _narrow(self, low: Cut, high: Cut, position: int) -> tuple[Cut, Cut]:
        """Two cuts between these, about a segment apart, with the position between them."""
        begin, end = low.time, high.time
        pace: Pace | None = None
        for turn in range(_TURNS):
            if high.base - low.base <= self._limit or end - begin <= _FINEST:
                break
            pace = pace or Pace(self._files, low, high)
            aimed = None if turn % 3 == 2 else self._aim(pace, low, high, (begin, end), position)
            time, places = aimed or ((begin + end) / 2, None)
            found = self._at(time, low, high, places)
            if found.base <= position:
                low, begin = found, time
            else:
                high, end = found, time
        if high.base - low.base > self._limit:
            return self._divide(low, high, position)
        return low, high

    def _aim(
        self, pace: Pace, low: Cut, high: Cut, times: tuple[float, float], position: int
    ) -> tuple[float, array[int]] | None:
        """A time, and the places of that time, so that a segment from there has the position.

        None: the time in the middle is as good as any.
        """
        begin, end = times
        limit = self._limit
        wanted = float(position - limit // 2)
        if position - low.base <= _NEAR * limit:
            wanted = low.base + _FULL * limit
        error = 0.0
        aimed = None
        for _ in range(_CORRECTIONS):
            time = pace.time_of(wanted - error, begin, end, _CLOSE * limit)
            if time is None or not begin < time < end:
                break
            places = self._files.places_at(time, low.places, high.places)
            aimed = time, places
            missed = sum(places) - wanted
            if pace.whole or abs(missed) <= 2 * _CLOSE * limit:
                break
            error += missed
        return aimed

    def _at(self, time: float, low: Cut, high: Cut, places: array[int] | None = None) -> Cut:
        if places is None:
            places = self._files.places_at(time, low.places, high.places)
        for index, (begin, end) in enumerate(zip(low.places, high.places, strict=True)):
            if begin < places[index] < end:
                place = self._files.boundary(index, places[index], end)
                places[index] = min(max(place, begin), end)
        return Cut(sum(places), time, places)

    def _divide(self, low: Cut, high: Cut, position: int) -> tuple[Cut, Cut]:
        """Of what was written at one time: some ranks, or a part of one rank's."""
        sizes = [end - begin for begin, end in zip(low.places, high.places, strict=True)]
        before = list(accumulate(sizes, initial=low.base))
        index = bisect_right(before, position) - 1
        first, last = index, index + 1
        while first > 0 and before[last] - before[first - 1] <= self._limit:
            first -= 1
        while last < len(sizes) and before[last + 1] - before[first] <= self._limit:
            last += 1
        begin = array("Q", [*high.places[:first], *low.places[first:]])
        end = array("Q", [*high.places[:last], *low.places[last:]])
        if sizes[index] > self._limit:
            here = low.places[index] + position - before[index]
            stop = high.places[index]
            begin[index] = self._line_begin(index, low.places[index], here, stop)
            end[index] = self._files.boundary(
                index, max(here + 1, begin[index] + self._limit // 2), stop
            )
        return Cut(sum(begin), low.time, begin), Cut(sum(end), high.time, end)

    def _line_begin(self, index: int, low: int, place: int, high: int) -> int:
        """The begin of a line at `place` or before, not before `low`."""
        reach = self._limit // 2
        while place - reach > low:
            found = self._files.boundary(index, place - reach, high)
            if found <= place:
                return found
            reach *= 2
        return low
