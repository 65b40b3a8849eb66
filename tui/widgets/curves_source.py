"""CurvesSource: one run's metrics, read on a daemon thread and handed over as frozen pictures.

A disk that hangs keeps only this thread waiting. Series are copied when they have changed, so that
whoever draws them shares nothing with the reader.
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

from rankdeck.errors import Problem, UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.message_pump import MessagePump

    from rankdeck.metrics.alerts import Alert
    from rankdeck.metrics.joiner import RankMetrics
    from rankdeck.metrics.reader import MetricsReader
    from rankdeck.metrics.series import Series
    from rankdeck.run.layout import RunDir

_BUDGET = 256 * 1024
"""Bytes between two looks at what is wanted; a tenth of a second at most."""
_PUBLISH_EVERY = 0.25
_LOOK_EVERY = 0.5
_LOOK_EVERY_WHEN_ENDED = 5.0
_AFTER_FAILURE = 2.0
_MOST_ALERTS = 200


@dataclass(frozen=True, slots=True)
class RankPicture:
    """What one rank has told."""

    rank: int
    series: dict[str, Series]
    """Never changed again."""
    total_steps: int | None


@dataclass(frozen=True, slots=True)
class Picture:
    """What is known of a run's metrics."""

    ranks: tuple[RankPicture, ...] = ()
    alerts: tuple[Alert, ...] = ()
    """Oldest first."""
    part: float = 0.0
    """How much of the logs has been read."""
    world_size: int = 0
    loading: bool = True
    """Whether nothing has been looked at yet."""
    fault: str = ""
    """Why nothing can be read. Hostile text."""
    problems: tuple[Problem, ...] = ()
    """What is wrong with the patterns."""
    start: float = math.nan
    """The first time that is known."""


class CurvesRead(Message, bubble=False):
    """There is a new picture."""

    def __init__(self, source: CurvesSource) -> None:
        super().__init__()
        self.source = source


class CurvesSource:
    """Reads one run until it is closed."""

    def __init__(
        self,
        run: RunDir,
        owner: MessagePump,
        patterns: Sequence[str] = (),
        *,
        label: str = "",
        number: int = 0,
    ) -> None:
        """Begin to read.

        Args:
            run: The run.
            owner: Gets `CurvesRead`.
            patterns: The user's expressions; the project's own are looked for as well.
            label: What the run is called.
            number: Decides letter, colour and dashes of its curves.
        """
        self.run = run
        self.label = label
        self.number = number
        self.picture = Picture()
        self.running = False
        self.now = 0.0
        self._owner = owner
        self._texts = tuple(patterns)
        self._wanted: tuple[int, ...] = ()
        self._chosen: tuple[int, ...] = ()
        self._problems: tuple[Problem, ...] = ()
        self._copies: dict[tuple[int, str], tuple[tuple[int, int, int], Series]] = {}
        self._wake = threading.Event()
        self._ended = threading.Event()
        threading.Thread(target=self._work, name="deck-curves", daemon=True).start()

    def choose(self, ranks: tuple[int, ...]) -> None:
        """Read these ranks; none: the lowest that tells numbers. Returns at once."""
        self._wanted = ranks
        self._wake.set()

    def close(self) -> None:
        """Read no more; returns at once."""
        self._ended.set()
        self._wake.set()

    # -- on its own thread ------------------------------------------------------------------

    def _work(self) -> None:
        reader: MetricsReader | None = None
        published = 0.0
        while not self._ended.is_set():
            self._wake.clear()
            fault, read, began = "", False, time.monotonic()
            try:
                if reader is None:
                    reader = self._open()
                if self._wanted != self._chosen:
                    self._chosen = self._wanted
                    reader.choose(self._chosen)
                read = reader.read_some(_BUDGET)
            except UserError as error:
                fault = error.message
            except OSError as error:
                fault = str(error)
            now = time.monotonic()
            if not read or now - published >= _PUBLISH_EVERY:
                published = now
                self._publish(reader, fault)
            if read:
                # the interface's own thread comes first
                self._ended.wait(min(0.05, (now - began) / 2))
                continue
            pause = _LOOK_EVERY if self.running else _LOOK_EVERY_WHEN_ENDED
            self._wake.wait(_AFTER_FAILURE if fault else pause)

    def _open(self) -> MetricsReader:
        from pathlib import Path

        from rankdeck.metrics.patterns import compile_patterns, project_patterns
        from rankdeck.metrics.reader import MetricsReader
        from rankdeck.run.stored import read_state

        patterns, problems = compile_patterns(self._texts)
        project = ""
        try:
            project = read_state(self.run).project
        except (OSError, UserError):
            # its own metrics.yaml is not looked for then; the logs may still be read
            project = ""
        if project:
            more, wrong = project_patterns(Path(project))
            patterns, problems = patterns + more, problems + wrong
        self._problems = problems
        return MetricsReader(self.run, patterns=patterns)

    def _publish(self, reader: MetricsReader | None, fault: str) -> None:
        picture = self._picture(reader, fault)
        if picture != self.picture and not self._ended.is_set():
            self.picture = picture
            self._owner.post_message(CurvesRead(self))

    def _picture(self, reader: MetricsReader | None, fault: str) -> Picture:
        if reader is None:
            return Picture(loading=False, fault=fault, problems=self._problems)
        told = reader.ranks()
        alerts: list[Alert] = []
        ranks = []
        start = math.nan
        for metrics in told:
            alerts += metrics.alerts
            if self.running and metrics.complete and self.now:
                stall = metrics.pace.stall(self.now, metrics.rank, metrics.attempt)
                alerts += [stall] if stall is not None else []
            series = self._copy(metrics)
            ranks.append(RankPicture(metrics.rank, series, metrics.total_steps))
            for one in series.values():
                if one.times and not one.times[0] >= start:
                    start = one.times[0]
        alerts.sort(key=lambda alert: alert.time if alert.time == alert.time else 0.0)
        return Picture(
            ranks=tuple(ranks),
            alerts=tuple(alerts[-_MOST_ALERTS:]),
            part=round(reader.part, 2),
            world_size=reader.world_size,
            loading=False,
            fault=fault,
            problems=self._problems,
            start=start,
        )

    def _copy(self, metrics: RankMetrics) -> dict[str, Series]:
        copies = {}
        for key, series in metrics.series.items():
            version = (id(series), series.count, series.rewinds)
            held = self._copies.get((metrics.rank, key))
            if held is None or held[0] != version:
                held = self._copies[metrics.rank, key] = (version, series.copy())
            copies[key] = held[1]
        return copies


class RunsListed(Message, bubble=False):
    """The runs that can be laid over: id and name, those of the same project first."""

    def __init__(self, runs: tuple[tuple[str, str], ...]) -> None:
        super().__init__()
        self.runs = runs


def list_runs(run: RunDir, owner: MessagePump) -> None:
    """Look for other runs beside this one on a daemon thread; the owner gets `RunsListed`."""

    def work() -> None:
        owner.post_message(RunsListed(_others(run)))

    threading.Thread(target=work, name="deck-curves-runs", daemon=True).start()


def _others(run: RunDir) -> tuple[tuple[str, str], ...]:
    from rankdeck.run.store import RunStore

    try:
        runs = RunStore(run.path.parent.parent).list(300)
    except OSError:
        return ()
    project = next((other.project for other in runs if other.id == run.id), "")
    others = [other for other in runs if other.id != run.id]
    others.sort(key=lambda other: other.project != project)
    return tuple((other.id, other.name) for other in others)
