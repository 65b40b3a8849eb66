from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from rankdeck.run import policy
from rankdeck.run.events import Event, EventKind
from rankdeck.run.fold import initial_state
from rankdeck.run.node_state import (
    LauncherState,
    NodeOutcome,
    NodePhase,
    NodeState,
    ProcessRef,
    RankState,
    StopRecord,
)
from rankdeck.run.policy import Stop
from rankdeck.run.state import Cause, RunPhase, RunState
from tests.unit.run.simulation import make_plan

if TYPE_CHECKING:
    from rankdeck.plan.records import LaunchPlan
    from rankdeck.run.layout import RunDir


@pytest.fixture
def plan(run_dir: RunDir) -> LaunchPlan:
    return make_plan(run_dir, ["a", "b"], 1, max_restarts=1)


def state_with(plan: LaunchPlan, *ends: tuple[RankState, int | None, int | None]) -> RunState:
    state = initial_state(plan, 0.0)
    ranks = tuple(
        replace(rank, state=end, exit_code=code, signal=signal, times={end.value: 5.0 - rank.rank})
        for rank, (end, code, signal) in zip(state.ranks, ends, strict=True)
    )
    return replace(state, ranks=ranks, nodes=tuple(replace(n, state="done") for n in state.nodes))


def word(node: str, outcome: NodeOutcome, **fields: object) -> NodeState:
    return NodeState(
        version=1,
        run_id="r",
        node=node,
        attempt=0,
        phase=NodePhase.DONE,
        agent=ProcessRef(pid=1, starttime=1),
        python="",
        time=0.0,
        seq=1,
        started=0.0,
        outcome=outcome,
        **fields,  # type: ignore[arg-type]
    )


EXITED = (RankState.EXITED, 0, None)
FAILED = (RankState.FAILED, 3, None)
KILLED = (RankState.KILLED, None, 15)
SEGV = (RankState.FAILED, None, 11)
USER = Stop(cause=Cause.USER, reason="stopped by the user")
LIMIT = Stop(cause=Cause.TIME_LIMIT, reason="the time limit of 1m was reached")


@pytest.mark.parametrize(
    ("ends", "stop", "phase", "reason", "again"),
    [
        ((EXITED, EXITED), None, RunPhase.SUCCEEDED, "", False),
        ((EXITED, FAILED), None, RunPhase.FAILED, "rank 1 on b failed with exit code 3", True),
        ((SEGV, KILLED), None, RunPhase.FAILED, "rank 0 on a was ended by SIGSEGV", True),
        ((FAILED, FAILED), None, RunPhase.FAILED, "rank 1 on b failed with exit code 3", True),
        ((KILLED, KILLED), USER, RunPhase.STOPPED, "stopped by the user", False),
        ((FAILED, KILLED), USER, RunPhase.STOPPED, "stopped by the user", False),
        ((EXITED, EXITED), USER, RunPhase.SUCCEEDED, "", False),
        ((KILLED, KILLED), LIMIT, RunPhase.FAILED, "the time limit of 1m was reached", False),
        ((KILLED, KILLED), None, RunPhase.FAILED, "the ranks ended without a result", True),
    ],
)
def test_how_an_attempt_ended(
    plan: LaunchPlan,
    ends: tuple[tuple[RankState, int | None, int | None], ...],
    stop: Stop | None,
    phase: RunPhase,
    reason: str,
    again: bool,
) -> None:
    end = policy.verdict(plan, state_with(plan, *ends), {}, stop)
    assert (end.phase, end.reason, end.again) == (phase, reason, again)


def test_a_rank_that_saves_and_leaves_with_0_on_a_stop_was_stopped(plan: LaunchPlan) -> None:
    state = state_with(plan, EXITED, EXITED)
    told = StopRecord(reason="", requested=1.0, term=1.0)
    said = {"a": word("a", NodeOutcome.SUCCEEDED, stop=told)}
    assert policy.verdict(plan, state, said, USER).phase is RunPhase.STOPPED
    in_time = {"a": word("a", NodeOutcome.SUCCEEDED)}
    assert policy.verdict(plan, state, in_time, USER).phase is RunPhase.SUCCEEDED


def test_a_launcher_that_failed_after_its_ranks_did_not(plan: LaunchPlan) -> None:
    state = state_with(plan, EXITED, EXITED)
    launcher = LauncherState(pid=1, started=0.0, exit_code=2)
    said = {"b": word("b", NodeOutcome.FAILED, launcher=launcher)}
    end = policy.verdict(plan, state, said, None)
    assert (end.phase, end.reason) == (
        RunPhase.FAILED,
        "the launcher on b failed with exit code 2",
    )


def test_no_attempt_is_left_after_the_last(plan: LaunchPlan) -> None:
    state = replace(state_with(plan, EXITED, FAILED), attempt=1)
    assert not policy.verdict(plan, state, {}, None).again


@pytest.mark.parametrize(("category", "again"), [("disk-full", False), ("port-in-use", True)])
def test_some_problems_are_worth_another_attempt(
    plan: LaunchPlan, category: str, again: bool
) -> None:
    state = state_with(plan, KILLED, KILLED)
    hurt = replace(state.nodes[0], problem="it went wrong", problem_category=category)
    state = replace(state, nodes=(hurt, state.nodes[1]))
    end = policy.verdict(plan, state, {}, None)
    assert (end.reason, end.again) == ("it went wrong", again)


def test_an_unreachable_node_makes_a_lost_run(plan: LaunchPlan) -> None:
    state = state_with(plan, EXITED, (RankState.LOST, None, None))
    gone = replace(state.nodes[1], state="lost", problem="b …", problem_category=policy.UNREACHABLE)
    end = policy.verdict(plan, replace(state, nodes=(state.nodes[0], gone)), {}, None)
    assert (end.phase, end.reason) == (RunPhase.LOST, "b cannot be reached")


def event(kind: EventKind, **fields: object) -> Event:
    return Event(seq=1, t=0.0, kind=kind, **fields)  # type: ignore[arg-type]


def test_the_stop_going_on_is_found_in_the_log() -> None:
    attempt = event(EventKind.ATTEMPT, attempt=0)
    stopping = event(
        EventKind.RUN_STATE, state="stopping", category="user", message="why", grace=2.0
    )
    kill = event(EventKind.COMMAND, command="kill", outcome="accepted")
    refused = event(EventKind.COMMAND, command="kill", outcome="refused")
    stop = Stop(cause=Cause.USER, reason="why", grace=2.0)
    assert policy.stop_of([attempt]) is None
    assert policy.stop_of([attempt, stopping]) == stop
    assert policy.stop_of([attempt, stopping, refused]) == stop
    assert policy.stop_of([attempt, stopping, kill]) == replace(stop, kill=True)
    assert policy.stop_of([attempt, stopping, kill, attempt]) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(90.0, "90s"), (600.0, "10m"), (7200.0, "2h"), (5400.0, "90m"), (0.5, "0.5s")],
)
def test_time_limits_are_told_in_the_units_people_use(seconds: float, text: str) -> None:
    assert policy.time_limit_text(seconds) == f"the time limit of {text} was reached"


def test_looking_is_quick_at_first_and_gentle_with_many_nodes() -> None:
    assert policy.poll_interval(1, hurry=True) == 0.02
    assert policy.poll_interval(1, hurry=False) == 0.1
    assert policy.poll_interval(512, hurry=False) == 0.512
    assert policy.poll_interval(9999, hurry=True) == 1.0


def test_what_is_waited_for(run_dir: RunDir) -> None:
    nodes = initial_state(make_plan(run_dir, [f"n{i}" for i in range(9)], 1), 0.0).nodes
    assert policy.waiting_for(nodes[:1]) == "waiting for the agent on n0"
    assert policy.waiting_for(nodes) == "waiting for: n0, n1, n2, n3, n4 and 4 more"
    assert policy.waiting_for([replace(nodes[0], state="ready")]) == ""
