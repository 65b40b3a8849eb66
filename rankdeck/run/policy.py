"""What a supervisor decides, as pure functions over what it knows. No clock, no files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rankdeck.run import strangers
from rankdeck.run.events import EventKind
from rankdeck.run.node_state import NodeOutcome, RankState
from rankdeck.run.signals import signal_name
from rankdeck.run.state import Cause, Failure, RunPhase

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rankdeck.backend_reports import Ended
    from rankdeck.plan.records import LaunchPlan
    from rankdeck.run.events import Event
    from rankdeck.run.node_state import NodeState
    from rankdeck.run.state import RunNode, RunRank, RunState

MASTER_ADDRESS = "master-addr"
HOPELESS = frozenset(
    {
        *("entry", "no-module", "no-torchrun", "no-python", "setup", "spawn"),
        *("output-dir", "node-dir", "disk-full", MASTER_ADDRESS),
        *("ssh-auth", "ssh-config", "ssh-unknown-host"),
        *("ssh-host-key-unknown", "ssh-host-key-changed"),
    }
)
"""Problems that would meet a new attempt just the same."""
PASSING = frozenset({"node-failure", "launcher-died", "preempted"})
"""Ends of what carried the agents that a new attempt need not meet."""
OVER = frozenset({"done", "lost"})
"""Agent states in which a node's part of an attempt has ended."""
UNREACHABLE = "unreachable"
AGENT_LOST = "agent-lost"


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """The stop that is going on."""

    cause: Cause
    reason: str
    grace: float | None = None
    kill: bool = False
    """Without grace, now."""


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """The first thing that went wrong in an attempt, as a reason to end it everywhere."""

    reason: str
    nodes: frozenset[str]
    """Where it happened; those agents end their own ranks."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt, and with it perhaps the run, ended."""

    phase: RunPhase
    reason: str
    again: bool = False
    """Whether another attempt is to be made."""
    requeued: bool = False
    """It is the scheduler that makes it."""


def stop_of(history: Iterable[Event]) -> Stop | None:
    """The stop that was going on when the last supervisor wrote its last event."""
    stop: Stop | None = None
    for event in history:
        if event.kind is EventKind.ATTEMPT:
            stop = None
        elif event.kind is EventKind.RUN_STATE and event.state == RunPhase.STOPPING.value:
            cause = Cause(event.category) if event.category else Cause.FAILURE
            stop = Stop(cause=cause, reason=event.message or "", grace=event.grace)
        elif (
            stop is not None
            and event.kind is EventKind.COMMAND
            and event.outcome == "accepted"
            and event.command == "kill"
        ):
            stop = msgspec.structs.replace(stop, kill=True)
    return stop


def trouble(state: RunState, said: Mapping[str, NodeState]) -> Trouble | None:
    """A reason to end the attempt on every node, None while all is well."""
    failed = [rank for rank in state.ranks if rank.state is RankState.FAILED]
    where = frozenset(rank.node for rank in failed)
    for node in state.nodes:
        # a full disk explains the ranks that failed of it; a lost agent explains none
        gone = node.problem_category in (AGENT_LOST, UNREACHABLE)
        if node.problem is not None and not (gone and failed):
            return Trouble(reason=node.problem, nodes=where | {node.name})
    if failed:
        first = min(failed, key=lambda rank: rank.times.get(rank.state.value, 0.0))
        return Trouble(reason=f"rank {first.rank} on {first.node} {_end(first)}", nodes=where)
    for node in state.nodes:
        if node.state == "lost":
            return Trouble(reason=f"{node.name} was lost", nodes=frozenset({node.name}))
        word = said.get(node.name)
        if node.state == "done" and word is not None and word.outcome is NodeOutcome.FAILED:
            return Trouble(reason=_launcher_end(node, word), nodes=frozenset({node.name}))
    return None


def all_over(state: RunState, *, stopping: bool) -> bool:
    """Whether every node's part of the attempt has ended (or, when stopping, never began)."""
    return all(node.state in OVER or (stopping and node.state == "pending") for node in state.nodes)


def all_ready(state: RunState) -> bool:
    """Whether every agent has prepared its node and waits for the others."""
    return all(node.state == "ready" for node in state.nodes)


def begun(state: RunState, said: Mapping[str, NodeState]) -> bool:
    """Whether an agent has started something, on whichever node, be it over or not.

    An agent can be prepared before the backend has told where it is, so that it cannot be told to
    go with the others. By then the ranks of the others may have come to their end; or their
    launchers wait for this very node, and no rank will be seen before it comes.
    """
    return any(word.launcher is not None for word in said.values()) or any(
        rank.state is not RankState.PENDING for rank in state.ranks
    )


def verdict(
    plan: LaunchPlan,
    state: RunState,
    said: Mapping[str, NodeState],
    stop: Stop | None,
    ending: Ended | None = None,
) -> Verdict:
    """How the attempt ended, now that every node's part of it is over."""
    cut_short = ending is not None and strangers.signalled(state, said)
    if succeeded(state, said) and not (cut_short or _told_to_end(said, stop)):
        return Verdict(phase=RunPhase.SUCCEEDED, reason="")
    if stop is not None and stop.cause is Cause.TIME_LIMIT:
        return Verdict(phase=RunPhase.FAILED, reason=stop.reason)
    if stop is not None and stop.cause is Cause.USER:
        return Verdict(phase=RunPhase.STOPPED, reason=stop.reason)
    if ending is not None and governs(ending, stop, state, said):
        phase = RunPhase.STOPPED if ending.stopped else RunPhase.FAILED
        again = ending.again or (_restarts_left(plan, state) and ending.category in PASSING)
        return Verdict(phase=phase, reason=ending.message, again=again, requeued=ending.again)
    if any(node.problem_category == UNREACHABLE for node in state.nodes):
        names = ", ".join(n.name for n in state.nodes if n.problem_category == UNREACHABLE)
        return Verdict(phase=RunPhase.LOST, reason=f"{names} cannot be reached")
    told, found = strangers.told(state, said), trouble(state, said)
    if found is not None and not strangers.came_first(state, said):
        reason = found.reason
    elif stop is not None and found is None:
        reason = stop.reason
    else:
        reason = told or "the ranks ended without a result"
    wanted = stop is None or stop.cause is Cause.FAILURE
    again = wanted and _restarts_left(plan, state) and _worth_another(state)
    return Verdict(phase=RunPhase.FAILED, reason=reason, again=again)


def _restarts_left(plan: LaunchPlan, state: RunState) -> bool:
    return state.attempt - state.requeues < plan.max_restarts


def governs(
    ending: Ended, stop: Stop | None, state: RunState, said: Mapping[str, NodeState]
) -> bool:
    """Whether what carried the agents ended first, or only because a rank had failed before."""
    if stop is None or stop.cause is not Cause.FAILURE or ending.node is not None:
        return True
    # nodes are lost one after another, and the first of them has begun that stop
    alone = all(node.problem in (None, ending.message) for node in state.nodes) and not any(
        rank.state is RankState.FAILED for rank in state.ranks
    )
    return alone or strangers.came_first(state, said)


def attempt_text(plan: LaunchPlan, state: RunState, end: Verdict) -> str:
    """Why another attempt begins."""
    if end.requeued:
        return end.reason
    number = state.attempt - state.requeues + 2
    return f"attempt {number} of {plan.max_restarts + 1}: {end.reason}"


def _told_to_end(said: Mapping[str, NodeState], stop: Stop | None) -> bool:
    """Whether a stop reached the ranks.

    One that writes its checkpoint and leaves with 0 on TERM was stopped all the same.
    """
    if stop is None or stop.cause is Cause.FAILURE:
        return False
    return any(word.stop is not None and word.stop.term is not None for word in said.values())


def succeeded(state: RunState, said: Mapping[str, NodeState]) -> bool:
    """Whether every rank ended by itself with exit code 0 and no launcher says otherwise.

    A script that starts no ranks of its own (a `train.sh` without torchrun) succeeds by its own
    exit code; its ranks stay pending.
    """
    if any(
        word.outcome is NodeOutcome.FAILED or word.problem is not None for word in said.values()
    ):
        return False
    return all(
        rank.state is RankState.EXITED
        or (rank.state is RankState.PENDING and _launcher_vouches(said.get(rank.node)))
        for rank in state.ranks
    )


def _launcher_vouches(word: NodeState | None) -> bool:
    return word is not None and word.launcher is not None and word.outcome is NodeOutcome.SUCCEEDED


def _worth_another(state: RunState) -> bool:
    return not any(node.problem_category in HOPELESS for node in state.nodes)


def own_failure(
    state: RunState,
    said: Mapping[str, NodeState],
    stop: Stop | None,
    now: float,
    ending: Ended | None = None,
) -> Failure | None:
    """A failure that needs no diagnosis: the time limit, or an agent that is gone."""
    if ending is not None and governs(ending, stop, state, said):
        return Failure(
            rank=None,
            node=ending.node,
            category=ending.category,
            summary=ending.message,
            hint=ending.hint,
            time=now,
            collateral_ranks=tuple(
                r.rank for r in state.ranks if r.state not in (RankState.EXITED, RankState.PENDING)
            ),
        )
    if stop is not None and stop.cause is Cause.TIME_LIMIT:
        return Failure(
            rank=None,
            node=None,
            category=Cause.TIME_LIMIT.value,
            summary=stop.reason,
            hint="give it more time with --time-limit, or resume from the last checkpoint",
            time=now,
        )
    if (told := strangers.failure(state, said)) is not None:
        return told
    if any(rank.state is RankState.FAILED for rank in state.ranks):
        return None
    gone = next((n for n in state.nodes if n.problem_category in (AGENT_LOST, UNREACHABLE)), None)
    if gone is None:
        return None
    return Failure(
        rank=None,
        node=gone.name,
        category=gone.problem_category,
        summary=gone.problem or "",
        hint=gone.problem_hint,
        time=now,
        collateral_ranks=tuple(r.rank for r in state.ranks if r.state is not RankState.EXITED),
    )


def plain_failure(state: RunState, reason: str, now: float) -> Failure:
    """What can be said without a diagnosis: who failed first by its own record."""
    hurt = next((node for node in state.nodes if node.problem is not None), None)
    if hurt is not None:
        return Failure(
            rank=None,
            node=hurt.name,
            category=hurt.problem_category,
            summary=hurt.problem or "",
            hint=hurt.problem_hint,
            time=now,
        )
    failed = [rank for rank in state.ranks if rank.state is RankState.FAILED]
    if not failed:
        return Failure(
            rank=None, node=None, category="unknown", certainty="unknown", summary=reason, time=now
        )
    first = min(failed, key=lambda rank: rank.times.get(rank.state.value, 0.0))
    return Failure(
        rank=first.rank,
        node=first.node,
        category="exit-code" if first.signal is None else "signal",
        certainty="likely",
        summary=f"rank {first.rank} on {first.node} {_end(first)}",
        time=first.times.get(first.state.value),
        exit_code=first.exit_code,
        signal=first.signal,
    )


def waiting_for(nodes: Sequence[RunNode]) -> str:
    """Which agents have not said anything yet, for a person."""
    names = [node.name for node in nodes if node.state in ("pending", "placed")]
    if not names:
        return ""
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"waiting for the agent on {shown}" if len(names) == 1 else f"waiting for: {shown}"


def time_limit_text(seconds: float) -> str:
    """`the time limit of 10m was reached`."""
    whole = int(seconds)
    if seconds != whole or whole % 60:
        amount = f"{seconds:g}s"
    else:
        amount = f"{whole // 3600}h" if whole % 3600 == 0 else f"{whole // 60}m"
    return f"the time limit of {amount} was reached"


def poll_interval(nnodes: int, *, hurry: bool) -> float:
    """Seconds until the next look: short while something is about to happen."""
    return min(1.0, max(0.02 if hurry else 0.1, nnodes * 0.001))


def _end(rank: RunRank) -> str:
    signal, code = rank.signal, rank.exit_code
    if signal is not None:
        return f"was ended by {signal_name(signal)}"
    return "failed" if code is None else f"failed with exit code {code}"


def _launcher_end(node: RunNode, word: NodeState) -> str:
    launcher = word.launcher
    if launcher is not None and launcher.signal is not None:
        return f"the launcher on {node.name} was ended by {signal_name(launcher.signal)}"
    if launcher is not None and launcher.exit_code:
        return f"the launcher on {node.name} failed with exit code {launcher.exit_code}"
    return f"{node.name} failed"
