"""Lines read many at a time tell what they tell one by one."""

from __future__ import annotations

import math
import random
import struct
from typing import TYPE_CHECKING

import pytest

from rankdeck.logs.sources import RankLog
from rankdeck.metrics.lines import all_lines
from rankdeck.metrics.own_lines import OwnLines
from rankdeck.metrics.patterns import MetricPattern
from rankdeck.metrics.picker import TemplatePicker
from rankdeck.metrics.reader import RankReader
from rankdeck.metrics.series import MOST_POINTS, Series

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rankdeck.metrics.joiner import RankMetrics

Lines = "Iterator[str]"


def steady(dice: random.Random) -> Iterator[str]:
    for step in range(9000):
        yield f"step {step}/9000 loss {2 + dice.random():.2f} lr 1e-4 tok/s {100 + step % 50}"


def eventful(dice: random.Random) -> Iterator[str]:
    """Spikes, divergence, NaN, noise, two kinds of lines, evaluations, restarts of the count."""
    step, level = 0, 3.0
    for number in range(9000):
        step += dice.choice([1, 1, 1, 0, 2])
        if dice.random() < 0.0006:
            step = dice.choice([0, max(0, step - 50)])
        level = max(0.1, level + dice.gauss(-0.0004, 0.01)) * (1.0 if number % 3000 else 2.5)
        loss = level * (1 + 0.1 * dice.gauss(0, 1)) * dice.choice([1] * 400 + [30.0])
        rate = dice.random() * dice.choice([1e-4, 1e-2])
        yield (
            f"[2026-11-21 12:00:{number % 60:02},{number % 1000:03}] Epoch {step // 1000} | step"
            f" {step}/{step + 10} | loss: {loss:.4f} | grad_norm: {dice.random():.3f} | lr:"
            f" {rate:.3e} | {dice.choice([0, 1, 5]):.2f}s/it"
        )
        if dice.random() < 0.2:
            yield f"step={step} time_to_data={dice.random():.3f} loss_scale={2**step % 65536}"
        yield dice.choice(
            [""] * 60
            + ["Validation step 3/50 loss 2.1", f"val_loss {dice.random():.3f}", "NCCL ready 17"]
            + [f"step {step} loss nan", "step 007 loss 1.5", f"\x1b[1mstep {step} loss 9.5\x1b[0m"]
            + [f"step {step} loss 123456789012345678901234567890 lr 1e-4 tok/s 5", "训练 step 5"]
        )


def flat(dice: random.Random) -> Iterator[str]:
    for step in range(6000):
        yield f"iter {step}: loss {dice.choice([0, -1, 0.5])}, grad_norm 0.0, mfu 12.{step % 9}%"


def read(log: RankLog, budget: int, *patterns: MetricPattern) -> RankMetrics:
    reader = RankReader(0, patterns)
    reader.know([log])
    reader.refresh()
    while reader.read_some(budget):
        pass
    return reader.metrics


def compare(one: RankMetrics, other: RankMetrics) -> None:
    assert list(one.series) == list(other.series)
    for key, series in one.series.items():
        twin = other.series[key]
        assert (series.count, series.odd_count, series.rewinds) == (
            twin.count,
            twin.odd_count,
            twin.rewinds,
        ), key
        assert (series.steps, series.values) == (twin.steps, twin.values), key
        assert [str(time) for time in series.times] == [str(time) for time in twin.times], key
        assert str(series.odd) == str(twin.odd)
    assert list(map(str, one.alerts)) == list(map(str, other.alerts))
    assert (one.total_steps, str(one.pace.typical)) == (other.total_steps, str(other.pace.typical))
    assert str(one.pace.stall(1e9, 0, 0)) == str(other.pace.stall(1e9, 0, 0))


@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize("kind", [steady, eventful, flat])
@pytest.mark.parametrize("seed", range(2))
def test_many_at_a_time_and_one_by_one_are_the_same(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: Callable[[random.Random], Iterator[str]],
    seed: int,
    timed: bool,
) -> None:
    dice = random.Random(seed)
    log = RankLog(0, "n", 0, 0, tmp_path / "log", tmp_path / "times", 2.5)
    lines = [line.encode() + dice.choice([b"\n"] * 30 + [b"\r", b"\r\n"]) for line in kind(dice)]
    log.path.write_bytes(b"".join(lines))
    if timed:
        pairs, size, now = b"", 0, 1000.0
        for line in lines:
            size += len(line)
            now += dice.choice([0.01, 0.05, 0.3] * 50 + [90.0])
            pairs += struct.pack("<dQ", now, size) if dice.random() < 0.5 else b""
        log.times.write_bytes(pairs)
    monkeypatch.setattr("rankdeck.metrics.reader.CHUNK", 50_000)
    # few points, so that they are put together early
    monkeypatch.setattr("rankdeck.metrics.series.MOST_POINTS", 700)
    for name in ("series", "joiner"):
        monkeypatch.setattr(
            f"rankdeck.metrics.{name}.Series", lambda **_: Series(limit=700), raising=False
        )
    told = read(log, 200_000)
    monkeypatch.setattr(TemplatePicker, "pick", lambda _: None)
    compare(told, read(log, 200_000))
    assert max(len(series) for series in told.series.values()) <= 700
    if kind is eventful:
        assert {alert.kind.value for alert in told.alerts} == {"nan", "spike", "divergence"}


@pytest.mark.parametrize(
    "own",
    [r"loss:? (?P<own>[0-4.]+)5\d\b", "(?P<own>[0-9.]+)", r"^(?P<own>)$|7/\d+.*loss:? (?P<b>\d)"],
)
@pytest.mark.parametrize("kind", [steady, eventful])
def test_lines_that_an_own_expression_is_about_are_found_among_many(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: Callable[[random.Random], Iterator[str]],
    own: str,
) -> None:
    dice = random.Random(own)
    log = RankLog(0, "n", 0, 0, tmp_path / "log", tmp_path / "times")
    coloured = ["loss"] * 40 + ["lo\x1b[31mss\x1b[0m"]
    lines = [line.replace("loss", dice.choice(coloured)) for line in kind(dice)]
    log.path.write_text("".join(line + dice.choice(["\n"] * 30 + ["\r"]) for line in lines))
    monkeypatch.setattr("rankdeck.metrics.reader.CHUNK", 50_000)
    pattern = MetricPattern(own)
    told = read(log, 200_000, pattern)
    assert {"own", "b"} & set(told.series)
    # all lines are tried, one by one
    monkeypatch.setattr(TemplatePicker, "pick", lambda _: None)
    monkeypatch.setattr(OwnLines, "of", lambda _, block: dict(all_lines(block)))
    compare(told, read(log, 200_000, pattern))


@pytest.mark.parametrize("limit", [700, MOST_POINTS])
def test_points_are_spread_evenly_over_a_long_training(limit: int) -> None:
    series, dice = Series(limit=limit), random.Random(5)
    total = 400_000
    for step in range(total):
        series.add(step, step, 50.0 if step == 123_456 else dice.random())
    assert limit / 3 < len(series) <= limit
    tenths = [0] * 10
    for step in series.steps:
        tenths[int(step * 10 / total)] += 1
    # the newest values are all there
    assert max(tenths[:-1]) < 2 * min(tenths)
    assert series.steps[series.values.index(50.0)] == 123_456
    assert series.steps[-1] == total - 1


@pytest.mark.parametrize("limit", [700, 2000])
def test_values_added_many_at_a_time_leave_the_same_points(limit: int) -> None:
    class NoTimes:
        known = False

        def several(self, numbers: range) -> list[float]:
            return [float(number) for number in numbers]

    dice = random.Random(limit)
    one, other = Series(limit=limit), Series(limit=limit)
    step = 0
    while step < 300_000:
        size = dice.choice([1, 2, 3, 17, 255, 256, 257, 5000])
        steps = [float(number) for number in range(step, step + size)]
        values = [round(dice.random(), dice.choice([1, 9])) for _ in steps]
        numbers = range(step, step + size)
        other.add_many(steps, numbers, NoTimes(), values)  # type: ignore[arg-type]
        for place, value in zip(steps, values, strict=True):
            one.add(place, place, value)
        step += size
        if dice.random() < 0.02:
            step = max(0, step - dice.choice([10, 400, 30_000]))
            one.add(step, step, 0.5)
            other.add(step, step, 0.5)
            step += 1
        assert one == other
    assert not math.isnan(one.values[0])
