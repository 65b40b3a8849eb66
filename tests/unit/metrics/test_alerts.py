from __future__ import annotations

import math
import random

import pytest

from rankdeck.metrics.alerts import Alert, AlertKind, Pace, Watcher


def watch(metric: str, values: list[float]) -> list[Alert]:
    watcher = Watcher(metric, 3)
    found: list[Alert] = []
    for step, value in enumerate(values, 1):
        found += watcher.add(step, 1000 + step, value)
    return found


def noisy(count: int, level: float = 2.0) -> list[float]:
    noise = random.Random(5)
    return [level + noise.gauss(0, 0.1) for _ in range(count)]


def test_noise_and_a_falling_loss_are_nothing_odd() -> None:
    falling = [8 * math.exp(-step / 300) + noise for step, noise in enumerate(noisy(3000))]
    assert watch("loss", falling) == []


def test_nan_is_told_once_with_its_step_time_and_rank() -> None:
    found = watch("lr", [1.0, math.nan, math.nan, 1.0, math.inf])
    assert [(a.kind, a.step, a.time, a.rank) for a in found] == [
        (AlertKind.NAN, 2, 1002, 3),
        (AlertKind.NAN, 5, 1005, 3),
    ]
    assert found[0].text == "lr is NaN at step 2"
    assert "infinite" in found[1].text


@pytest.mark.parametrize("metric", ["loss", "train/loss", "grad_norm"])
def test_a_spike_is_told_once(metric: str) -> None:
    values = noisy(200)
    values[100:103] = [12.0, 13.0, 11.0]
    found = watch(metric, values)
    assert [(a.kind, a.step) for a in found] == [(AlertKind.SPIKE, 101)]
    assert "jumps to 12 at step 101" in found[0].text


def test_a_spike_of_what_may_jump_is_no_alert() -> None:
    values = noisy(100)
    values[60] = 50.0
    assert watch("tok/s", values) == []


def test_a_spike_at_the_very_begin_is_not_told_of_too_few_values() -> None:
    assert watch("loss", [1.0, 90.0, 1.0]) == []


def test_divergence_is_told_once_and_again_after_it_came_back() -> None:
    rise = [2.0 + step / 60 for step in range(200)]
    found = [a for a in watch("loss", noisy(100) + rise) if a.kind is AlertKind.DIVERGENCE]
    assert len(found) == 1
    assert "at best" in found[0].text
    back = watch("loss", noisy(100) + rise + noisy(300) + rise)
    assert len([a for a in back if a.kind is AlertKind.DIVERGENCE]) == 2


def test_a_stall_is_ten_steps_and_a_minute() -> None:
    pace = Pace()
    assert pace.stall(1e9, 0, 0) is None
    for step in range(20):
        pace.add(step, 1000.0 + 2 * step)
    last = 1000.0 + 2 * 19
    assert pace.typical == pytest.approx(2.0)
    assert pace.stall(last + 59, 0, 0) is None
    stall = pace.stall(last + 61, 4, 1)
    assert stall is not None
    assert (stall.kind, stall.step, stall.rank, stall.attempt) == (AlertKind.STALL, 19, 4, 1)
    slow = Pace()
    for step in range(20):
        slow.add(step, 100.0 * step)
    assert slow.stall(1900 + 999, 0, 0) is None
    assert slow.stall(1900 + 1001, 0, 0) is not None
    slow.restart()
    assert slow.stall(1e9, 0, 0) is None
