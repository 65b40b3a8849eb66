from __future__ import annotations

import math
import re

import pytest

from rankdeck.metrics.extract import Reader, Said
from rankdeck.metrics.patterns import MetricPattern
from tests.unit.metrics.lines import SILENT, TOLD, Values


def fresh(line: str, *patterns: MetricPattern) -> Said | None:
    """What a reader that knows no shape reads."""
    return Reader(patterns).read(line)


@pytest.mark.parametrize(("line", "step", "values"), TOLD, ids=[row[0][:40] for row in TOLD])
def test_lines_of_the_fields_programs(line: str, step: int | None, values: Values) -> None:
    said = fresh(line)
    assert said is not None
    assert said.values == pytest.approx(values)
    assert said.step == step


@pytest.mark.parametrize("line", SILENT)
def test_what_is_no_measurement_is_none(line: str) -> None:
    said = fresh(line)
    assert said is None or (not said.values and said.step is None), said


def test_a_line_of_a_known_shape_tells_its_own_numbers() -> None:
    reader = Reader()
    for line, _, _ in TOLD:
        reader.read(line)
    for line, step, values in TOLD:
        other = re.sub(r"\d", lambda digit: str((int(digit[0]) + 1) % 9 + 1), line)
        known, alone = reader.read(other), fresh(other)
        assert known == alone
        assert reader.read(line) == fresh(line)
        assert (step is None) == (alone is None or alone.step is None)
        assert values


def test_a_known_shape_does_not_hide_that_digits_decide() -> None:
    reader = Reader()
    assert reader.read("loss: 1,234") == fresh("loss: 1,234")
    assert reader.read("loss: 12,34") == fresh("loss: 12,34")
    assert reader.read("tries: 5 loss: 1") == fresh("tries: 5 loss: 1")


@pytest.mark.parametrize(
    ("text", "value"),
    [("nan", math.nan), ("NaN", math.nan), ("inf", math.inf), ("-inf", -math.inf)],
)
def test_what_is_no_number_stays_what_it_is(text: str, value: float) -> None:
    for line in (f"step 3 loss {text}", f"{{'loss': {text}}}", f"loss={text}"):
        said = fresh(line)
        assert said is not None
        assert said.values["loss"] == pytest.approx(value, nan_ok=True)


def test_steps_within_an_epoch_are_told_as_such() -> None:
    said = fresh("Epoch 2/3 [10/100] loss=0.5")
    assert said == Said(10, 100, 2, True, False, {"loss": 0.5})
    said = fresh("Epoch 4:  45%|████▌     | 450/1000 [00:30<00:37, 14.9it/s]")
    assert said is not None
    assert (said.step, said.total, said.epoch, said.within) == (450, 1000, 4, True)
    said = fresh("step 12/100 loss 1")
    assert said is not None
    assert (said.total, said.within) == (100, False)


def test_own_expressions_come_on_top() -> None:
    pattern = MetricPattern(r"score after round (?P<step>\d+) was (?P<score>[\d.]+)")
    assert fresh("score after round 12 was 0.75", pattern) == Said(
        12, None, None, False, False, {"score": 0.75}
    )
    said = fresh("loss=1.5 score after round 3 was 2", pattern)
    assert said is not None
    assert (said.step, said.values) == (3, {"loss": 1.5, "score": 2.0})


def test_a_very_long_line_costs_little_and_tells_its_end() -> None:
    said = fresh("x=" * 500_000 + " step 3 loss 1.5")
    assert said is not None
    assert said.values["loss"] == 1.5


def test_shapes_are_forgotten_before_they_are_many() -> None:
    reader = Reader()
    for number in range(5000):
        reader.read("loss " + chr(97 + number % 26) * (number // 26) + " 1.5")
    assert len(reader._shapes) <= 2048
