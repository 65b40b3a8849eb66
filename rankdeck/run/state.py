"""RunState: the fold over a run's events, kept as a snapshot in `state.json`."""

from __future__ import annotations

from enum import Enum

import msgspec

from rankdeck.run.node_state import ProcessRef, RankState


class RunPhase(str, Enum):
    """States of a run; the last four are final."""

    PLANNED = "planned"
    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"
    LOST = "lost"

    @property
    def final(self) -> bool:
        """Whether the run has ended."""
        return self in _FINAL_RUN_PHASES


_FINAL_RUN_PHASES = frozenset(
    {RunPhase.SUCCEEDED, RunPhase.FAILED, RunPhase.STOPPED, RunPhase.LOST}
)


class Cause(str, Enum):
    """Why an attempt is being stopped: the category of the event that says so."""

    USER = "user"
    TIME_LIMIT = "time-limit"
    FAILURE = "failure"


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Who failed first and why, with the evidence; `rankdeck why` prints it."""

    rank: int | None
    """None: no rank is to blame (the node or the launcher failed)."""
    node: str | None
    category: str
    """`exception`, `exit-code`, `signal`, `hang`, `time-limit`, `port-in-use`, `disk-full` …"""
    signature: str | None = None
    certainty: str = "certain"
    """`certain`, `likely` or `unknown`."""
    summary: str = ""
    """One sentence a person can act on."""
    hint: str = ""
    time: float | None = None
    exit_code: int | None = None
    signal: int | None = None
    evidence: tuple[str, ...] = ()
    """Lines (the culprit's traceback or its last output), unsanitised."""
    facts: tuple[str, ...] = ()
    """What was seen besides, a sentence each: of a hang, who was silent since when."""
    collateral_ranks: tuple[int, ...] = ()


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far the training is, by the ranks' own output (the slowest stepping rank's step)."""

    step: int | None = None
    total_steps: int | None = None
    metrics: dict[str, float] = msgspec.field(default_factory=dict)
    """Last numbers of the lowest rank that prints any (`loss`, `lr`, `tok/s` …)."""
    loss_curve: tuple[float, ...] = ()
    """At most 32 losses, evenly thinned over the run, oldest first."""


class RunNode(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One node's part in a run."""

    name: str
    node_rank: int
    nproc: int
    first_rank: int
    state: str = "pending"
    """`pending`, then what the last AGENT event said."""
    agent: str | None = None
    problem: str | None = None
    problem_category: str = ""
    problem_hint: str = ""
    clock_ahead: float = 0.0
    """Seconds by which the node's clock is ahead of the supervisor's; 0 when they agree."""
    silent_since: float | None = None
    """Since when the node cannot be heard; None while it can."""
    silence: str = ""
    """Why, as far as is known: `connection timed out`."""


class RunRank(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One rank in the current attempt."""

    rank: int
    node: str
    local_rank: int
    state: RankState = RankState.PENDING
    exit_code: int | None = None
    signal: int | None = None
    pid: int | None = None
    times: dict[str, float] = msgspec.field(default_factory=dict)


class RunState(msgspec.Struct, frozen=True, kw_only=True):
    """A run as its events tell it. Live facts (load, last lines) are in the nodes' own files."""

    version: int = 1
    id: str
    name: str
    state: RunPhase
    reason: str = ""
    """Why it is in this state, for a person (`stopped by the user`, `time limit 10m`)."""
    since: float | None = None
    """When it came into this state; null for a run of an earlier version."""
    backend: str
    launcher: str
    project: str = ""
    created: float
    started: float | None = None
    """When the first rank of the first attempt was spawned."""
    ended: float | None = None
    nnodes: int
    nproc_per_node: int
    world_size: int
    attempt: int = 0
    requeues: int = 0
    """How many attempts a scheduler began anew; they do not count as restarts."""
    max_restarts: int = 0
    stop_asked: float | None = None
    """Since when a user, or the time limit, wants the current attempt to end."""
    exit_code: int | None = None
    """Of the run for a script: 0 succeeded, 1 failed, 130 stopped; null while it lives."""
    supervisor: ProcessRef | None = None
    nodes: tuple[RunNode, ...] = ()
    ranks: tuple[RunRank, ...] = ()
    failure: Failure | None = None
    progress: Progress | None = None
    """Not folded from events: the supervisor refreshes it at most once a second."""
    last_seq: int = 0
    """`seq` of the last event folded in."""
