"""MetricsReader: the series of one run, read step by step from what it has left on disk.

`metrics.jsonl`, which the supervisor thins, gives a picture at once; the ranks' logs replace it as
they are read, oldest first, a bounded number of bytes at a time. One thread uses a reader.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rankdeck.logs.handle import Change, GrowingFile
from rankdeck.logs.times import LogTimes
from rankdeck.metrics import words
from rankdeck.metrics.alerts import Pace, Watcher
from rankdeck.metrics.extract import Reader, Said
from rankdeck.metrics.lines import KnownWords, all_lines, lines_with
from rankdeck.metrics.series import Series

if TYPE_CHECKING:
    import re
    from collections.abc import Sequence

    from rankdeck.logs.sources import RankLog
    from rankdeck.metrics.alerts import Alert
    from rankdeck.run.layout import RunDir

CHUNK = 256 * 1024
_PROBE = 1 << 20
"""Bytes of a rank that tell no number, before the next rank is asked."""
_THOROUGH = 2 << 20
"""So many bytes of a rank are read line by line; of what follows, lines with known words."""
_EVERY = 64
"""But for one block in so many."""
_MOST_SERIES = 192
_MOST_ALERTS = 256
_LOOK_EVERY = 2.0


@dataclass(slots=True)
class _Log:
    """One attempt's log of one rank."""

    source: RankLog
    file: GrowingFile
    times: LogTimes
    done: int = 0

    @property
    def left(self) -> int:
        return self.file.size - self.done


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


class _Joiner:
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
        self._raw = self._epoch = None
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

    def _watch(self, key: str, step: float, time: float, value: float) -> None:
        watcher = self._watchers.get(key)
        if watcher is None:
            watcher = self._watchers[key] = Watcher(key, self.into.rank)
        found = watcher.add(step, time, value, self.into.attempt)
        if found:
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


class RankReader:
    """Reads one rank's logs of all attempts, oldest first."""

    def __init__(self, rank: int, patterns: Sequence[re.Pattern[str]]) -> None:
        self.rank = rank
        self._patterns = patterns
        self._lines = Reader(patterns)
        self._joiner = _Joiner(rank)
        self._logs: dict[int, _Log] = {}
        self._words = KnownWords()
        self._blocks = 0
        self._at = -1
        self.bytes_read = 0

    @property
    def metrics(self) -> RankMetrics:
        """What it has told."""
        return self._joiner.into

    @property
    def size(self) -> int:
        """Bytes there are."""
        return sum(log.file.size for log in self._logs.values())

    def know(self, logs: Sequence[RankLog]) -> None:
        """These logs of it are there, or will be."""
        for source in logs:
            if source.attempt not in self._logs:
                self._logs[source.attempt] = _Log(
                    source, GrowingFile(source.path), LogTimes(source.times)
                )

    def refresh(self) -> None:
        """Look for news. Raises OSError where a log is there and cannot be read."""
        for log in self._logs.values():
            if log.file.refresh() is Change.RESET and log.done:
                # truncated or replaced: nothing of what was read can be trusted
                self._again()
                return
            log.times.refresh()

    def _again(self) -> None:
        self._joiner = _Joiner(self.rank)
        self._at = -1
        self.bytes_read = 0
        for log in self._logs.values():
            log.done = 0

    def read_some(self, budget: int) -> int:
        """Read up to about `budget` bytes; how many."""
        used = 0
        for attempt in sorted(self._logs):
            log = self._logs[attempt]
            while used < budget and log.left > 0:
                step = self._read_chunk(attempt, log)
                if not step:
                    break
                used += step
        self.metrics.complete = used < budget
        return used

    def _read_chunk(self, attempt: int, log: _Log) -> int:
        assert log.file.handle is not None
        data = log.file.handle.read(log.done, min(CHUNK, log.left))
        newest = attempt == max(self._logs)
        cut = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if not cut:
            # a line that is still being written, or one without end, which tells nothing
            if len(data) < CHUNK and newest:
                return 0
            cut = len(data)
        elif not newest and len(data) < CHUNK:
            cut = len(data)
        if attempt != self._at:
            self._at = attempt
            self._joiner.begin_attempt(attempt)
        self._take(data[:cut], log)
        log.done += cut
        self.bytes_read += cut
        return cut

    def _take(self, data: bytes, log: _Log) -> None:
        read, add, time_at = self._lines.read, self._joiner.add, log.times.time_at
        ahead = log.source.clock_ahead
        # expressions of one's own may be about any line, and unusual names must be noticed once
        thorough = self._patterns or self.bytes_read < _THOROUGH or not self._blocks % _EVERY
        self._blocks += 1
        lines = all_lines(data) if thorough else lines_with(data, self._words.words)
        known = len(self.metrics.series)
        for begin, line in lines:
            said = read(line.decode("utf-8", "replace"))
            if said is not None:
                when = time_at(log.done + begin)
                add(said, math.nan if when is None else when - ahead)
        if len(self.metrics.series) > known:
            for key in self.metrics.series:
                self._words.learn(key)


class MetricsReader:
    """The metrics of a run's ranks."""

    def __init__(
        self, run: RunDir, *, patterns: Sequence[re.Pattern[str]] = (), ranks: Sequence[int] = ()
    ) -> None:
        """Prepare; nothing is read yet.

        Args:
            run: The run.
            patterns: Expressions tried on every line, see `patterns`.
            ranks: Whose numbers; none: those of the lowest rank that tells any.
        """
        self._run = run
        self._patterns = tuple(patterns)
        self._ranks = tuple(ranks)
        self._readers: dict[int, RankReader] = {}
        self._world = 0
        self._logs: dict[int, dict[int, RankLog]] = {}
        self._looked = -_LOOK_EVERY
        self._speaker: int | None = None
        self._asked: list[int] = []
        self._first: dict[int, RankMetrics] = {}
        self._first_read = False

    @property
    def world_size(self) -> int:
        """How many ranks the run has; 0 before the first `read_some`."""
        return self._world

    @property
    def speaker(self) -> int | None:
        """The rank whose numbers are read where none was chosen; None: not known yet."""
        return self._speaker

    @property
    def part(self) -> float:
        """How much of the logs has been read, 0 to 1."""
        size = sum(reader.size for reader in self._readers.values())
        done = sum(reader.bytes_read for reader in self._readers.values())
        return min(1.0, done / size) if size else 1.0

    def choose(self, ranks: Sequence[int]) -> None:
        """Read these ranks; what was read of others is forgotten."""
        self._ranks = tuple(ranks)
        wanted = set(self._ranks or ([] if self._speaker is None else [self._speaker]))
        self._readers = {rank: reader for rank, reader in self._readers.items() if rank in wanted}

    def ranks(self) -> tuple[RankMetrics, ...]:
        """What is known now, by rank: from the logs, or a first picture of them."""
        found = []
        wanted = self._ranks or (() if self._speaker is None else (self._speaker,))
        for rank in wanted:
            reader = self._readers.get(rank)
            first = self._first.get(rank)
            if reader is not None and (reader.metrics.complete or first is None):
                found.append(reader.metrics)
            elif first is not None:
                found.append(first)
        return tuple(found)

    def read_some(self, budget: int = 4 << 20) -> bool:
        """Read on; whether anything was read.

        Raises:
            OSError: A log is there and cannot be read.
            UserError: The run's plan cannot be read.
        """
        if not self._first_read:
            self._first_read = True
            if self._read_first():
                return True
        self._find_logs()
        wanted = self._ranks or self._candidates()
        share = max(CHUNK, budget // max(1, len(wanted)))
        used = 0
        for rank in wanted:
            reader = self._reader(rank)
            reader.refresh()
            used += reader.read_some(share)
        return used > 0

    def _read_first(self) -> bool:
        """The supervisor's own points: few, and there at once."""
        from rankdeck.run.progress import read_metrics

        joiners: dict[int, _Joiner] = {}
        attempt = -1
        for point in read_metrics(self._run.metrics):
            joiner = joiners.setdefault(point.rank, _Joiner(point.rank))
            if point.attempt != attempt:
                attempt = point.attempt
                joiner.begin_attempt(attempt)
            values = {words.name(key): value for key, value in point.values.items()}
            joiner.add(Said(point.step, point.total_steps, None, False, False, values), point.t)
        self._first = {rank: joiner.into for rank, joiner in joiners.items() if joiner.into.series}
        for metrics in self._first.values():
            # thinned points would tell alerts that the logs do not
            metrics.alerts.clear()
        if self._first:
            self._speaker = min(self._first)
        return bool(self._first)

    def _find_logs(self) -> None:
        """Look for new attempts; a walk over the nodes' directories, so not often."""
        now = time.monotonic()
        if now - self._looked < _LOOK_EVERY:
            return
        self._looked = now
        from rankdeck.logs.sources import attempts, rank_logs

        if not self._world:
            from rankdeck.run.stored import read_plan

            self._world = read_plan(self._run).world_size
        for attempt in attempts(self._run):
            if attempt not in self._logs:
                self._logs[attempt] = {log.rank: log for log in rank_logs(self._run, attempt)}

    def _reader(self, rank: int) -> RankReader:
        reader = self._readers.get(rank)
        if reader is None:
            reader = self._readers[rank] = RankReader(rank, self._patterns)
        reader.know([logs[rank] for logs in self._logs.values() if rank in logs])
        return reader

    def _candidates(self) -> tuple[int, ...]:
        """The rank that tells numbers; while nobody knows which, the next one to ask."""
        if self._speaker is not None:
            return (self._speaker,)
        for rank in sorted(self._readers):
            if any(len(s) or s.odd for s in self._readers[rank].metrics.series.values()):
                self._speaker = rank
                self._readers = {rank: self._readers[rank]}
                return (rank,)
        if not self._asked:
            return self._ask(0)
        last = self._readers[self._asked[-1]]
        if last.bytes_read < _PROBE and not last.metrics.complete:
            return (self._asked[-1],)
        # some print on the last rank only
        order = (0, self._world - 1, *range(1, min(self._world - 1, 64)))
        following = [rank for rank in order if rank not in self._asked]
        if following:
            return self._ask(following[0])
        # none of them has said anything yet: look at the few that were asked first again
        return tuple(self._asked[:2])

    def _ask(self, rank: int) -> tuple[int, ...]:
        self._asked.append(rank)
        return (rank,)
