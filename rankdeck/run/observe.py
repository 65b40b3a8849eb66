"""What the agents' files say that the event log does not say yet. Pure.

Times become those of the supervisor's clock where a node's is known to differ. Comparing with
the folded state, not with the last look, makes this safe to repeat: a supervisor
that takes over finds exactly what its predecessor had not written down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from rankdeck.run.events import Event, EventKind
from rankdeck.run.fold import AGENT_LADDER, LADDER
from rankdeck.run.node_state import NodePhase, NodeState, RankRecord, RankState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rankdeck.run.state import RunNode, RunRank, RunState


def news(state: RunState, said: Mapping[str, NodeState]) -> list[Event]:
    """Facts in `said` (by node name) that `state` does not contain, in order of their times.

    Their `seq` is 0: they have no place in the log yet.
    """
    facts: list[Event] = []
    for node in state.nodes:
        word = said.get(node.name)
        if word is None or word.attempt != state.attempt or node.state == "lost":
            continue
        begin = len(facts)
        facts += _agent_news(node, word, state.attempt)
        known = state.ranks[node.first_rank : node.first_rank + node.nproc]
        by_number = {rank.rank: rank for rank in known}
        for record in word.ranks:
            rank = by_number.get(record.rank)
            if rank is not None:
                told = with_end(record, node.clock_ahead, state.stop_asked)
                facts += _rank_news(rank, told, word, state.attempt)
        if node.clock_ahead:
            facts[begin:] = [replace(f, t=f.t - node.clock_ahead) for f in facts[begin:]]
    facts.sort(key=lambda fact: fact.t)
    return facts


def with_end(record: RankRecord, clock_ahead: float, stop_asked: float | None) -> RankRecord:
    """The record; killed instead of failed where the rank ended after the run was asked to stop.

    A stop comes to the nodes one after another. A rank whose peers are told first fails of their
    absence before its own agent is told, and has still been ended by the stop.
    """
    if record.state is not RankState.FAILED or stop_asked is None:
        return record
    when = record.times.get(RankState.FAILED.value)
    if when is None or when - clock_ahead < stop_asked:
        return record
    times = {name: t for name, t in record.times.items() if name != RankState.FAILED.value}
    times[RankState.KILLED.value] = when
    return replace(record, state=RankState.KILLED, times=times)


def _agent_news(node: RunNode, word: NodeState, attempt: int) -> Iterator[Event]:
    height = AGENT_LADDER[node.state]
    if word.phase is NodePhase.DONE and node.state != "done" and word.stop and word.stop.left:
        yield Event(
            seq=0,
            t=word.ended or word.time,
            kind=EventKind.NOTE,
            attempt=attempt,
            node=node.name,
            message=leftover_message(word.stop.left),
        )
    for state, when in _agent_steps(word):
        if AGENT_LADDER[state] > height:
            yield Event(
                seq=0,
                t=when,
                kind=EventKind.AGENT,
                attempt=attempt,
                node=node.name,
                state=state,
                outcome=word.outcome.value if state == "done" and word.outcome else None,
            )
    if word.problem is not None and node.problem is None:
        yield Event(
            seq=0,
            t=word.problem.time or word.time,
            kind=EventKind.PROBLEM,
            attempt=attempt,
            node=node.name,
            category=word.problem.category,
            message=word.problem.message,
            hint=word.problem.hint or None,
        )


def _agent_steps(word: NodeState) -> Iterator[tuple[str, float]]:
    """Every step the agent has taken, also those it took between two looks at its file."""
    if word.phase is NodePhase.READY:
        yield "ready", word.time
    spawned = [
        record.times[RankState.SPAWNED.value]
        for record in word.ranks
        if RankState.SPAWNED.value in record.times
    ]
    if word.launcher is not None:
        spawned.append(word.launcher.started)
    if spawned:
        yield "running", min(spawned)
    if word.stop is not None:
        yield "stopping", word.stop.requested
    elif word.phase is NodePhase.STOPPING:
        yield "stopping", word.time
    if word.phase is NodePhase.DONE:
        yield "done", word.ended or word.time


def _rank_news(rank: RunRank, record: RankRecord, word: NodeState, attempt: int) -> Iterator[Event]:
    if rank.state.final or (record.state is rank.state and len(record.times) == len(rank.times)):
        return
    final = record.state if record.state.final else None
    for name, when in sorted(record.times.items(), key=lambda item: LADDER.get(item[0], 0)):
        if name in LADDER and name not in rank.times and not RankState(name).final:
            yield _rank_event(rank, record, name, when, attempt)
    if final is not None:
        yield _rank_event(
            rank, record, final.value, record.times.get(final.value, word.time), attempt
        )
    elif (
        record.state.value not in record.times
        and LADDER[record.state.value] > LADDER[rank.state.value]
    ):
        yield _rank_event(rank, record, record.state.value, word.time, attempt)


def _rank_event(rank: RunRank, record: RankRecord, state: str, when: float, attempt: int) -> Event:
    ended = RankState(state).final
    error = record.error if ended else None
    return Event(
        seq=0,
        t=when,
        kind=EventKind.RANK,
        attempt=attempt,
        node=rank.node,
        rank=rank.rank,
        state=state,
        pid=record.pid,
        exit_code=record.exit_code if ended else None,
        signal=record.signal if ended else None,
        message=f"{error.type}: {error.message}" if error else None,
    )


def leftover_message(pids: Iterable[int]) -> str:
    """How processes that could not be ended are told."""
    return f"processes that could not be ended: {', '.join(map(str, pids))}"
