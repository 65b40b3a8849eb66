"""The Backend protocol: put one agent on each node. A backend never knows what a launcher is.

Backends are found by name: the ones shipped here at once, others through the entry-point group
`rankdeck.backends`. A backend object is cheap to make and holds no connection until it is used.
"""

from __future__ import annotations

from enum import Enum
from importlib import import_module
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from rankdeck.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rankdeck.agent_order import AgentCommand, AgentOrder
    from rankdeck.job.spec import JobSpec
    from rankdeck.nodes.node import Node
    from rankdeck.run.layout import RunDir

BACKEND_GROUP = "rankdeck.backends"
_SHIPPED = {"local": "backends.local:LocalBackend"}


class Capability(str, Enum):
    """What a backend can do beyond placing agents; the interface adapts to it."""

    MULTI_NODE = "multi-node"
    QUEUE = "queue"
    """Runs may wait in a scheduler's queue."""


class BackendOption(msgspec.Struct, frozen=True, kw_only=True):
    """One typed option of a backend; forms, completion and `job.yaml` are checked against it."""

    name: str
    type: Literal["str", "int", "float", "bool"]
    help: str
    default: str | int | float | bool | None = None
    choices: tuple[str, ...] = ()


class AgentLiveness(str, Enum):
    """What a backend can say about an agent it has placed."""

    ALIVE = "alive"
    DEAD = "dead"
    UNKNOWN = "unknown"


class Backend(Protocol):
    """How agents get onto nodes, and how their supervisor reaches them."""

    name: str
    title: str
    capabilities: frozenset[Capability]
    options: tuple[BackendOption, ...]

    def nodes(self, spec: JobSpec) -> tuple[Node, ...]:
        """The nodes this job would run on, in rank order.

        Raises:
            UserError: There are none, or the inventory cannot be read.
        """
        ...

    def place(self, run: RunDir, order: AgentOrder, env: Mapping[str, str] | None) -> str:
        """Start one agent for `order` and return a reference to it.

        The reference is a short text that any other process, later, can give to the methods
        below. `env` is the environment the agent starts with; None: the node's own.

        Raises:
            UserError: The agent could not be started; names the node.
        """
        ...

    def recover(self, run: RunDir, order: AgentOrder) -> str | None:
        """The reference of an agent already placed for `order`, None if there is none.

        A supervisor may be killed after it placed an agent and before it recorded that; its
        successor must not place a second one.
        """
        ...

    def liveness(self, run: RunDir, node: str, ref: str) -> AgentLiveness:
        """Whether the agent is there, as far as can be known now. Never blocks for long."""
        ...

    def send(self, run: RunDir, node: str, ref: str, command: AgentCommand) -> None:
        """Put a command into the agent's inbox. Raises UserError when that is impossible."""
        ...

    def sweep(self, run: RunDir, node: str) -> tuple[int, ...]:
        """End every process of the run on that node; return the pids that could not be ended."""
        ...

    def reachable_from_here(self, run: RunDir, refs: Sequence[str]) -> bool:
        """Whether a supervisor on this machine could look after these agents."""
        ...


def load_backend(name: str) -> Backend:
    """The backend of that name.

    Raises:
        UserError: There is none; lists those there are.
    """
    target = _SHIPPED.get(name) or _entry_points().get(name)
    if target is None:
        known = ", ".join(backend_names())
        raise UserError(f"there is no backend named {name!r}", f"installed backends: {known}")
    module, _, attribute = target.partition(":")
    backend: Backend = getattr(import_module(module), attribute)()
    return backend


def backend_names() -> tuple[str, ...]:
    """The names of every installed backend, shipped ones first."""
    return tuple(dict.fromkeys((*_SHIPPED, *sorted(_entry_points()))))


def _entry_points() -> dict[str, str]:
    # reading the metadata of every installed distribution takes longer than starting a local run
    from importlib.metadata import entry_points

    return {point.name: point.value for point in entry_points(group=BACKEND_GROUP)}
