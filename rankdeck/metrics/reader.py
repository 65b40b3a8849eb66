"""MetricsReader: the series of one run, read step by step from what it has left on disk.

`metrics.jsonl`, which the supervisor thins, gives a picture at once; the ranks' logs replace it as
they are read, oldest first, a bounded number of bytes at a time. One thread uses a reader.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rankdeck.logs.handle import Change, GrowingFile
from rankdeck.logs.times import LogTimes
from rankdeck.metrics import words
from rankdeck.metrics.extract import Reader, Said
from rankdeck.metrics.joiner import Joiner, RankMetrics
from rankdeck.metrics.lines import KnownWords, all_lines, even, lines_with, some_with
from rankdeck.metrics.own_lines import OwnLines, by_number, together
from rankdeck.metrics.picker import TemplatePicker
from rankdeck.metrics.runs import Run, Told, runs
from rankdeck.metrics.runs import said as said_by
from rankdeck.metrics.stamps import Stamps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rankdeck.logs.sources import RankLog
    from rankdeck.metrics.own_lines import Lines
    from rankdeck.metrics.patterns import MetricPattern
    from rankdeck.metrics.templates import Row, Templates
    from rankdeck.run.layout import RunDir

CHUNK = 128 * 1024
_PROBE = 1 << 20
"""Bytes of a rank that tell no number, before the next rank is asked."""
_THOROUGH = 2 << 20
"""So many bytes of a rank are read line by line; of what follows, lines with known words."""
_EVERY = 64
"""But for one block in so many."""
_LOOK_EVERY = 2.0
_ASK_EVERY = 10.0


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


class RankReader:
    """Reads one rank's logs of all attempts, oldest first."""

    def __init__(self, rank: int, patterns: Sequence[MetricPattern]) -> None:
        self.rank = rank
        self._lines = Reader(patterns)
        self._own = OwnLines(patterns)
        self._joiner = Joiner(rank)
        self._logs: dict[int, _Log] = {}
        self._words = KnownWords()
        self._templates = TemplatePicker(self._lines)
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
            known = self._logs.get(source.attempt)
            if known is None or (known.file.handle is None and known.source.path != source.path):
                self._logs[source.attempt] = _Log(
                    source, GrowingFile(source.path), LogTimes(source.times)
                )

    def lacks(self, attempt: int) -> bool:
        """Whether its log of that attempt has not been found."""
        known = self._logs.get(attempt)
        return known is None or known.file.handle is None

    def refresh(self) -> None:
        """Look for news. Raises OSError where a log is there and cannot be read."""
        for log in self._logs.values():
            if log.file.refresh() is Change.RESET and log.done:
                # truncated or replaced: nothing of what was read can be trusted
                self._again()
                return
            log.times.refresh()

    def _again(self) -> None:
        self._joiner = Joiner(self.rank)
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
        self.metrics.complete = self.metrics.complete or used < budget
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
        # unusual names must be noticed once
        thorough = self.bytes_read < _THOROUGH or not self._blocks % _EVERY
        self._blocks += 1
        known = len(self.metrics.series)
        block = even(data)
        own = self._own.of(block)
        templates = self._templates.pick()
        if templates is None:
            self._take_lines(block, log, own, thorough=thorough)
        else:
            self._take_rows(block, log, own, templates, thorough=thorough)
        if len(self.metrics.series) > known:
            for key in self.metrics.series:
                self._words.learn(key)

    def _take_lines(self, block: bytes, log: _Log, own: Lines, *, thorough: bool) -> None:
        """Look at lines one by one: at all, or at one's own and those with a known word."""
        stamps = Stamps(log.times, log.source.clock_ahead, log.done, block)
        likely = all_lines(block) if thorough else lines_with(block, self._words.words)
        for begin, line in likely if thorough else together(likely, own):
            said = self._lines.read(line.decode("utf-8", "replace"), own=begin in own)
            if said is not None:
                self._joiner.add(said, stamps.at_byte(begin))

    def _take_rows(
        self, block: bytes, log: _Log, own: Lines, templates: Templates, *, thorough: bool
    ) -> None:
        """Take lines of known shapes as a whole, and look at the others one by one."""
        if not block.endswith(b"\n"):
            block += b"\n"
        rows = templates.rows(block)
        matched = templates.matched(rows)
        others = []
        if matched < len(rows):
            others = [(number, row[-1]) for number, row in enumerate(rows) if row[-1]]
        owned = dict(by_number(block, own))
        chosen = others if thorough else some_with(others, self._words.words)
        told: list[tuple[int, Said | None]] = []
        for number, line in together(chosen, owned):
            if number in owned and not rows[number][-1]:
                told.append((number, self._lines.with_own(said_by(templates, rows[number]), line)))
            elif said := self._lines.read(line.decode("utf-8", "replace"), own=number in owned):
                told.append((number, said))
        self._templates.found(matched)
        stamps = Stamps(log.times, log.source.clock_ahead, log.done, block)
        at = 0
        for number, said in (*told, (len(rows), None)):
            self._take_between(rows, at, number, templates, stamps, mixed=matched < len(rows))
            if said is not None:
                self._joiner.add(said, stamps.at(number))
            at = number + 1

    def _take_between(
        self,
        rows: list[Row],
        begin: int,
        end: int,
        templates: Templates,
        stamps: Stamps,
        *,
        mixed: bool,
    ) -> None:
        """Take the lines of templates among some lines."""
        if begin >= end:
            return
        numbers: Sequence[int] = range(begin, end)
        some = rows[begin:end] if begin or end < len(rows) else rows
        if mixed:
            numbers = [number for number in numbers if any(rows[number][:-1])]
            some = [rows[number] for number in numbers]
        for found in runs(templates, Told(numbers, some)):
            if isinstance(found, Run):
                self._joiner.add_run(found, stamps)
            else:
                self._joiner.add(found[1], stamps.at(found[0]))


class MetricsReader:
    """The metrics of a run's ranks."""

    def __init__(
        self, run: RunDir, *, patterns: Sequence[MetricPattern] = (), ranks: Sequence[int] = ()
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
        self._asked_at: dict[int, float] = {}
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

        joiners: dict[int, Joiner] = {}
        attempt = -1
        for point in read_metrics(self._run.metrics):
            joiner = joiners.setdefault(point.rank, Joiner(point.rank))
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
            if attempt not in self._logs or self._missing(attempt, now):
                self._asked_at[attempt] = now
                self._logs[attempt] = {log.rank: log for log in rank_logs(self._run, attempt)}

    def _missing(self, attempt: int, now: float) -> bool:
        """Whether a log was not there when it was looked for, and may be elsewhere by now."""
        if now - self._asked_at[attempt] < _ASK_EVERY:
            return False
        return any(reader.lacks(attempt) for reader in self._readers.values())

    def _reader(self, rank: int) -> RankReader:
        reader = self._readers.get(rank)
        if reader is None:
            reader = self._readers[rank] = RankReader(rank, self._patterns)
        reader.know([logs[rank] for logs in self._logs.values() if rank in logs])
        return reader

    def _candidates(self) -> tuple[int, ...]:
        """The rank that tells numbers; while nobody knows which, the next one to ask."""
        if self._speaker is not None:
            return self._with_rank_0(self._speaker)
        for rank in sorted(self._readers):
            if self._tells(rank):
                self._speaker = rank
                self._readers = {0: self._reader(0), rank: self._readers[rank]}
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

    def _with_rank_0(self, speaker: int) -> tuple[int, ...]:
        """The speaker, and rank 0 for as long as that has hardly begun: it may only be late."""
        if speaker == 0 or 0 not in self._readers:
            return (speaker,)
        told = self._tells(0)
        if not told and self._readers[0].bytes_read < _PROBE:
            return (speaker, 0)
        self._speaker = kept = 0 if told else speaker
        self._readers = {kept: self._readers[kept]}
        return (kept,)

    def _tells(self, rank: int) -> bool:
        """Whether a rank's log has told any number."""
        series = self._readers[rank].metrics.series.values()
        return any(len(one) or one.odd for one in series)

    def _ask(self, rank: int) -> tuple[int, ...]:
        self._asked.append(rank)
        return (rank,)
