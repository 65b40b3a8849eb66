from __future__ import annotations

import pytest

from backends.demo.gpus import GPUS, simulated_gpus
from backends.demo.options import SCENARIOS
from backends.demo.story import Story
from rankdeck.run.gpus import memory_part, summarise
from rankdeck.run.node_state import GpuDevice, RankRecord, RankState


def gpu_of(story: Story, rank: int, seconds: float) -> GpuDevice:
    """The GPU of a rank that is where the story has it by then."""
    local = rank % story.nproc
    step = story.step_at(rank, seconds)
    state = RankState.STEPPING if step else RankState.SPAWNED
    record = RankRecord(rank=rank, local_rank=local, gpu=local, state=state, step=step, pid=7)
    load = simulated_gpus(story, [record], 1000.0 + seconds)
    assert load.source == "simulated"
    assert len(load.devices) == GPUS
    assert [device.util for device in load.devices].count(0) >= GPUS - 1
    return load.devices[local]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_gpus_work_once_there_are_steps(scenario: str) -> None:
    story = Story(world_size=32, scenario=scenario, steps=40, step_seconds=0.5)
    assert gpu_of(story, 0, 1.0).util == 0
    assert (gpu_of(story, 0, 10.0).util or 0) > 90


def test_in_a_hang_all_wait_busily_but_the_one_they_wait_for() -> None:
    story = Story(world_size=32, scenario="hang", steps=20)
    late = {rank: gpu_of(story, rank, 1e6) for rank in range(32)}
    assert late[story.culprit].util == 0
    others = [device for rank, device in late.items() if rank != story.culprit]
    assert {device.util for device in others} == {100}
    assert max(device.power or 0 for device in others) < 200


def test_the_gpus_of_the_slow_node_are_too_hot() -> None:
    story = Story(world_size=32, scenario="straggler", steps=60)
    slow, fast = gpu_of(story, story.culprit, 20.0), gpu_of(story, 0, 20.0)
    assert (slow.throttle, fast.throttle) == ("thermal", "")


def test_memory_fills_up_before_it_is_not_enough() -> None:
    story = Story(world_size=32, scenario="oom", steps=40, step_seconds=0.5)
    parts = [memory_part(gpu_of(story, story.culprit, seconds)) or 0 for seconds in (4, 12, 14)]
    assert parts == sorted(parts)
    assert parts[-1] > 0.95 > parts[0]


def test_a_rank_that_has_ended_leaves_its_gpu_idle() -> None:
    records = [
        RankRecord(rank=rank, local_rank=rank, gpu=rank, state=RankState.FAILED, step=5, pid=7)
        for rank in range(10)
    ]
    load = simulated_gpus(Story(world_size=10, nproc=10), records, 0.0)
    assert len(load.devices) == 10
    assert summarise(load).mean == 0
