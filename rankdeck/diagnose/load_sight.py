"""What nodes and ranks used while they hung, by the kept history: for a run that is over.

A sample counts only where all of it lies within the silence: one that began before tells of work.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec

from rankdeck.diagnose.last_load import RECENT
from rankdeck.diagnose.sight import NodeSight, Sight
from rankdeck.run.load_history import read_loads

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rankdeck.run.layout import RunDir
    from rankdeck.run.load_history import LoadSample, RankSample
    from rankdeck.run.state import RunState

_NEAR = 60.0
"""Seconds before the moment in which a sample still tells what it was like then."""


def loads_before(
    run: RunState, run_dir: RunDir, sights: Sequence[Sight], moment: float, steps: Sequence[float]
) -> tuple[tuple[NodeSight, ...], list[Sight]]:
    """The nodes, and the ranks with what they used; as they were where nothing was kept.

    Args:
        run: The run.
        run_dir: Where the histories are.
        sights: Its ranks.
        moment: Until when.
        steps: When the last step was made, if that is known.

    Raises:
        OSError: A history is there but cannot be read.
    """
    spoken = max((sight.spoke for sight in sights if sight.spoke is not None), default=moment)
    # lines may come where no steps are made
    since = min([spoken, *steps])
    nodes: list[NodeSight] = []
    used: dict[int, tuple[RankSample, LoadSample]] = {}
    for node in run.nodes:
        sample = _sample_within(run_dir.node(node.name).load, run.attempt, moment, since)
        if sample is None:
            continue
        nodes.append(
            NodeSight(
                name=node.name, cpu_percent=sample.cpu_percent, mem_percent=sample.mem_percent
            )
        )
        used.update({rank.rank: (rank, sample) for rank in sample.ranks})
    return tuple(nodes), [
        _with_load(sight, *used[sight.rank]) if sight.rank in used else sight for sight in sights
    ]


def _sample_within(path: Path, attempt: int, moment: float, since: float) -> LoadSample | None:
    """The last sample of which nothing was measured before the silence, or after the moment."""
    known = [sample for sample in read_loads(path, last=RECENT) if sample.attempt == attempt]
    inside = [
        sample
        for before, sample in pairwise(known)
        if before.t >= since and moment - _NEAR <= sample.t <= moment
    ]
    return inside[-1] if inside else None


def _with_load(sight: Sight, rank: RankSample, sample: LoadSample) -> Sight:
    util = next((gpu.util for gpu in sample.gpus if gpu.index == rank.gpu), None)
    return msgspec.structs.replace(sight, cpu_percent=rank.cpu_percent, gpu_percent=util)
