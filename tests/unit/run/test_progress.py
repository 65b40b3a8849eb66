from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from rankdeck.run.node_state import NodeOutcome, NodeState, RankRecord
from rankdeck.run.progress import Curve, ProgressTracker, read_metrics
from tests.unit.run.test_policy import word

if TYPE_CHECKING:
    from pathlib import Path


def said(*records: RankRecord) -> list[NodeState]:
    return [word("a", NodeOutcome.SUCCEEDED, ranks=records)]


def at(rank: int, step: int | None, t: float = 0.0, **metrics: float) -> RankRecord:
    return RankRecord(
        rank=rank, local_rank=rank, step=step, total_steps=500, last_output=t, metrics=metrics
    )


def test_there_is_no_progress_before_the_first_step(tmp_path: Path) -> None:
    tracker = ProgressTracker(tmp_path / "metrics.jsonl")
    assert tracker.update(said(RankRecord(rank=0, local_rank=0)), 1.0) is None
    assert not (tmp_path / "metrics.jsonl").exists()


def test_the_slowest_step_and_the_lowest_ranks_numbers(tmp_path: Path) -> None:
    tracker = ProgressTracker(tmp_path / "metrics.jsonl")
    progress = tracker.update(said(at(2, 90), at(1, 100, loss=1.5, lr=0.1), at(3, None)), 1.0)
    assert progress is not None
    assert (progress.step, progress.total_steps) == (90, 500)
    assert progress.metrics == {"loss": 1.5, "lr": 0.1}
    assert progress.loss_curve == (1.5,)


def test_points_are_written_once_and_not_too_often(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    tracker = ProgressTracker(path)
    for step, t in ((1, 0.0), (1, 0.0), (2, 0.2), (3, 0.6), (3, 0.6)):
        tracker.update(said(at(0, step, t, loss=float(step))), t)
    assert [point.step for point in read_metrics(path)] == [1, 3]


def test_a_year_of_training_stays_readable(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    tracker = ProgressTracker(path)
    tracker._write = lambda line: None  # type: ignore[method-assign]
    written: list[float] = []
    remember = tracker._remember
    tracker._remember = lambda p: (written.append(p.t), remember(p))[1]  # type: ignore[method-assign]
    t = 0.0
    while t < 365 * 86400:
        tracker.update(said(at(0, int(t), t, loss=1.0)), t)
        t += max(0.5, t / 20000)
    assert len(written) < 60_000


def test_another_supervisor_goes_on_with_the_curve(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    first = ProgressTracker(path)
    for step in range(5):
        first.update(said(at(0, step, float(step), loss=5.0 - step)), 0.0)
    with open(path, "ab") as stream:
        stream.write(b'{"t": 9, "torn')
    second = ProgressTracker(path)
    progress = second.update(said(at(0, 5, 5.0, loss=0.0)), 5.0)
    assert progress is not None
    assert progress.loss_curve == (5.0, 4.0, 3.0, 2.0, 1.0, 0.0)
    assert [point.step for point in read_metrics(path)] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 100, 1000, 12_345])
def test_a_curve_is_short_even_and_ends_with_the_newest(count: int) -> None:
    curve = Curve()
    for number in range(count):
        curve.add(float(number))
    values = curve.values()
    assert len(values) <= 32
    assert list(values) == sorted(values)
    if count:
        assert (values[0], values[-1]) == (0.0, count - 1)
    gaps = {b - a for a, b in itertools.pairwise(values[:-1])}
    assert len(gaps) <= 1
    if count > 100:
        assert len(values) >= 16


def test_a_metrics_file_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").mkdir()
    tracker = ProgressTracker(tmp_path / "metrics.jsonl")
    assert tracker.update(said(at(0, 1, loss=1.0)), 0.0) is not None
