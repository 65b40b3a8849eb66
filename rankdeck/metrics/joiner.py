"""Joiner: what the lines of one rank tell, put together to series over the steps of the whole run.

Epochs are counted on, attempts joined, steps that are done again replace the first ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING

from rankdeck.metrics.alerts import Pace, Watcher
from rankdeck.metrics.series import Series

if TYPE_CHECKING:
    from rankdeck.metrics.alerts import Alert
    from rankdeck.metrics.extract import Said
    from rankdeck.metrics.runs import Run
    from rankdeck.metrics.stamps import Stamps

_MOST_SERIES = 192
_MOST_ALERTS = 256


@dataclass(slots=True)
class RankMetrics:
    """What one rank has told so far."""

    rank: int
    series: dict[str, Series] = field(default_factory=dict)
    alerts: list[Alert] = field(default_factory=list)
    pace: Pace = field(default_factory=Pace)
    total_steps: int | None = None
    complete: bool = False
    """Whether the logs have been read to their end; else `series` is a first picture."""
    attempt: int = 0


class Joiner:
    """Turns lines into points: whose step it is, which attempt, what is odd."""

    def __init__(self, rank: int) -> None:
        self.into = RankMetrics(rank)
        self._watchers: dict[str, Watcher] = {}
        self._step: float | None = None
        self._raw: int | None = None
        self._epoch: int | None = None
        self._offset = 0.0
        self._first_epoch: int | None = None
        self._bar_total: int | None = None
        self._told = 0

    def begin_attempt(self, attempt: int) -> None:
        """What follows is of this attempt; its steps may begin at an earlier one."""
        self.into.attempt = attempt
        self.into.pace.restart()
        self._raw = self._epoch = self._bar_total = None
        self._offset = 0.0
        for watcher in self._watchers.values():
            watcher.restart()

    def add(self, said: Said, time: float) -> None:
        """Take what a line tells, written at a time."""
        if said.bar and said.total != self._bar_total:
            if self._bar_total is not None and (said.total or 0) < self._bar_total:
                # the bar of an evaluation, or of a download, in the middle of the training
                return
            self._bar_total = said.total
        step = self._place(said)
        if said.step is not None and not said.side:
            self.into.pace.add(step, time)
        for key, value in said.values.items():
            series = self.into.series.get(key)
            if series is None:
                if len(self.into.series) >= _MOST_SERIES:
                    continue
                series = self.into.series[key] = Series()
            at = step
            if said.step is None or said.side:
                # without a step of its own it is told of the last one, and never goes back
                at = max(step, series.last_step or step)
            series.add(at, time, value)
            self._watch(key, at, time, value)

    def add_run(self, run: Run, stamps: Stamps) -> None:
        """Take consecutive lines, the same as one by one; the line before them has been taken."""
        into, offset = self.into, self._offset
        steps = [step + offset for step in run.steps] if offset else run.steps
        if run.total:
            into.total_steps = run.total
        self._raw, self._step = int(run.steps[-1]), steps[-1]
        self._epoch = run.epoch if run.epoch is not None else self._epoch
        into.pace.add_many(steps, run.numbers, stamps)
        alerts: list[tuple[int, Alert]] = []
        for key, places, values in run.columns:
            series = into.series.get(key)
            if series is None:
                if len(into.series) >= _MOST_SERIES:
                    continue
                series = into.series[key] = Series()
            whole = len(places) == len(steps)
            own_steps = steps if whole else [steps[place] for place in places]
            numbers = run.numbers if whole else [run.numbers[place] for place in places]
            series.add_many(own_steps, numbers, stamps, values)
            watcher = self._watchers.get(key)
            if watcher is None:
                watcher = self._watchers[key] = Watcher(key, into.rank)
            alerts += watcher.add_many(own_steps, numbers, stamps, values, into.attempt)
        for _, alert in sorted(alerts, key=itemgetter(0)):
            self._tell((alert,))

    def _watch(self, key: str, step: float, time: float, value: float) -> None:
        watcher = self._watchers.get(key)
        if watcher is None:
            watcher = self._watchers[key] = Watcher(key, self.into.rank)
        if found := watcher.add(step, time, value, self.into.attempt):
            self._tell(found)

    def _tell(self, found: tuple[Alert, ...]) -> None:
        alerts = self.into.alerts
        alerts += found
        if len(alerts) > _MOST_ALERTS:
            del alerts[_MOST_ALERTS // 2]

    def _place(self, said: Said) -> float:
        """The step of the whole run that a line tells of."""
        if said.step is None or said.side:
            if self._step is not None:
                return self._step
            if said.epoch is not None:
                return float(said.epoch)
            self._told += 1
            return float(self._told)
        raw, offset = said.step, self._offset
        if said.total and not said.within:
            self.into.total_steps = said.total
        if said.within and said.epoch is not None and said.total:
            if self._first_epoch is None:
                # some programs count epochs from 0, some from 1
                self._first_epoch = min(1, said.epoch)
            offset = float((said.epoch - self._first_epoch) * said.total)
        elif self._raw is not None and raw < self._raw:
            again = said.epoch is not None and said.epoch > (self._epoch or 0)
            if again or raw <= 1 or raw * 10 < self._raw:
                # the count begins anew with each epoch; no program goes back so far on its own
                self._offset = offset = self._offset + self._raw
        self._raw = raw
        self._epoch = said.epoch if said.epoch is not None else self._epoch
        step = raw + offset
        if self._step is not None and step < self._step:
            for series in self.into.series.values():
                if series.last_step is not None and series.last_step > step:
                    series.rewind(step)
        self._step = step
        return step
