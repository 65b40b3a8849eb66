from __future__ import annotations

import math

import pytest

from backends.demo.options import SCENARIOS
from backends.demo.story import Story


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_steps_only_ever_grow_and_end(scenario: str) -> None:
    story = Story(world_size=32, scenario=scenario, steps=20, step_seconds=0.5)
    for rank in range(32):
        steps = [story.step_at(rank, tenth / 10) for tenth in range(400)]
        assert steps == sorted(steps)
        assert 0 < steps[-1] <= 20


def test_a_rank_climbs_the_ladder_in_order() -> None:
    story = Story(world_size=64)
    for rank in range(64):
        assert story.spawned(rank) < story.joined(rank) < story.first_line(rank)
        assert story.step_at(rank, story.first_line(rank)) == 0


def test_only_the_culprit_dies() -> None:
    story = Story(world_size=32, scenario="oom", steps=20)
    dying = [rank for rank in range(32) if story.fails(rank, story.step_at(rank, 1e6))]
    assert dying == [story.culprit]


def test_the_others_wait_for_the_rank_that_hangs() -> None:
    story = Story(world_size=32, scenario="hang", steps=20)
    steps = [story.step_at(rank, 1e6) for rank in range(32)]
    assert steps[story.culprit] == story.turn - 1
    assert {step for rank, step in enumerate(steps) if rank != story.culprit} == {story.turn}


def test_a_straggler_is_one_node() -> None:
    story = Story(world_size=32, scenario="straggler", steps=1000, nproc=8)
    slow = [rank for rank in range(32) if story.step_at(rank, 100) < 70]
    assert slow == list(range(8, 16))


def test_loss_falls_and_turns_into_nan_only_where_it_should() -> None:
    healthy, sick = Story(world_size=8), Story(world_size=8, scenario="nan")
    assert healthy.metrics(0, 199)["loss"] < healthy.metrics(0, 1)["loss"]
    assert math.isnan(sick.metrics(0, sick.turn)["loss"])
    assert not math.isnan(sick.metrics(0, sick.turn - 1)["loss"])
