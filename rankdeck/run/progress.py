"""How far the training is: Progress for the snapshot, `metrics.jsonl` for charts.

One writer, the supervisor. Both stay small however long a run lasts.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from rankdeck.run.files import append_lines
from rankdeck.run.state import Progress
from rankdeck.run.summary import find_loss

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from rankdeck.run.node_state import NodeState, RankRecord

_CURVE_POINTS = 32


class MetricsPoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of `metrics.jsonl`."""

    t: float
    attempt: int
    rank: int
    step: int | None = None
    total_steps: int | None = None
    values: dict[str, float] = msgspec.field(default_factory=dict)


_POINT_DECODER = msgspec.json.Decoder(MetricsPoint)


def read_metrics(path: Path) -> list[MetricsPoint]:
    """Every point of `metrics.jsonl`, oldest first; a torn line is left out."""
    points = []
    with suppress(OSError):
        for line in path.read_bytes().splitlines():
            with suppress(msgspec.DecodeError, UnicodeDecodeError):
                points.append(_POINT_DECODER.decode(line))
    return points


class Curve:
    """At most 32 values that represent all that were added, evenly, oldest first."""

    def __init__(self) -> None:
        self._values: list[float] = []
        self._stride = 1
        self._count = 0
        self._newest = 0.0

    def add(self, value: float) -> None:
        """Add the next value."""
        self._newest = value
        if self._count % self._stride == 0:
            if len(self._values) == _CURVE_POINTS - 1:
                self._values = self._values[::2]
                self._stride *= 2
            if self._count % self._stride == 0:
                self._values.append(value)
        self._count += 1

    def values(self) -> tuple[float, ...]:
        """The curve; its last point is always the newest value."""
        newest_kept = (self._count - 1) % self._stride == 0
        return tuple(self._values) if newest_kept else (*self._values, self._newest)


class ProgressTracker:
    """Turns what the agents say into Progress, and writes `metrics.jsonl`."""

    def __init__(self, path: Path) -> None:
        """Go on from the points that are there."""
        self._path = path
        self._curve = Curve()
        self._last: MetricsPoint | None = None
        self._first_t: float | None = None
        for point in read_metrics(path):
            self._remember(point)

    def update(self, said: Iterable[NodeState], now: float) -> Progress | None:
        """The progress now, None while no rank has reported any."""
        records = [record for word in said for record in word.ranks]
        speaker = min(
            (record for record in records if record.step is not None or record.metrics),
            key=lambda record: record.rank,
            default=None,
        )
        if speaker is None:
            return None
        self._note(speaker, max((word.attempt for word in said), default=0), now)
        steps = [record.step for record in records if record.step is not None]
        return Progress(
            step=min(steps, default=None),
            total_steps=speaker.total_steps,
            metrics=speaker.metrics,
            loss_curve=self._curve.values(),
        )

    def _note(self, speaker: RankRecord, attempt: int, now: float) -> None:
        point = MetricsPoint(
            t=speaker.last_output or now,
            attempt=attempt,
            rank=speaker.rank,
            step=speaker.step,
            total_steps=speaker.total_steps,
            values=speaker.metrics,
        )
        last = self._last
        if last is not None:
            if (point.attempt, point.step, point.values) == (last.attempt, last.step, last.values):
                return
            age = 0.0 if self._first_t is None else point.t - self._first_t
            if point.t - last.t < _spacing(age):
                return
        self._remember(point)
        # charts can do without a point; the run cannot do without its supervisor
        with suppress(OSError):
            append_lines(self._path, msgspec.json.encode(point) + b"\n")

    def _remember(self, point: MetricsPoint) -> None:
        self._last = point
        if self._first_t is None:
            self._first_t = point.t
        if (loss := find_loss(point.values)) is not None:
            self._curve.add(loss)


def _spacing(age: float) -> float:
    """Seconds between points: 0.5 at first, longer and longer, so that years would still fit."""
    return max(0.5, age / 3600.0)
