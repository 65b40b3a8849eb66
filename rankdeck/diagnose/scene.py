"""Scene: what every rank of an attempt was last seen doing, at one moment.

Reads the notes of when logs grew (`rank-N.times`) and `metrics.jsonl`; judges nothing.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

import msgspec

from rankdeck.diagnose.load_sight import loads_before
from rankdeck.diagnose.sight import NodeSight, Scene, Sight
from rankdeck.logs.file import LogFile
from rankdeck.logs.handle import Handle
from rankdeck.metrics.patience import rhythm_of
from rankdeck.run.node_state import RankState
from rankdeck.run.progress import read_metrics

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from rankdeck.metrics.patience import Rhythm
    from rankdeck.run.layout import RunDir
    from rankdeck.run.state import RunState
    from rankdeck.run.view import RankView

_PAIR = struct.Struct("<dQ")
_FEW = 66
_MANY = 65_536
"""Notes read of the rank that prints most: a checkpoint an hour ago must be among them."""
_LATE = 2.0
"""Ranks whose last lines are so close to the last of all have spoken last as well."""
_HEARD = 64
"""Of so many ranks the last lines are read in the log of a run that is over."""
_SETTLED = 3
"""Signs of life after a rank's first step that still belong to the start: it compiles."""


def end_of(run: RunState, ranks: Sequence[RankView], stops: Sequence[float]) -> float | None:
    """When the current attempt began to end; None: it has not, as far as is known.

    Args:
        run: The run.
        ranks: Its ranks.
        stops: When agents were asked to stop, by the supervisor's clock.
    """
    ends = [
        rank.times[rank.state.value]
        for rank in ranks
        if rank.state.value in rank.times and rank.state.final
    ]
    return min((*stops, *ends), default=run.ended)


def scene_of(
    run: RunState,
    ranks: Sequence[RankView],
    run_dir: RunDir,
    moment: float,
    *,
    over: bool,
    steps: bool = True,
    unheard: Collection[str] = (),
) -> Scene:
    """What was seen of the current attempt until a moment.

    Args:
        run: The run.
        ranks: Its ranks as they are now, whatever was written after the moment.
        run_dir: Where logs are.
        moment: Until when.
        over: Whether that was when the ending began; else it is now.
        steps: Whether to look at when steps were made as well.
        unheard: Nodes that cannot be heard: what their ranks do is not known.

    Raises:
        OSError: A file is there but cannot be read.
    """
    ahead = {node.name: node.clock_ahead for node in run.nodes if node.clock_ahead}
    sights = []
    ends: dict[int, int] = {}
    most: tuple[int, RankView] | None = None
    for rank in ranks:
        count, beats = _beats(
            rank.log.with_suffix(".times"), moment + ahead.get(rank.node, 0.0), _FEW
        )
        if beats:
            ends[rank.rank] = beats[-1][1]
            most = max((most, (count, rank)), key=_count) if most else (count, rank)
        seen = [at - ahead.get(rank.node, 0.0) for at, _ in beats]
        sight = _sight(rank, seen, moment, over)
        heard = rank.node not in unheard
        sights.append(sight if heard else msgspec.structs.replace(sight, alive=False))
    rhythm, last_line = None, ""
    if most is not None:
        rank = most[1]
        rhythm = _long_rhythm(rank, moment, ahead.get(rank.node, 0.0))
        late = _LATE if rhythm is None else max(_LATE, rhythm.usual)
        last_line = "\n".join(_last_words(rank, ranks, sights, ends, over, late))
    times = _step_times(run, run_dir, moment) if steps else []
    nodes: tuple[NodeSight, ...] = ()
    if over:
        nodes, sights = loads_before(run, run_dir, sights, moment, times[-1:])
    return Scene(
        run_id=run.id,
        moment=moment,
        over=over,
        sights=tuple(sights),
        nodes=nodes,
        rhythm=rhythm,
        last_line=last_line,
        stepped=times[-1] if times else None,
        step_rhythm=rhythm_of(times[_SETTLED:]),
    )


def _count(pair: tuple[int, RankView]) -> int:
    return pair[0]


def _long_rhythm(rank: RankView, moment: float, ahead: float) -> Rhythm | None:
    """The rhythm of a rank's output over so long that a checkpoint an hour ago counts."""
    _, beats = _beats(rank.log.with_suffix(".times"), moment + ahead, _MANY)
    return rhythm_of(_settled([at for at, _ in beats], rank, ahead))


def _sight(rank: RankView, beats: Sequence[float], moment: float, over: bool) -> Sight:
    ended = rank.times.get(rank.state.value) if rank.state.final else None
    known = beats[-1] if beats else None
    if not over and rank.last_output is not None:
        known = rank.last_output
    return Sight(
        rank=rank.rank,
        node=rank.node,
        alive=not rank.state.final or (over and (ended is None or ended >= moment)),
        pid=rank.pid,
        spawned=rank.times.get(RankState.SPAWNED.value),
        joined=rank.times.get(RankState.RENDEZVOUS.value),
        stepping=RankState.STEPPING.value in rank.times,
        spoke=known,
        last_line="" if over else rank.last_line,
        wrote=_until(rank.last_write, moment),
        rhythm=rhythm_of(_settled(beats, rank, 0.0)),
        step=rank.step,
        total_steps=rank.total_steps,
        cpu_percent=None if over else rank.cpu_percent,
        gpu_percent=None if over or rank.gpu is None else rank.gpu.util,
    )


def _until(when: float | None, moment: float) -> float | None:
    return when if when is not None and when <= moment else None


def _last_words(
    most: RankView,
    ranks: Sequence[RankView],
    sights: Sequence[Sight],
    ends: Mapping[int, int],
    over: bool,
    late: float,
) -> list[str]:
    """The last lines of the rank that prints most, and of living ones that spoke last of all.

    Which rank says that a checkpoint is saved is not known: often it is only the first one.
    """
    newest = max((s.spoke for s in sights if s.alive and s.spoke is not None), default=None)
    said = [
        rank
        for rank, sight in zip(ranks, sights, strict=True)
        if rank is most
        or (
            newest is not None
            and sight.alive
            and sight.spoke is not None
            and newest - sight.spoke <= late
        )
    ]
    if not over:
        return [rank.last_line for rank in said]
    return [_line_before(rank.log, ends[rank.rank]) for rank in said[:_HEARD] if rank.rank in ends]


def _settled(beats: Sequence[float], rank: RankView, ahead: float) -> Sequence[float]:
    """The signs of life after the start, in which first steps are compiled."""
    began = rank.times.get(RankState.STEPPING.value)
    if began is None:
        return beats
    first = next((i for i, at in enumerate(beats) if at - ahead >= began), len(beats))
    return beats[first + _SETTLED if first else first :]


def _beats(path: Path, until: float, most: int) -> tuple[int, list[tuple[float, int]]]:
    """How many notes a rank's log has, and the last ones before a moment by the node's clock."""
    try:
        handle = Handle(path)
    except FileNotFoundError:
        return 0, []
    count = os.fstat(handle.descriptor).st_size // _PAIR.size
    while True:
        first = max(0, count - most)
        data = handle.read(first * _PAIR.size, (count - first) * _PAIR.size)
        whole = len(data) - len(data) % _PAIR.size
        found = [pair for pair in _PAIR.iter_unpack(data[:whole]) if pair[0] < until]
        if found or not first:
            return count, found
        # all of these were written after the moment
        most *= 8


def _line_before(log: Path, size: int) -> str:
    lines = LogFile(log).before(size, 1)
    return lines[0].data.decode("utf-8", "replace") if lines else ""


def _step_times(run: RunState, run_dir: RunDir, moment: float) -> list[float]:
    times = []
    step: int | None = None
    for point in read_metrics(run_dir.metrics):
        if point.attempt == run.attempt and point.step is not None and point.t < moment:
            if step is None or point.step > step:
                times.append(point.t)
            step = point.step
    return times
