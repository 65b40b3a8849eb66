"""The Launcher protocol: what runs on one node. A launcher never knows how the node is reached."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol

import msgspec

from rankdeck.errors import InvalidJobError, Problem, UserError

if TYPE_CHECKING:
    from rankdeck.job.spec import JobSpec
    from rankdeck.plan.records import Spawn

LAUNCHER_GROUP = "rankdeck.launchers"
_SHIPPED = {
    "torchrun": "rankdeck.launchers.torchrun:TorchrunLauncher",
    "script": "rankdeck.launchers.script:ScriptLauncher",
    "direct": "rankdeck.launchers.direct:DirectLauncher",
    "msrun": "rankdeck.launchers.msrun:MsrunLauncher",
    "accelerate": "rankdeck.launchers.accelerate:AccelerateLauncher",
    "deepspeed": "rankdeck.launchers.deepspeed:DeepspeedLauncher",
}


class NodeContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a launcher may know of the node it builds a command for."""

    node_rank: int
    nnodes: int
    nproc: int
    first_rank: int
    world_size: int
    master_addr: str
    master_port: int
    """0: not known yet; it will be in the environment as `MASTER_PORT` and `PET_MASTER_PORT`."""
    run_id: str
    python: str
    nprocs: tuple[int, ...] = ()
    """How many ranks every node has, in node order."""
    devices: tuple[int, ...] = ()
    """The slots of this node that the list of nodes allows; empty: any."""


class NodeCommand(msgspec.Struct, frozen=True, kw_only=True):
    """A launcher's answer for one node."""

    argv: tuple[str, ...]
    env: dict[str, str]
    """What this launcher needs besides the project contract's variables."""


class Launcher(Protocol):
    """Builds commands; pure."""

    name: str
    title: str
    spawn: Spawn
    requires_module: str | None
    """A Python module the ranks' interpreter must have."""

    def check(self, spec: JobSpec) -> tuple[Problem, ...]:
        """Everything wrong with this job for this launcher; reads the entry file, no more."""
        ...

    def command(self, spec: JobSpec, node: NodeContext) -> NodeCommand:
        """What to execute on that node."""
        ...


def equal_nodes(node: NodeContext, launcher: str) -> None:
    """Refuse nodes with different numbers of ranks, for a launcher that cannot have them.

    Raises:
        InvalidJobError: There are such.
    """
    if node.first_rank == node.node_rank * node.nproc and (
        node.world_size == node.nnodes * node.nproc
    ):
        return
    message = f"{launcher} needs the same number of ranks on every node"
    raise InvalidJobError((Problem(message, key="nproc_per_node", field="nproc_per_node"),))


def offers_options(name: str) -> bool:
    """Whether a form should ask for the options of the launcher of that name.

    torchrun's are seldom needed; script and direct have none.
    """
    return name not in ("torchrun", "script", "direct")


def load_launcher(name: str) -> Launcher:
    """The launcher of that name.

    Raises:
        UserError: There is none; lists those there are.
    """
    target = _SHIPPED.get(name) or _entry_points().get(name)
    if target is None:
        known = ", ".join(launcher_names())
        raise UserError(f"there is no launcher named {name!r}", f"installed launchers: {known}")
    module, _, attribute = target.partition(":")
    launcher: Launcher = getattr(import_module(module), attribute)()
    return launcher


def launcher_names() -> tuple[str, ...]:
    """The names of every installed launcher, shipped ones first."""
    return tuple(dict.fromkeys((*_SHIPPED, *sorted(_entry_points()))))


def _entry_points() -> dict[str, str]:
    # imported late: it costs more than a whole local launch may
    from importlib.metadata import entry_points

    return {point.name: point.value for point in entry_points(group=LAUNCHER_GROUP)}
