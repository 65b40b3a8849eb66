"""Series: one metric over steps, in bounded memory. Its arrays hold finite values only.

What is NaN or infinite is kept apart, so that neither thinning nor drawing can lose it. Steps never
go backward: a step that was done again replaces what had been told of it and of all later ones.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST_POINTS = 16_384
"""Points a series keeps; two thirds of a megabyte at most."""
_GROUP = 8
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
        if len(self.values) >= self.limit:
            self._thin()
        self.steps.append(step)
        self.times.append(time)
        self.values.append(value)

    def rewind(self, step: float) -> None:
        """Forget everything from this step on."""
        cut = bisect_left(self.steps, step)
        del self.steps[cut:], self.times[cut:], self.values[cut:]
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
        )

    def rows(self) -> list[tuple[float, float, float]]:
        """Step, time and value of everything that is kept, by step, what is no number as well."""
        rows = list(zip(self.steps, self.times, self.values, strict=True))
        if self.odd:
            rows += [(odd.step, odd.time, odd.value) for odd in self.odd]
            rows.sort(key=lambda row: row[0])
        return rows

    def _thin(self) -> None:
        """Keep of every few points the first, the last, the least and the greatest."""
        values = self.values
        kept: list[int] = []
        size = len(values)
        for begin in range(0, size, _GROUP):
            end = min(begin + _GROUP, size)
            group = values[begin:end]
            low, high = group.index(min(group)), group.index(max(group))
            # of a curve that rises or falls two points are enough
            kept += sorted({begin + low, begin + high, *((end - 1,) if end == size else ())})
        self.steps = array("d", [self.steps[i] for i in kept])
        self.times = array("d", [self.times[i] for i in kept])
        self.values = array("d", [values[i] for i in kept])


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
