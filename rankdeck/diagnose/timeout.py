"""A run that died of a timeout: which ranks did not come to where the others waited.

Asked in this order: what torch itself says of the collective; who never joined; who alone does not
complain; who was behind or silent first when the first one gave up. Only the first two can be
certain, and only of who was missing, never of why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from rankdeck.diagnose.collectives import absent_from
from rankdeck.diagnose.hang import BUSY, Basis, Finding, HangState, suspects_of
from rankdeck.diagnose.hang_words import facts_of, who
from rankdeck.diagnose.peer_lost import Complaint
from rankdeck.diagnose.ranking import CERTAIN, LIKELY
from rankdeck.diagnose.scene import end_of, scene_of
from rankdeck.diagnose.wording import evidence_of
from rankdeck.logs.sanitise import clean
from rankdeck.run.node_state import RankState
from rankdeck.run.state import Failure
from rankdeck.run.view import rank_view

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rankdeck.diagnose.candidates import Candidate
    from rankdeck.diagnose.ranking import Verdict
    from rankdeck.diagnose.sight import Scene, Sight
    from rankdeck.run.layout import RunDir
    from rankdeck.run.node_state import NodeState
    from rankdeck.run.state import RunState

_MOST_IN_FACTS = 3
_COMPLAINING = 1.0
"""Seconds before its exception in which a rank may already print what it is about."""


class _Missing(NamedTuple):
    """Who was missing, how that is told, and how sure it is."""

    ranks: tuple[int, ...]
    how: str
    certainty: str
    basis: Basis = Basis.NONE


def timed_out(
    verdict: Verdict,
    candidates: Sequence[Candidate],
    run: RunState,
    nodes: Sequence[NodeState],
    run_dir: RunDir,
) -> Failure | None:
    """The failure, where ranks waited in vain and it can be told for whom; else None.

    Raises:
        OSError: A file is there but cannot be read.
    """
    waited = [c for c in verdict.complainers if c.complaint is Complaint.WAITED]
    if verdict.first is not None or not waited:
        return None
    scene = _scene_when_given_up(waited[0], run, nodes, run_dir)
    missing = _missing(scene, candidates)
    # where a connection was lost first, somebody has ended, and nobody hangs
    lost = verdict.complainers[0].time < waited[0].time - _COMPLAINING
    if missing is None or (lost and missing.certainty != CERTAIN):
        return None
    chosen = frozenset(missing.ranks)
    sights = tuple(sight for sight in scene.sights if sight.rank in chosen)
    only = sights[0] if len(sights) == 1 else None
    return Failure(
        rank=only.rank if only else None,
        node=only.node if only else None,
        category="hang",
        signature="not-joined" if missing.basis is Basis.RENDEZVOUS else "collective-timeout",
        certainty=missing.certainty,
        summary=clean(f"{who(sights)} {missing.how}"),
        hint=_hint(run, missing, alive=any(c.rank in chosen and _was_alive(c) for c in candidates)),
        time=waited[0].time if waited[0].time != float("inf") else None,
        evidence=evidence_of(waited[0]),
        facts=_facts(scene, sights, missing, waited[0]),
        collateral_ranks=tuple(sorted(c.rank for c in candidates if c.rank not in chosen)),
    )


def _scene_when_given_up(
    first: Candidate, run: RunState, nodes: Sequence[NodeState], run_dir: RunDir
) -> Scene:
    records = {record.rank: record for node in nodes for record in node.ranks}
    ahead = {node.name: node.clock_ahead for node in run.nodes}
    views = []
    for rank in run.ranks:
        log = run_dir.node(rank.node).attempt(run.attempt).log(rank.rank)
        views.append(rank_view(rank, records.get(rank.rank), log, ahead[rank.node]))
    moment = first.time - _COMPLAINING
    if moment == float("inf"):
        stops = [n.stop.requested - ahead[n.node] for n in nodes if n.stop is not None]
        moment = end_of(run, views, stops) or moment
    scene = scene_of(run, views, run_dir, moment, over=True, steps=False)
    return msgspec.structs.replace(scene, then="the others gave up waiting")


def _missing(scene: Scene, candidates: Sequence[Candidate]) -> _Missing | None:
    ranks = [sight.rank for sight in scene.sights]
    unjoined = _unjoined(scene)
    told = {c.rank: c.testimony for c in candidates if c.testimony}
    absent = absent_from(told, ranks)
    if unjoined:
        them = "it" if len(unjoined) == 1 else "them"
        how = f"never joined the others, which waited for {them} in vain"
        # a connection is noticed some seconds late; what torch says is not
        said = absent is not None and absent.certain and set(absent.ranks) <= set(unjoined)
        return _Missing(unjoined, how, CERTAIN if said else LIKELY, Basis.RENDEZVOUS)
    if absent is not None:
        return _Missing(absent.ranks, absent.how, CERTAIN if absent.certain else LIKELY)
    mute = [c.rank for c in candidates if c.complaint is None and _was_alive(c)]
    if mute and 2 * len(mute) <= len(ranks):
        how = "kept the others waiting until they gave up: they complain of a timeout, "
        how += "it does not" if len(mute) == 1 else "these do not"
        return _Missing(tuple(sorted(mute)), how, LIKELY)
    basis, suspects = suspects_of(scene, [sight for sight in scene.sights if sight.alive])
    if not suspects:
        return None
    be = "was" if len(suspects) == 1 else "were"
    how = f"{be} behind the others when they gave up waiting, at step {suspects[0].step}"
    if basis in (Basis.GPU_LOAD, Basis.LOAD):
        load = suspects[0].gpu_percent if basis is Basis.GPU_LOAD else suspects[0].cpu_percent
        doing = "busy" if load is not None and load >= BUSY else "idle"
        where = " on the GPU" if basis is Basis.GPU_LOAD else ""
        how = f"alone {be} {doing}{where} while the others waited, until they gave up"
    if basis is Basis.LAST_LINE:
        how = "fell silent before the others, which waited for a collective in vain"
    return _Missing(tuple(sight.rank for sight in suspects), how, LIKELY, basis)


def _unjoined(scene: Scene) -> tuple[int, ...]:
    """The ranks that never met the others, where the others had met and never got further."""
    joined = [sight for sight in scene.sights if sight.joined is not None]
    if not joined or any(sight.stepping for sight in scene.sights):
        return ()
    return tuple(sight.rank for sight in scene.sights if sight.joined is None)


def _was_alive(candidate: Candidate) -> bool:
    """Whether it had not ended by itself when the others gave up."""
    return candidate.state in (RankState.KILLED, RankState.LOST)


def _facts(
    scene: Scene, sights: tuple[Sight, ...], missing: _Missing, first: Candidate
) -> tuple[str, ...]:
    chosen = frozenset(missing.ranks)
    finding = Finding(
        state=HangState.STALLED,
        since=None,
        basis=missing.basis,
        suspects=sights,
        others=tuple(s for s in scene.sights if s.rank not in chosen and s.alive),
    )
    who_gave_up = f"rank {first.rank} on {first.node} was the first to give up waiting"
    return tuple(map(clean, (*facts_of(scene, finding), who_gave_up)))


def _hint(run: RunState, missing: _Missing, *, alive: bool) -> str:
    chosen = ",".join(map(str, missing.ranks[:_MOST_IN_FACTS]))
    hint = f"`rankdeck logs {run.id} --rank {chosen} -n 50` shows what it did last"
    if alive:
        hint += "; it was still running: `rankdeck stacks` tells where, when it hangs again"
    return hint
