from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from rankdeck.run.events import Event, EventKind
from rankdeck.run.fold import fold, initial_state
from rankdeck.run.node_state import ProcessRef, RankState
from rankdeck.run.state import Failure, RunPhase, RunState
from tests.unit.run.simulation import make_plan

if TYPE_CHECKING:
    from rankdeck.run.layout import RunDir


@pytest.fixture
def start(run_dir: RunDir) -> RunState:
    return initial_state(make_plan(run_dir, ["a", "b"], 3), 100.0)


def random_event(chance: random.Random, seq: int) -> Event:
    """Any event, also nonsense: a rank that does not exist, a state nobody knows."""
    kind = chance.choice(list(EventKind))
    states = {
        EventKind.RUN_STATE: [phase.value for phase in RunPhase],
        EventKind.RANK: [*(state.value for state in RankState), "dancing"],
        EventKind.AGENT: ["placed", "ready", "running", "stopping", "done", "lost", "asleep"],
    }.get(kind, [None])
    return Event(
        seq=seq,
        t=chance.uniform(0, 1000),
        kind=kind,
        attempt=chance.randrange(3),
        node=chance.choice(["a", "b", "elsewhere", None]),
        rank=chance.choice([0, 1, 5, 6, -1, None]),
        state=chance.choice(states),
        exit_code=chance.choice([0, 1, None]),
        pid=chance.choice([1, None]),
        message=chance.choice(["because", None]),
        category="disk-full",
        agent=chance.choice(["ref", None]),
        supervisor=ProcessRef(pid=1, starttime=2),
        failure=Failure(rank=1, node="a", category="signal"),
    )


@pytest.mark.parametrize("seed", range(50))
def test_folding_in_pieces_is_folding_at_once(start: RunState, seed: int) -> None:
    chance = random.Random(seed)
    events = [random_event(chance, seq) for seq in range(1, 60)]
    whole = fold(start, events)
    pieces = start
    position = 0
    while position < len(events):
        step = chance.randrange(1, 10)
        # a reader may see an event twice: once in the snapshot, once in the log
        overlap = chance.randrange(0, position + 1)
        pieces = fold(pieces, events[max(0, position - overlap) : position + step])
        position += step
    assert pieces == whole
    assert fold(whole, events) is whole


@pytest.mark.parametrize("seed", range(50))
def test_a_rank_never_goes_down_and_its_end_stands(start: RunState, seed: int) -> None:
    chance = random.Random(seed)
    order = list(RankState)
    state = start
    for seq in range(1, 80):
        event = random_event(chance, seq)
        after = fold(state, [event])
        if event.kind is not EventKind.ATTEMPT:
            for old, new in zip(state.ranks, after.ranks, strict=True):
                assert order.index(new.state) >= order.index(old.state)
                if old.state.final:
                    assert new == old
        state = after


def test_a_new_attempt_begins_from_nothing(start: RunState) -> None:
    def event(seq: int, kind: EventKind, **fields: object) -> Event:
        return Event(seq=seq, t=float(seq), kind=kind, **fields)  # type: ignore[arg-type]

    failed = fold(
        start,
        [
            event(1, EventKind.ATTEMPT, attempt=0, state="starting"),
            event(2, EventKind.AGENT, node="a", state="placed", agent="ref"),
            event(3, EventKind.RANK, rank=0, state="spawned", pid=7),
            event(4, EventKind.RUN_STATE, state="running"),
            event(5, EventKind.RANK, rank=0, state="failed", exit_code=3),
            event(6, EventKind.FAILURE, failure=Failure(rank=0, node="a", category="exit-code")),
        ],
    )
    assert (failed.state, failed.started) == (RunPhase.RUNNING, 3.0)
    assert failed.ranks[0].exit_code == 3
    again = fold(failed, [event(7, EventKind.ATTEMPT, attempt=1, message="once more")])
    assert (again.state, again.attempt, again.failure) == (RunPhase.STARTING, 1, None)
    assert (again.ranks, again.nodes) == (start.ranks, start.nodes)
    assert again.started == 3.0, "of the first attempt"


def test_the_end_of_a_run(start: RunState) -> None:
    end = fold(
        start,
        [Event(seq=1, t=9.0, kind=EventKind.RUN_STATE, state="failed", exit_code=1, message="no")],
    )
    assert (end.state, end.ended, end.exit_code, end.reason) == (RunPhase.FAILED, 9.0, 1, "no")


def test_the_time_of_a_state_is_that_of_its_first_reason(start: RunState) -> None:
    def queued(seq: int, t: float, why: str) -> Event:
        return Event(
            seq=seq, t=t, kind=EventKind.RUN_STATE, state=RunPhase.QUEUED.value, message=why
        )

    begin = Event(seq=1, t=101.0, kind=EventKind.ATTEMPT, attempt=0)
    state = fold(start, [begin, queued(2, 102.0, "Resources"), queued(3, 150.0, "Priority")])
    assert (state.reason, state.since) == ("Priority", 102.0)
    again = Event(seq=4, t=160.0, kind=EventKind.ATTEMPT, attempt=1)
    assert fold(state, [again]).since == 160.0
