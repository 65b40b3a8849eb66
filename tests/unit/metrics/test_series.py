from __future__ import annotations

import math
import random
from array import array

import pytest

from rankdeck.metrics.blocks import blocks
from rankdeck.metrics.series import MOST_POINTS, Series, combine, smooth


def series(*points: tuple[float, float]) -> Series:
    made = Series()
    for step, value in points:
        made.add(step, 100 + step, value)
    return made


def test_memory_is_bounded_and_extremes_stay() -> None:
    made, noise = Series(), random.Random(1)
    for step in range(200_000):
        value = noise.random()
        if step == 777:
            value = 50.0
        if step == 100_001:
            value = -40.0
        made.add(step, step, value)
    assert len(made) <= MOST_POINTS
    assert len(made.steps) == len(made.times) == len(made.values)
    assert max(made.values) == 50.0
    assert made.steps[made.values.index(50.0)] == 777
    assert min(made.values) == -40.0
    assert list(made.steps) == sorted(made.steps)
    assert made.steps[-1] == 199_999
    assert made.count == 200_000


def test_what_is_no_number_is_kept_apart_and_never_thinned_away() -> None:
    made = Series()
    made.add(1, 1, math.nan)
    for step in range(2, 100_000):
        made.add(step, step, 1.0)
    made.add(100_000, 100_000, math.inf)
    assert [odd.step for odd in made.odd] == [1, 100_000]
    assert made.odd_count == 2
    assert made.last == math.inf
    assert all(map(math.isfinite, made.values))


def test_a_step_done_again_replaces_what_came_after_it() -> None:
    made = series((1, 1.0), (2, 2.0), (3, 3.0), (4, math.nan))
    made.add(2, 0, 20.0)
    assert list(made.steps) == [1, 2]
    assert list(made.values) == [1.0, 20.0]
    assert not made.odd
    assert (made.rewinds, made.last_step) == (1, 2)


def test_a_copy_does_not_change() -> None:
    made = series((1, 1.0))
    copy = made.copy()
    made.add(2, 2, 2.0)
    assert len(copy) == 1
    assert copy.last_step == 1


@pytest.mark.parametrize(
    ("how", "values"), [("mean", [2.0, 3.0]), ("min", [1, 2]), ("max", [3, 4])]
)
def test_ranks_are_combined_step_by_step(how: str, values: list[float]) -> None:
    joined = combine([series((1, 1.0), (2, 2.0)), series((1, 3.0), (2, 4.0))], how)
    assert list(joined.steps) == [1, 2]
    assert list(joined.values) == values


def test_a_rank_that_is_behind_does_not_bend_the_mean() -> None:
    ahead, behind = series((1, 1.0), (2, 1.0), (3, 1.0)), series((1, 3.0), (2, 3.0))
    assert list(combine([ahead, behind], "mean").values) == [2.0, 2.0]
    odd = combine([series((1, 1.0)), series((1, math.nan))], "mean")
    assert odd.odd_count == 1


def test_smoothing_is_unbiased_at_its_begin() -> None:
    assert list(smooth(array("d", [4.0, 4.0, 4.0]), 0.9)) == pytest.approx([4.0, 4.0, 4.0])
    smoothed = smooth(array("d", [0.0] * 50 + [1.0] * 50), 0.9)
    assert 0.0 < smoothed[50] < smoothed[60] < smoothed[-1] < 1.0
    assert list(smooth(array("d", [1.0, 2.0]), 0)) == [1.0, 2.0]


def test_blocks_show_spikes_and_skip_what_is_no_number() -> None:
    values = [1.0] * 100
    values[50] = 9.0
    values[70] = math.nan
    shown = blocks(values, 10)
    assert len(shown) == 10
    assert shown.count("█") == 1
    assert blocks([math.nan], 10) == ""
