"""Events: the append-only history of a run. The run's state is a fold over them.

One writer (the supervisor). One JSON object a line; a torn last line is not an event.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from rankdeck.run.node_state import ProcessRef
from rankdeck.run.state import Failure


class EventKind(str, Enum):
    """What an event tells."""

    CREATED = "created"
    SUPERVISOR = "supervisor"
    """A supervisor started (`pid`), or took over from a dead one (`message` says so)."""
    RUN_STATE = "run-state"
    """The run moved to `state`; `message` gives the reason."""
    ATTEMPT = "attempt"
    """An attempt began (`attempt`); the run is `starting`, all its ranks are `pending`."""
    AGENT = "agent"
    """An agent on `node`: `state` is `placed`, `ready`, `running`, `stopping`, `done` or `lost`."""
    RANK = "rank"
    """Rank `rank` on `node` reached `state`, at `t`."""
    PROBLEM = "problem"
    """A node could not start or go on: `category`, `message`, `hint`."""
    FAILURE = "failure"
    """The first failure of an attempt as it was decided then: `rank`, `node`, `message`."""
    COMMAND = "command"
    """A control file was carried out or refused: `command`, `outcome`, `message`."""
    NODES = "nodes"
    """A scheduler has chosen the nodes (`hosts`, in rank order); they replace the plan's."""
    LINK = "link"
    """`node` cannot be heard (`state` is `down`, since `t`) or is heard again (`up`)."""
    CLOCK = "clock"
    """The clock of `node` is `ahead` seconds ahead of the supervisor's; times of events are by
    the supervisor's from here on."""
    NOTE = "note"
    """Anything else worth telling (`message`): warnings, leftovers, clock jumps."""


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One fact. Which optional fields are set depends on `kind`."""

    seq: int
    """1, 2, 3 … without gaps."""
    t: float
    """Unix seconds when it happened (by the clock of the machine that saw it)."""
    kind: EventKind
    attempt: int | None = None
    node: str | None = None
    rank: int | None = None
    state: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    pid: int | None = None
    category: str | None = None
    message: str | None = None
    hint: str | None = None
    command: str | None = None
    outcome: str | None = None
    agent: str | None = None
    """With AGENT `placed`: the backend's reference to the agent, so that another supervisor can
    find it again."""
    supervisor: ProcessRef | None = None
    """With SUPERVISOR: who it is."""
    failure: Failure | None = None
    """With FAILURE: everything that was found out."""
    file: str | None = None
    """With COMMAND: the name of the control file; no file is answered twice."""
    hosts: tuple[str, ...] | None = None
    """With NODES: node names in rank order."""
    ahead: float | None = None
    """With CLOCK: seconds; negative when it is behind."""
    grace: float | None = None
    """With COMMAND: the grace asked for, so that another supervisor can go on with the stop."""
    ranks: tuple[int, ...] | None = None
    """With COMMAND `signal`: whom `signal` was handed on for."""
    by: str | None = None
    """With COMMAND `signal`: who asked for it."""
