"""The hang of a run as it is seen now: what `rankdeck why` and the deck's card show.

A run that lives is judged as of now; one that was ended from outside (by the user, by a time limit)
as of the moment at which its end began, so that nothing printed on the way out counts. What a node
that cannot be heard does is not known: the run is judged as of when agents were heard last, and
ranks of a node that is silent are neither suspected nor said to wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rankdeck.diagnose.hang import judge_hang
from rankdeck.diagnose.hang_words import told_hang
from rankdeck.diagnose.scene import end_of, scene_of
from rankdeck.diagnose.sight import NodeSight
from rankdeck.metrics.patience import LEAST
from rankdeck.run.node_state import RankState
from rankdeck.run.state import RunPhase

if TYPE_CHECKING:
    from rankdeck.diagnose.hang import Hang
    from rankdeck.run.layout import RunDir
    from rankdeck.run.view import NodeView, RunSnapshot

_FROM_OUTSIDE = frozenset({"time-limit", "cancelled", "preempted", "deadline"})
"""Failures that end a run whatever its ranks were doing."""
_UNHEARD = 15.0
"""Agents write every two seconds; one that is so far behind another cannot be heard."""
_LIVE = frozenset({RunPhase.STARTING, RunPhase.RUNNING})


def find_hang(
    snapshot: RunSnapshot, run_dir: RunDir, now: float, *, thorough: bool = True
) -> Hang | None:
    """What holds the run up, or held it up when it was ended; None while nothing does.

    Args:
        snapshot: The run.
        run_dir: Its directory.
        now: The time, by the clock of the run's supervisor.
        thorough: Whether to look closer although something has been printed lately: lines may
            come without steps, and of some ranks only. That reads a little of every rank's notes.

    Raises:
        OSError: A file is there but cannot be read.
    """
    run = snapshot.run
    over = run.state not in _LIVE
    moment = now
    if not over and not thorough and _goes_on(snapshot, now):
        return None
    if over:
        by = run.failure.category if run.failure is not None else ""
        if run.state is RunPhase.SUCCEEDED or (by and by not in _FROM_OUTSIDE):
            return None
        ahead = {node.name: node.clock_ahead for node in run.nodes}
        stops = [
            node.stop.requested - ahead[node.name]
            for node in snapshot.nodes
            if node.stop is not None
        ]
        ended = end_of(run, snapshot.ranks, stops)
        if ended is None:
            return None
        moment = ended
    unheard: frozenset[str] = frozenset()
    if not over:
        heard = [node.heartbeat for node in snapshot.nodes if node.heartbeat is not None]
        moment = min(now, max(heard, default=now))
        unheard = frozenset(node.name for node in snapshot.nodes if _is_unheard(node, moment))
    scene = scene_of(run, snapshot.ranks, run_dir, moment, over=over, unheard=unheard)
    if not over:
        scene = msgspec.structs.replace(scene, nodes=_loads(snapshot, unheard))
    finding = judge_hang(scene)
    return None if finding is None else told_hang(scene, finding)


def _loads(snapshot: RunSnapshot, unheard: frozenset[str]) -> tuple[NodeSight, ...]:
    """What the nodes that can be heard do."""
    found = []
    for node in snapshot.nodes:
        load = node.load
        if load is None or node.name in unheard:
            continue
        part = None
        if load.mem_total and load.mem_used is not None:
            part = 100.0 * load.mem_used / load.mem_total
        found.append(NodeSight(name=node.name, cpu_percent=load.cpu_percent, mem_percent=part))
    return tuple(found)


def _is_unheard(node: NodeView, moment: float) -> bool:
    late = node.heartbeat is not None and moment - node.heartbeat > _UNHEARD
    return late or node.silent_since is not None


def _goes_on(snapshot: RunSnapshot, now: float) -> bool:
    """Whether something has been printed lately, and nobody waits for ranks to join."""
    newest = max((r.last_output for r in snapshot.ranks if r.last_output is not None), default=None)
    joining = any(rank.state is RankState.RENDEZVOUS for rank in snapshot.ranks)
    return newest is not None and now - newest <= LEAST and not joining
