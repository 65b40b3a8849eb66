"""The GPUs of a simulated node: what its story would look like to a driver. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rankdeck.run.node_state import GpuDevice, GpuLoad, RankState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from backends.demo.story import Story
    from rankdeck.run.node_state import RankRecord

GPUS = 8
"""Of every node."""
_MIB = 1 << 20
_TOTAL = 81_559 * _MIB
_IDLE = 5 * _MIB


def simulated_gpus(story: Story, ranks: Iterable[RankRecord], now: float) -> GpuLoad:
    """All GPUs of a node at this moment; those without a rank are idle."""
    by_gpu = {record.gpu: record for record in ranks}
    count = max(GPUS, len(by_gpu))
    return GpuLoad(
        source="simulated",
        model="simulated GPU, 80 GB",
        heard=now,
        devices=tuple(_gpu(story, index, by_gpu.get(index), now) for index in range(count)),
    )


def _gpu(story: Story, index: int, record: RankRecord | None, now: float) -> GpuDevice:
    if record is None or record.state.final or record.state is not RankState.STEPPING:
        there = record is not None and not record.state.final
        used = 600 * _MIB if there and record and record.pid else _IDLE
        return _device(index, 0.0, used, 34.0, 71.0)
    rank, step = record.rank, record.step or 0
    wave = math.sin(now + 1.7 * rank)
    used = int((61_000 + 400 * math.sin(rank)) * _MIB)
    if story.scenario == "oom" and rank == story.culprit:
        used += int((_TOTAL - used) * min(1.0, step / story.turn) ** 3)
    if story.scenario == "hang" and step >= story.turn - 1:
        # who waits in a collective is busy waiting: all of its time, and little of its power
        waits = rank != story.culprit
        return _device(index, 100.0 if waits else 0.0, used, 47.0, 148.0 if waits else 92.0)
    if story.scenario == "straggler" and story.slow(rank):
        return _device(index, 99.0, used, 91.0 + wave, 380.0 + 20 * wave, throttle="thermal")
    return _device(index, 97.0 + 2 * wave, used, 66.0 + 2 * wave, 610.0 + 40 * wave)


def _device(
    index: int, util: float, used: int, temp: float, power: float, throttle: str = ""
) -> GpuDevice:
    return GpuDevice(
        index=index,
        util=round(util),
        mem_used=used,
        mem_total=_TOTAL,
        temp=round(temp),
        power=round(power),
        throttle=throttle,
    )
