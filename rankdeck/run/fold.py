"""The fold: a run's state from its plan and its events. Pure; the same events, the same state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from rankdeck.run.events import Event, EventKind
from rankdeck.run.node_state import RankState
from rankdeck.run.state import Cause, RunNode, RunPhase, RunRank, RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rankdeck.plan.records import LaunchPlan

LADDER = {state.value: height for height, state in enumerate(RankState)}
"""How far up a rank state is; a rank never goes down."""
AGENT_LADDER = {
    state: height
    for height, state in enumerate(
        ("pending", "placed", "ready", "running", "stopping", "done", "lost")
    )
}
"""The same for what AGENT events say."""
FINAL_HEIGHT = LADDER[RankState.EXITED.value]
REQUEUED = "requeued"
"""Category of an attempt that a scheduler began."""
_ASKED = (Cause.USER.value, Cause.TIME_LIMIT.value)
EXIT_CODES = {RunPhase.SUCCEEDED: 0, RunPhase.FAILED: 1, RunPhase.STOPPED: 130, RunPhase.LOST: 1}
"""What a run exits with for a script."""


def initial_state(plan: LaunchPlan, created: float) -> RunState:
    """The state of a run that has a plan and no events yet."""
    nodes = tuple(
        RunNode(
            name=node.name, node_rank=node.node_rank, nproc=node.nproc, first_rank=node.first_rank
        )
        for node in plan.nodes
    )
    ranks = tuple(
        RunRank(rank=node.first_rank + local, node=node.name, local_rank=local)
        for node in plan.nodes
        for local in range(node.nproc)
    )
    return RunState(
        id=plan.run_id,
        name=plan.name,
        state=RunPhase.PLANNED,
        backend=plan.backend,
        launcher=plan.launcher,
        project=plan.project,
        created=created,
        nnodes=len(plan.nodes),
        nproc_per_node=plan.nproc_per_node,
        world_size=plan.world_size,
        max_restarts=plan.max_restarts,
        nodes=nodes,
        ranks=ranks,
    )


def fold(state: RunState, events: Iterable[Event]) -> RunState:
    """`state` after `events`; those it already contains (by `seq`) change nothing."""
    folding = _Folding(state)
    for event in events:
        if event.seq > folding.last_seq:
            folding.last_seq = event.seq
            if (step := _STEPS.get(event.kind)) is not None:
                step(folding, event)
    return folding.result()


class _Folding:
    """The state being changed; one copy of it for a whole batch of events."""

    __slots__ = ("changes", "last_seq", "nodes", "ranks", "state")

    def __init__(self, state: RunState) -> None:
        self.state = state
        self.changes: dict[str, Any] = {}
        self.nodes = {node.name: node for node in state.nodes}
        self.ranks = list(state.ranks)
        self.last_seq = state.last_seq

    def get(self, field: str) -> Any:
        return self.changes.get(field, getattr(self.state, field))

    def result(self) -> RunState:
        if self.last_seq == self.state.last_seq:
            return self.state
        return replace(
            self.state,
            nodes=tuple(self.nodes.values()),
            ranks=tuple(self.ranks),
            last_seq=self.last_seq,
            **self.changes,
        )


def _created(folding: _Folding, event: Event) -> None:
    folding.changes["created"] = event.t
    folding.changes["since"] = event.t


def _supervisor(folding: _Folding, event: Event) -> None:
    folding.changes["supervisor"] = event.supervisor


def _run_state(folding: _Folding, event: Event) -> None:
    phase = RunPhase(event.state)
    if phase is not folding.get("state"):
        # another reason for the same state (a queue's) is no other state
        folding.changes["since"] = event.t
    folding.changes["state"] = phase
    folding.changes["reason"] = event.message or ""
    if (
        phase is RunPhase.STOPPING
        and event.category in _ASKED
        and folding.get("stop_asked") is None
    ):
        folding.changes["stop_asked"] = event.t
    if phase.final:
        folding.changes["ended"] = event.t
        folding.changes["exit_code"] = event.exit_code


def _attempt(folding: _Folding, event: Event) -> None:
    folding.changes["attempt"] = event.attempt or 0
    folding.changes["state"] = RunPhase.STARTING
    folding.changes["since"] = event.t
    folding.changes["reason"] = event.message or ""
    folding.changes["failure"] = None
    folding.changes["stop_asked"] = None
    if event.category == REQUEUED:
        folding.changes["requeues"] = folding.get("requeues") + 1
    for node in folding.nodes.values():
        folding.nodes[node.name] = RunNode(
            name=node.name,
            node_rank=node.node_rank,
            nproc=node.nproc,
            first_rank=node.first_rank,
            clock_ahead=node.clock_ahead,
        )
    folding.ranks = [
        RunRank(rank=rank.rank, node=rank.node, local_rank=rank.local_rank)
        for rank in folding.ranks
    ]


def _agent(folding: _Folding, event: Event) -> None:
    node = folding.nodes.get(event.node or "")
    state = event.state or ""
    if node is None:
        return
    if event.agent is not None:
        node = replace(node, agent=event.agent)
    if AGENT_LADDER.get(state, -1) > AGENT_LADDER[node.state]:
        node = replace(node, state=state)
    folding.nodes[node.name] = node


def _rank(folding: _Folding, event: Event) -> None:
    number, name = event.rank, event.state or ""
    if number is None or not 0 <= number < len(folding.ranks) or name not in LADDER:
        return
    rank = folding.ranks[number]
    if rank.state.final:
        return
    changes: dict[str, Any] = {}
    if name not in rank.times:
        changes["times"] = {**rank.times, name: event.t}
    if LADDER[name] > LADDER[rank.state.value]:
        changes["state"] = RankState(name)
    if event.pid is not None:
        changes["pid"] = event.pid
    if LADDER[name] >= FINAL_HEIGHT:
        changes["exit_code"] = event.exit_code
        changes["signal"] = event.signal
    folding.ranks[number] = replace(rank, **changes)
    if name == RankState.SPAWNED.value and folding.get("started") is None:
        folding.changes["started"] = event.t


def _nodes(folding: _Folding, event: Event) -> None:
    hosts = event.hosts or ()
    if len(hosts) != len(folding.nodes):
        return
    renamed = dict(zip(folding.nodes, hosts, strict=True))
    folding.nodes = {
        name: replace(node, name=name)
        for name, node in zip(hosts, folding.nodes.values(), strict=True)
    }
    folding.ranks = [replace(rank, node=renamed[rank.node]) for rank in folding.ranks]


def _link(folding: _Folding, event: Event) -> None:
    node = folding.nodes.get(event.node or "")
    if node is not None:
        down = event.state == "down"
        folding.nodes[node.name] = replace(
            node,
            silent_since=event.t if down else None,
            silence=(event.message or "") if down else "",
        )


def _clock(folding: _Folding, event: Event) -> None:
    node = folding.nodes.get(event.node or "")
    if node is not None:
        folding.nodes[node.name] = replace(node, clock_ahead=event.ahead or 0.0)


def _problem(folding: _Folding, event: Event) -> None:
    node = folding.nodes.get(event.node or "")
    if node is not None and node.problem is None:
        folding.nodes[node.name] = replace(
            node,
            problem=event.message or "",
            problem_category=event.category or "",
            problem_hint=event.hint or "",
        )


def _failure(folding: _Folding, event: Event) -> None:
    folding.changes["failure"] = event.failure


_STEPS: dict[EventKind, Callable[[_Folding, Event], None]] = {
    EventKind.CREATED: _created,
    EventKind.SUPERVISOR: _supervisor,
    EventKind.RUN_STATE: _run_state,
    EventKind.ATTEMPT: _attempt,
    EventKind.AGENT: _agent,
    EventKind.RANK: _rank,
    EventKind.NODES: _nodes,
    EventKind.LINK: _link,
    EventKind.CLOCK: _clock,
    EventKind.PROBLEM: _problem,
    EventKind.FAILURE: _failure,
}
