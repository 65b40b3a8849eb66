"""Agents that were ended by a signal, which no supervisor sends: somebody else did. Pure.

A scheduler that cancels or preempts a job, an administrator, a clean-up of sessions. The signal
comes to the nodes one after another, and a rank may fail of a peer that is gone before it comes to
its own node; so what counts is which came first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.run.node_state import RankState
from rankdeck.run.state import Failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rankdeck.run.node_state import NodeState
    from rankdeck.run.state import RunState


def signalled(state: RunState, said: Mapping[str, NodeState]) -> bool:
    """Whether an agent was told to end by a signal."""
    return _first(state, said, said) is not None


def came_first(state: RunState, said: Mapping[str, NodeState]) -> bool:
    """Whether ranks failed only after an agent, on whichever node, was told to end by a signal."""
    first = _first(state, said, said)
    failed = [
        rank.times.get(RankState.FAILED.value, 0.0)
        for rank in state.ranks
        if rank.state is RankState.FAILED
    ]
    return first is not None and bool(failed) and first[0] <= min(failed)


def told(state: RunState, said: Mapping[str, NodeState]) -> str | None:
    """`the agent on node2 was ended by SIGTERM`: the first that was; None if none was."""
    return _text(_first(state, said, said))


def deserted(state: RunState, said: Mapping[str, NodeState]) -> str | None:
    """Whose ranks somebody ended by a signal to their agent, while another node knows of no end.

    The ranks that go on may wait for those that are gone as long as their library waits.
    """
    alone = any(
        node.state not in ("done", "lost")
        and ((word := said.get(node.name)) is None or word.stop is None)
        for node in state.nodes
    )
    gone = [node.name for node in state.nodes if node.state == "done"]
    return _text(_first(state, said, gone)) if alone else None


def failure(state: RunState, said: Mapping[str, NodeState]) -> Failure | None:
    """What ended the attempt, if such a signal did."""
    first = _first(state, said, said)
    failed = any(rank.state is RankState.FAILED for rank in state.ranks)
    hurt = any(node.problem is not None for node in state.nodes)
    if first is None or hurt or (failed and not came_first(state, said)):
        return None
    when, node, signal = first
    return Failure(
        rank=None,
        node=node,
        category="signalled",
        summary=f"the agent on {node} was ended by {signal}, and its ranks with it",
        hint="Rankdeck did not send it; an administrator, a limit or a clean-up of sessions may",
        time=when,
        collateral_ranks=tuple(
            r.rank for r in state.ranks if r.state not in (RankState.EXITED, RankState.PENDING)
        ),
    )


def _first(
    state: RunState, said: Mapping[str, NodeState], nodes: Iterable[str]
) -> tuple[float, str, str] | None:
    """When, by our clock, which of these nodes' agents was told first, and by which signal."""
    ahead = {node.name: node.clock_ahead for node in state.nodes}
    found = [
        (stop.requested - ahead.get(name, 0.0), name, stop.reason)
        for name in nodes
        if name in said and (stop := said[name].stop) is not None and stop.reason.startswith("SIG")
    ]
    return min(found, default=None)


def _text(first: tuple[float, str, str] | None) -> str | None:
    return None if first is None else f"the agent on {first[1]} was ended by {first[2]}"
