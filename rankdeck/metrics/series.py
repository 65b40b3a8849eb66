"""Series: one metric over steps, in bounded memory. Its arrays hold finite values only.

Of very many values the least and the greatest of every so many neighbours are kept, all along
alike. What is NaN or infinite is kept apart, so that neither thinning nor drawing can lose it.
Steps never go backward: a step that was done again replaces what had been told of it and of all
later ones.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rankdeck.metrics.stamps import Stamps

MOST_POINTS = 16_384
"""Points a series keeps; two thirds of a megabyte at most."""
_GROUP = 4
_LOOSE = 256
"""The newest values, kept before they are put together."""
_MOST_ODD = 512


@dataclass(frozen=True, slots=True)
class Odd:
    """A value that is no number."""

    step: float
    time: float
    value: float


@dataclass(slots=True)
class Series:
    """Steps, times and values of equal length; times are NaN where nobody knows."""

    steps: array[float] = field(default_factory=lambda: array("d"))
    times: array[float] = field(default_factory=lambda: array("d"))
    values: array[float] = field(default_factory=lambda: array("d"))
    odd: list[Odd] = field(default_factory=list)
    odd_count: int = 0
    """How many values were none, also of those that are no longer in `odd`."""
    count: int = 0
    """How many values there have been."""
    rewinds: int = 0
    """How often steps were done again."""
    limit: int = MOST_POINTS
    last_step: float | None = None
    """The newest step; None while there is none."""
    per: int = 1
    """How many values the settled points stand for, two at a time; 1: all values are there."""
    settled: int = 0
    """How many points are settled."""
    loose: int = 0
    """From where on all values are there; in between are the extremes of those that came before."""
    merged: int = 0
    """How many values they stand for."""

    def __len__(self) -> int:
        return len(self.values)

    @property
    def last(self) -> float | None:
        """The newest value, be it a number or not."""
        if self.odd and (not self.steps or self.odd[-1].step >= self.steps[-1]):
            return self.odd[-1].value
        return self.values[-1] if self.values else None

    def add(self, step: float, time: float, value: float) -> None:
        """Add a value; a step before the last one takes back what came after it."""
        last = self.last_step
        if last is not None and step < last:
            self.rewind(step)
        self.last_step = step
        self.count += 1
        if not math.isfinite(value):
            self.odd_count += 1
            if len(self.odd) >= _MOST_ODD:
                # the first ones say where it began
                del self.odd[_MOST_ODD // 2]
            self.odd.append(Odd(step, time, value))
            return
        self._make_room()
        self.steps.append(step)
        self.times.append(time)
        self.values.append(value)

    def add_many(
        self,
        steps: Sequence[float],
        numbers: Sequence[int],
        stamps: Stamps,
        values: Sequence[float],
    ) -> None:
        """Add finite values whose steps never go back, also from the last one: as one by one.

        Args:
            steps: The step of each.
            numbers: The number of the line of each.
            stamps: Knows when these lines were written; asked only about points that stay.
            values: The values.
        """
        self.count += len(values)
        self.last_step = steps[-1]
        at, end = 0, len(values)
        while at < end:
            self._make_room()
            size, bundle = len(self.values), min(self.per, _LOOSE)
            room = max(1, self.limit - size)
            if self.per > 1:
                bundles = min((room - bundle) // 2 + 1, (end - at - 1) // bundle)
                if size == self.loose and bundle <= room and bundles > 0:
                    if self.per > bundle:
                        bundles = min(bundles, (self.per - self.merged) // bundle)
                    upto = at + bundles * bundle
                    self._add_bundles(
                        bundle, steps[at:upto], numbers[at:upto], stamps, values[at:upto]
                    )
                    at = upto
                    continue
                room = min(room, bundle - (size - self.loose))
            upto = min(end, at + room)
            self.steps.extend(steps[at:upto])
            self.values.extend(values[at:upto])
            self.times.extend(stamps.several(numbers[at:upto]))
            at = upto

    def _add_bundles(
        self,
        bundle: int,
        steps: Sequence[float],
        numbers: Sequence[int],
        stamps: Stamps,
        values: Sequence[float],
    ) -> None:
        """Add as many values as are put together at once, or several times as many."""
        begin = self.settled
        before = len(self.values) - begin
        picked: list[int] = []
        if self.per > bundle:
            # all of them are a part of one, with what came before
            every = [*self.values[begin:], *values]
            both = _extremes(every, 0, len(every))
            self._keep(begin, [begin + place for place in both if place < before])
            picked += [place - before for place in both if place >= before]
        else:
            for first in range(0, len(values), bundle):
                picked += _extremes(values, first, first + bundle)
        self.steps.extend([steps[place] for place in picked])
        self.values.extend([values[place] for place in picked])
        self.times.extend(stamps.several([numbers[place] for place in picked]))
        self._merge(len(values))

    def rewind(self, step: float) -> None:
        """Forget everything from this step on."""
        cut = bisect_left(self.steps, step)
        del self.steps[cut:], self.times[cut:], self.values[cut:]
        self.settled = min(self.settled, cut)
        self.loose = min(self.loose, cut)
        self.odd = [odd for odd in self.odd if odd.step < step]
        ends = [self.steps[-1]] if self.steps else []
        ends += [self.odd[-1].step] if self.odd else []
        self.last_step = max(ends, default=None)
        self.rewinds += 1

    def copy(self) -> Series:
        """The same, for another thread to read."""
        return Series(
            self.steps[:],
            self.times[:],
            self.values[:],
            list(self.odd),
            self.odd_count,
            self.count,
            self.rewinds,
            self.limit,
            self.last_step,
            self.per,
            self.settled,
            self.loose,
            self.merged,
        )

    def rows(self) -> list[tuple[float, float, float]]:
        """Step, time and value of everything that is kept, by step, what is no number as well."""
        rows = list(zip(self.steps, self.times, self.values, strict=True))
        if self.odd:
            rows += [(odd.step, odd.time, odd.value) for odd in self.odd]
            rows.sort(key=lambda row: row[0])
        return rows

    def _make_room(self) -> None:
        """Before another value comes: put together what is to be one point or two."""
        loose = len(self.values) - self.loose
        if self.per > 1 and loose >= min(self.per, _LOOSE):
            self._keep(self.settled, _extremes(self.values, self.settled, len(self.values)))
            self._merge(loose)
        if len(self.values) >= self.limit:
            self._thin()

    def _merge(self, values: int) -> None:
        """So many more values are in the points behind the settled ones."""
        self.loose = len(self.values)
        self.merged += values
        if self.merged >= self.per:
            self.settled, self.merged = self.loose, 0

    def _thin(self) -> None:
        """Let half as many points stand for what is settled."""
        if self.per == 1:
            self.settled = self.loose = len(self.values)
        kept: list[int] = []
        values = self.values.tolist()
        for begin in range(0, self.settled, _GROUP):
            kept += _extremes(values, begin, min(begin + _GROUP, self.settled))
        gone = self.settled - len(kept)
        self._keep(0, [*kept, *range(self.settled, len(self.values))])
        self.settled -= gone
        self.loose -= gone
        self.per *= 2 if self.per > 1 else _GROUP

    def _keep(self, begin: int, kept: Sequence[int]) -> None:
        """Of all points from `begin` on, keep only these."""
        for column in (self.steps, self.times, self.values):
            column[begin:] = array("d", [column[index] for index in kept])


def _extremes(values: Sequence[float], begin: int, end: int) -> tuple[int, ...]:
    """Where the least and the greatest of some values are; once if that is the same."""
    some = values[begin:end]
    low, high = some.index(min(some)), some.index(max(some))
    if low == high:
        return (begin + low,)
    return (begin + low, begin + high) if low < high else (begin + high, begin + low)


def combine(members: Sequence[Series], how: str) -> Series:
    """One series of several ranks'.

    Args:
        members: The ranks' series of one metric.
        how: `mean`, `min` or `max`, over the ranks that tell a value of the step.
    """
    if len(members) == 1:
        return members[0]
    told: dict[float, list[float]] = {}
    times: dict[float, float] = {}
    joined = Series()
    for member in members:
        for step, time, value in zip(member.steps, member.times, member.values, strict=True):
            told.setdefault(step, []).append(value)
            if not time <= times.get(step, -math.inf):
                times[step] = time
        joined.odd += member.odd
        joined.odd_count += member.odd_count
        joined.count += member.count
    reduce = {"min": min, "max": max}.get(how, _mean)
    steps = sorted(told)
    most = max(map(len, told.values()), default=0)
    if how == "mean":
        # a rank that is behind must not bend the end of the curve
        full = [step for step in steps if len(told[step]) == most]
        steps = full if len(full) >= len(steps) // 2 else steps
    joined.steps = array("d", steps)
    joined.times = array("d", [times[step] for step in steps])
    joined.values = array("d", [reduce(told[step]) for step in steps])
    joined.odd.sort(key=lambda odd: odd.step)
    joined.last_step = max((m.last_step for m in members if m.last_step is not None), default=None)
    return joined


def _mean(values: Iterable[float]) -> float:
    told = list(values)
    return math.fsum(told) / len(told)


def smooth(values: Sequence[float], weight: float) -> array[float]:
    """The exponential moving average, unbiased at its begin.

    Args:
        values: Finite values.
        weight: How much of the average stays at each value, 0 to below 1.
    """
    if weight <= 0:
        return array("d", values)
    part, mean, norm = 1.0 - weight, 0.0, 0.0
    smoothed = array("d", bytes(8 * len(values)))
    for index, value in enumerate(values):
        mean += part * (value - mean)
        # the average of ones tells how much of it is still the zero it began with
        norm += part * (1.0 - norm)
        smoothed[index] = mean / norm
    return smoothed
