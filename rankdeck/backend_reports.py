"""Reports: what a backend's session tells its supervisor. Facts only; the supervisor decides."""

from __future__ import annotations

import msgspec


class _Report(msgspec.Struct, frozen=True, kw_only=True):
    """One fact."""


class Placed(_Report, frozen=True, kw_only=True):
    """An agent was started for the node's order, or found."""

    node: str
    ref: str
    """A short text by which any other process, later, can find the agent again."""


class NotPlaced(_Report, frozen=True, kw_only=True):
    """No agent could be started on the node, and none is there."""

    node: str
    category: str
    """`spawn`, `ssh-auth`, `ssh-timeout`, `no-python` …"""
    message: str
    hint: str = ""


class Absent(_Report, frozen=True, kw_only=True):
    """There is no agent for the node's order, and none will be started."""

    node: str


class Queued(_Report, frozen=True, kw_only=True):
    """The run waits in a scheduler's queue."""

    message: str
    """`job 4711: Priority, estimated start 14:20`."""


class Allocated(_Report, frozen=True, kw_only=True):
    """The scheduler has chosen the nodes; the orders follow by another `place`.

    An order given with a placeholder's name is answered by this: `place` comes again.
    """

    hosts: tuple[tuple[str, str], ...]
    """(name, address) in rank order; as many as the plan has nodes."""
    message: str = ""
    """`job 4711 started on node[01-04]`."""


class LinkDown(_Report, frozen=True, kw_only=True):
    """The node cannot be heard; its agent may well live."""

    node: str
    message: str
    """Why, in one sentence: `node2: connection timed out`."""


class LinkUp(_Report, frozen=True, kw_only=True):
    """The node is heard again."""

    node: str
    message: str = ""


class ClockRead(_Report, frozen=True, kw_only=True):
    """What the node's clock showed when it was reached; before anything of its agent is read."""

    node: str
    ahead: float
    """Seconds by which it is ahead of this machine's."""


class Swept(_Report, frozen=True, kw_only=True):
    """The answer to `sweep`."""

    node: str
    left: tuple[int, ...] = ()
    """Pids that could not be ended."""
    error: str = ""
    """Why it is not known; empty when it is."""


class Ended(_Report, frozen=True, kw_only=True):
    """What carried the agents has ended (a scheduler's job, an mpirun), or will in a moment.

    Without a `category` it is the answer to `inquire` that nothing is known.
    """

    category: str = ""
    """`cancelled`, `time-limit`, `preempted`, `node-failure`, `launcher-died` …"""
    message: str = ""
    """`job 4711 was cancelled by root (scancel)`."""
    hint: str = ""
    stopped: bool = False
    """Somebody wanted it: the run counts as stopped, not as failed."""
    again: bool = False
    """The scheduler starts it anew (requeue): another attempt follows, not counted as a restart."""
    node: str | None = None
    """The node that caused it, where one did."""


class Told(_Report, frozen=True, kw_only=True):
    """Something worth a note in the run's history."""

    message: str
    node: str | None = None


Report = (
    Placed
    | NotPlaced
    | Absent
    | Queued
    | Allocated
    | LinkDown
    | LinkUp
    | ClockRead
    | Swept
    | Ended
    | Told
)
