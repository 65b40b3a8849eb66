"""What is odd about a metric: NaN, a spike, divergence, and steps that no longer come. Pure.

* `nan`: a value is NaN or infinite. One alert for as long as it stays so.
* `spike`: a loss or gradient norm is above the median of the last 64 values by more than 10 times
  their spread (1.4826 × the median absolute deviation) and by more than half of the median
  itself; for at least 16 values. One alert for as long as it stays above.
* `divergence`: the median of the last 32 losses is above the lowest such median by more than half
  of it and by more than 6 spreads of that best stretch. One alert until it has come back.
* `stall`: no new step for as long as `patience` allows, while the run is running.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate, repeat
from operator import gt, lt, sub
from typing import TYPE_CHECKING

from rankdeck.metrics import words
from rankdeck.metrics.patience import ENOUGH, LEAST, TIMES_LONGEST, Rhythm, patience
from rankdeck.text import age, duration, figure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rankdeck.metrics.stamps import Stamps

WINDOW = 64
_LEAST = 16
_SPIKE_SPREADS = 10.0
_SPIKE_PART = 0.5
_LONG = 32
_BEST_SPREADS = 6.0
_RISE = 0.5
_TO_SIGMA = 1.4826
_CHECK_EVERY = 8
_ROUNDING = 1e-9
_CALM, _BLOCK, _FEW = 512, 128, 16
"""How many values are looked at together: where they differ little, at first, and at last."""
_GAPS = 64
_STRIDE = 32


class AlertKind(str, Enum):
    """What kind of oddity."""

    NAN = "nan"
    SPIKE = "spike"
    DIVERGENCE = "divergence"
    STALL = "stall"


@dataclass(frozen=True, slots=True)
class Alert:
    """One oddity, and where it began."""

    kind: AlertKind
    metric: str
    """Empty for a stall. Hostile text: sanitise before showing."""
    step: float | None
    time: float
    """Seconds since the epoch; NaN where nobody knows."""
    rank: int
    attempt: int
    text: str
    """A sentence for people, without the rank. Hostile text."""


class Watcher:
    """Looks at the values of one metric of one rank as they come."""

    def __init__(self, metric: str, rank: int) -> None:
        self._metric = metric
        self._rank = rank
        self._is_loss = words.loss_like(metric)
        self._robust = self._is_loss or words.norm_like(metric)
        self._window: deque[float] = deque()
        self._sorted: list[float] = []
        self._odd = False
        self._high = False
        self._diverged = False
        self._best = math.inf
        self._best_spread = 0.0
        self._since_check = 0
        self._calm = True
        """Whether the last values differed so little that many can be looked at together."""

    def add(self, step: float, time: float, value: float, attempt: int = 0) -> tuple[Alert, ...]:
        """Take the next value; what is odd about it."""

        def alert(kind: AlertKind, text: str) -> Alert:
            return Alert(kind, self._metric, step, time, self._rank, attempt, text)

        if not math.isfinite(value):
            if self._odd:
                return ()
            self._odd = True
            word = "NaN" if math.isnan(value) else "infinite"
            return (alert(AlertKind.NAN, f"{self._metric} is {word} at step {step:,.0f}"),)
        self._odd = False
        if not self._robust:
            return ()
        found = []
        if len(self._window) >= _LEAST:
            middle = self._sorted[len(self._sorted) // 2]
            high = value - middle > max(_SPIKE_PART * abs(middle), 1e-12)
            high = high and value - middle > _SPIKE_SPREADS * self._spread(middle)
            if high and not self._high:
                told = f"{self._metric} jumps to {figure(value)} at step {step:,.0f}"
                found.append(alert(AlertKind.SPIKE, f"{told}, from about {figure(middle)}"))
            self._high = high
        self._push(value)
        self._since_check += 1
        if self._is_loss and len(self._window) >= _LONG and self._since_check >= _CHECK_EVERY:
            self._since_check = 0
            found += self._divergence(alert)
        return tuple(found)

    def add_many(
        self,
        steps: Sequence[float],
        numbers: Sequence[int],
        stamps: Stamps,
        values: Sequence[float],
        attempt: int = 0,
    ) -> list[tuple[int, Alert]]:
        """Take many finite values, the same as one by one; what is odd, with its line's number.

        Args:
            steps: The step of each.
            numbers: The number of the line of each.
            stamps: Knows when these lines were written.
            values: The values.
            attempt: Of which attempt.
        """
        self._odd = False
        if not self._robust:
            return []
        found: list[tuple[int, Alert]] = []
        size = _CALM if self._calm else _BLOCK
        todo = [(at, min(at + size, len(values))) for at in range(0, len(values), size)][::-1]
        while todo:
            begin, end = todo.pop()
            if self._pass_over(values[begin:end]):
                continue
            if end - begin > _FEW:
                middle = (begin + end) // 2
                todo += [(middle, end), (begin, middle)]
                continue
            for place in range(begin, end):
                told = self.add(steps[place], stamps.at(numbers[place]), values[place], attempt)
                found += [(numbers[place], alert) for alert in told]
        return found

    def _pass_over(self, block: Sequence[float]) -> bool:
        """Take values among which nothing can be odd; False: they must be looked at closer."""
        if len(self._window) < WINDOW or self._high or self._diverged:
            return False
        both = [*self._window, *block]
        highest, lowest = max(block), min(both)
        # medians are among the values; one spike above none needs half of it more
        calm = lowest > 0 and highest - lowest <= _SPIKE_PART * lowest * (1 - _ROUNDING)
        if not calm and (len(block) > _BLOCK or not _no_spike(sorted(both), highest)):
            return False
        if self._is_loss and not self._passes_best(both):
            return False
        self._calm = calm
        self._window = deque(both[-WINDOW:])
        self._sorted = sorted(self._window)
        return True

    def _passes_best(self, both: Sequence[float]) -> bool:
        """Whether no stretch that ends behind the window diverges; takes note of better ones."""
        best, best_spread = self._best, self._best_spread
        rises = max(both) - best > self._least()
        # how many of the values so far are below the best: half of a stretch must be
        below = list(accumulate(map(gt, repeat(best), both), initial=0))
        for end in range(WINDOW + _CHECK_EVERY - self._since_check, len(both) + 1, _CHECK_EVERY):
            if not rises and below[end] - below[end - _LONG] <= _LONG // 2:
                continue
            recent = sorted(both[end - _LONG : end])
            middle = recent[_LONG // 2]
            if middle < best:
                best, best_spread = middle, _spread_of(recent, middle)
            elif middle - best > _least_rise(best, best_spread):
                return False
        self._best, self._best_spread = best, best_spread
        self._since_check = (self._since_check + len(both) - WINDOW) % _CHECK_EVERY
        return True

    def _least(self) -> float:
        return _least_rise(self._best, self._best_spread)

    def restart(self) -> None:
        """A new attempt begins: what was before says nothing of it."""
        self._window.clear()
        self._sorted.clear()
        self._odd = self._high = self._diverged = False
        self._best = math.inf

    def _push(self, value: float) -> None:
        self._window.append(value)
        insort(self._sorted, value)
        if len(self._window) > WINDOW:
            old = self._window.popleft()
            del self._sorted[bisect_left(self._sorted, old)]

    def _spread(self, middle: float) -> float:
        away = sorted(abs(value - middle) for value in self._sorted)
        return _TO_SIGMA * away[len(away) // 2]

    def _divergence(self, alert: Callable[[AlertKind, str], Alert]) -> list[Alert]:
        recent = sorted(list(self._window)[-_LONG:])
        middle = recent[_LONG // 2]
        if middle < self._best:
            self._best, self._best_spread = middle, _spread_of(recent, middle)
            self._diverged = False
            return []
        above = middle - self._best
        least = self._least()
        if above <= least:
            self._diverged = self._diverged and above > least / 2
            return []
        if self._diverged:
            return []
        self._diverged = True
        told = f"{self._metric} diverges: about {figure(middle)} now, {figure(self._best)} at best"
        return [alert(AlertKind.DIVERGENCE, told)]


def _no_spike(every: Sequence[float], highest: float) -> bool:
    """Whether none of a block's values can be a spike.

    No window's order statistics are below those of all values that it is chosen from, which tells
    how low its median and its spread can be at most.

    Args:
        every: The block and the window before it, sorted.
        highest: The greatest of the block.
    """
    half = WINDOW // 2
    lowest = every[half]
    if highest <= lowest:
        return True
    if every[0] > 0 and highest - lowest <= _SPIKE_PART * lowest * (1 - _ROUNDING):
        return True
    span = min(map(sub, every[half:], every))
    return bool(highest - lowest <= _SPIKE_SPREADS * _TO_SIGMA * span / 2 * (1 - _ROUNDING))


def _spread_of(recent: Sequence[float], middle: float) -> float:
    away = sorted(abs(value - middle) for value in recent)
    return _TO_SIGMA * away[_LONG // 2]


def _least_rise(best: float, best_spread: float) -> float:
    """By how much losses must rise above their best stretch to count as diverging."""
    return max(_RISE * abs(best), _BEST_SPREADS * best_spread, 1e-12)


class Pace:
    """How fast steps come, and when that is too slow."""

    def __init__(self) -> None:
        self._last: tuple[float, float] | None = None
        self._gaps: deque[float] = deque(maxlen=_GAPS)
        self._longest = 0.0

    def add(self, step: float, time: float) -> None:
        """Take note of a step."""
        if math.isnan(time):
            return
        if self._last is not None and step > self._last[0] and time >= self._last[1]:
            self._gaps.append(time - self._last[1])
            self._longest = max(self._longest, time - self._last[1])
        if self._last is None or step != self._last[0]:
            self._last = (step, time)

    def add_many(self, steps: Sequence[float], numbers: Sequence[int], stamps: Stamps) -> None:
        """Take note of steps that never go back: stalls are told the same as one by one.

        Args:
            steps: The steps.
            numbers: The number of the line of each.
            stamps: Knows when these lines were written.
        """
        if not stamps.known:
            return
        new: Sequence[int] = range(len(steps))
        last = None if self._last is None else self._last[0]
        if last == steps[0] or not all(map(lt, steps, steps[1:])):
            before = (last, *steps)
            new = [place for place in new if steps[place] != before[place]]
        # of gaps long ago only the longest counts, and only if a stall is told by it
        early = new[: -_GAPS - 1]
        for first in range(0, len(early), _STRIDE):
            some = early[first : first + _STRIDE]
            end = stamps.at(numbers[some[-1]])
            longest = max(self._longest, LEAST / TIMES_LONGEST)
            if self._last is None or not 0 <= end - self._last[1] <= longest:
                for place in some:
                    self.add(steps[place], stamps.at(numbers[place]))
            else:
                self._last = (steps[some[-1]], end)
        for place in new[len(early) :]:
            self.add(steps[place], stamps.at(numbers[place]))

    def restart(self) -> None:
        """A new attempt begins; the time until its first step is no step time."""
        self._last = None

    @property
    def typical(self) -> float | None:
        """Seconds between the steps that are told; None: too few to know."""
        if len(self._gaps) < ENOUGH:
            return None
        # not the median: lines that were written together have the same time
        return math.fsum(self._gaps) / len(self._gaps)

    def stall(self, now: float, rank: int, attempt: int) -> Alert | None:
        """The alert, if steps no longer come; only for a run that is running."""
        typical = self.typical
        if typical is None or self._last is None:
            return None
        step, time = self._last
        if now - time <= patience(Rhythm(typical, self._longest)):
            return None
        usual = f"{typical:.2g} s" if typical < 10 else duration(typical)
        told = f"no step since {step:,.0f}, for {age(now - time)}; usually one each {usual}"
        return Alert(AlertKind.STALL, "", step, time, rank, attempt, told)
