"""The Backend protocol: put one agent on each node. A backend never knows what a launcher is.

Backends are found by name: the ones shipped here at once, others through the entry-point group
`rankdeck.backends`. A backend object is cheap to make and holds no connection; what a supervisor
needs while a run lives is its Session. What sessions tell is in `rankdeck.backend_reports`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from rankdeck.errors import ExitCode, UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rankdeck.agent_order import AgentCommand, AgentOrder
    from rankdeck.ask import Ask
    from rankdeck.backend_reports import Report
    from rankdeck.job.spec import JobSpec
    from rankdeck.nodes.node import Node
    from rankdeck.plan.records import LaunchPlan
    from rankdeck.run.layout import RunDir

BACKEND_GROUP = "rankdeck.backends"
_SHIPPED = {
    "local": "backends.local:LocalBackend",
    "ssh": "backends.ssh.backend:SshBackend",
    "slurm": "backends.slurm.backend:SlurmBackend",
    "mpi": "backends.mpi.backend:MpiBackend",
    "demo": "backends.demo.backend:DemoBackend",
}
_SHIPPED_OPTIONS = {name: f"backends.{name}.options" for name in _SHIPPED}


class Capability(str, Enum):
    """What a backend can do beyond placing agents; the interface adapts to it."""

    MULTI_NODE = "multi-node"
    QUEUE = "queue"
    """Runs may wait in a scheduler's queue."""
    SHARED_FILES = "shared-files"
    """Its agents write into the run directory itself, over a file system all nodes share."""


class BackendOption(msgspec.Struct, frozen=True, kw_only=True):
    """One typed option of a backend; forms, flags, completion and `job.yaml` come from it."""

    name: str
    """As in `job.yaml`; with `-` for `_` also its flag."""
    type: Literal["str", "int", "float", "bool"]
    help: str
    label: str = ""
    """What a form calls it; empty: its name."""
    default: str | int | float | bool | None = None
    choices: tuple[str, ...] = ()
    metavar: str = ""
    repeatable: bool = False
    """A flag that may be given several times; the values are joined by line ends."""


class AgentLiveness(str, Enum):
    """What a backend can say about an agent it has placed."""

    ALIVE = "alive"
    DEAD = "dead"
    """It has ended, and everything it wrote is in the run directory."""
    UNKNOWN = "unknown"


class Backend(Protocol):
    """How agents get onto nodes, and how their supervisor reaches them."""

    name: str
    title: str
    capabilities: frozenset[Capability]
    options: tuple[BackendOption, ...]

    def nodes(self, spec: JobSpec) -> tuple[Node, ...]:
        """The nodes this job would run on, in rank order.

        A scheduler that has not chosen yet gives placeholders; its session names the real ones.

        Raises:
            UserError: There are none, or the inventory cannot be read.
        """
        ...

    def prepare(self, spec: JobSpec, nodes: Sequence[Node], ask: Ask) -> Mapping[str, str]:
        """Settle with the user, before the run exists, what nobody can be asked later.

        Returns secrets (passphrases) for the supervisor's session, which keeps them in memory.

        Raises:
            UserError: The user said no, or nobody can be asked.
        """
        ...

    def open(self, context: SessionContext) -> Session:
        """The session of one run's supervisor. Starts nothing and connects to nothing yet."""
        ...

    def reachable_from_here(self, run: RunDir, refs: Sequence[str]) -> bool:
        """Whether a supervisor on this machine could look after these agents. Quick."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionContext:
    """What a session is opened with."""

    run: RunDir
    plan: LaunchPlan
    environ: Mapping[str, str] | None
    """The submitting shell's environment; None when it is not known any more."""
    secrets: Mapping[str, str]
    """What `prepare` returned; empty for a supervisor that took over."""
    taken_over: bool
    """An earlier supervisor may have started agents, or a job, and not lived to write that down."""
    wake: Callable[[], None]
    """Makes the supervisor look at once; may be called from any thread."""


class Session(Protocol):
    """A backend at work for one run. No method waits: outcomes are told by `reports`.

    Used by one thread. A session may have threads of its own; they write into the run's node
    directories and queue reports, nothing else.
    """

    def place(self, orders: Sequence[AgentOrder], *, find_only: bool) -> None:
        """Get an agent started for each order, or find the one that was started already.

        Each order is answered by exactly one `Placed`, `NotPlaced` or (`find_only`) `Absent`.
        An agent must never be started twice for one order, whoever was killed in between. The
        agent's inbox is empty when it starts.
        """
        ...

    def adopt(self, order: AgentOrder, ref: str) -> None:
        """Look after an agent that an earlier supervisor placed (`ref` from its `Placed`)."""
        ...

    def withdraw(self) -> None:
        """Give up what `place` has not started yet; every open order is still answered."""
        ...

    def reports(self) -> Sequence[Report]:
        """What has become known since the last call, in order."""
        ...

    def liveness(self, node: str, ref: str) -> AgentLiveness:
        """Whether the agent is there, as far as is known now."""
        ...

    def send(self, node: str, ref: str, command: AgentCommand) -> None:
        """Put a command into the agent's inbox, or on its way there.

        Raises:
            UserError: That is impossible now; the caller tries again.
        """
        ...

    def sweep(self, node: str) -> None:
        """End every process of the run on that node; answered by `Swept`."""
        ...

    def inquire(self) -> None:
        """Agents ended that nobody here told to: find out why; answered by `Ended`."""
        ...

    def release(self) -> None:
        """The run has ended: give back what was allocated, remove what was put on nodes.

        The only method that may wait, for seconds; never raises.
        """
        ...

    def close(self) -> None:
        """The supervisor leaves; agents live on. Never raises."""
        ...


def load_backend(name: str) -> Backend:
    """The backend of that name.

    Raises:
        UserError: There is none (lists those there are), or it cannot be loaded.
    """
    target = _SHIPPED.get(name) or _entry_points().get(name)
    if target is None:
        known = ", ".join(backend_names())
        raise UserError(f"there is no backend named {name!r}", f"installed backends: {known}")
    module, _, attribute = target.partition(":")
    try:
        backend: Backend = getattr(import_module(module), attribute)()
    except (ImportError, AttributeError) as error:
        raise UserError(
            f"the backend {name!r} cannot be loaded: {error}",
            "install what it needs, or choose another backend",
            exit_code=ExitCode.UNUSABLE,
        ) from error
    return backend


def backend_names() -> tuple[str, ...]:
    """The names of every installed backend, shipped ones first."""
    return tuple(dict.fromkeys((*_SHIPPED, *sorted(_entry_points()))))


def shipped_backends() -> tuple[str, ...]:
    """The names of those that come with Rankdeck; asks nothing of other packages."""
    return tuple(_SHIPPED)


def backend_options(name: str) -> tuple[BackendOption, ...]:
    """The options of a backend, without loading the backend itself where it is shipped.

    Raises:
        UserError: There is no such backend.
    """
    if (module := _SHIPPED_OPTIONS.get(name)) is not None:
        options: tuple[BackendOption, ...] = import_module(module).OPTIONS
        return options
    return load_backend(name).options


def _entry_points() -> dict[str, str]:
    # reading the metadata of every installed distribution takes longer than starting a local run
    from importlib.metadata import entry_points

    return {point.name: point.value for point in entry_points(group=BACKEND_GROUP)}
