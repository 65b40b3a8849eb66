"""LaunchPlan: a job resolved onto nodes. What is shown, what is stored and what is executed."""

from __future__ import annotations

from enum import Enum

import msgspec

PLAN_VERSION = 1


class Spawn(str, Enum):
    """Who starts the ranks on a node."""

    LAUNCHER = "launcher"
    """`NodePlan.argv` is a launcher (torchrun, train.sh) that starts the ranks."""
    RANKS = "ranks"
    """`NodePlan.argv` is one rank's own command; the agent starts `nproc` of them."""


class RunIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """The names a plan needs of the run it is for; a dry run uses the placeholders."""

    id: str = "<run-id>"
    dir: str = "<run-dir>"


class NodePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What one node executes."""

    name: str
    address: str
    node_rank: int
    nproc: int
    first_rank: int
    """Global rank of this node's local rank 0."""
    argv: tuple[str, ...]
    env: dict[str, str]
    """Set on top of the node's own environment. `MASTER_PORT` is absent when it is chosen late:
    the agent then sets `MASTER_PORT` and `PET_MASTER_PORT` itself."""
    cwd: str
    python: str
    """Interpreter of the ranks on this node; also runs the agent."""
    entry: str | None = None
    """The file the job runs, as this node sees it; None when it is a program on `$PATH`."""
    output_dir: str = ""
    """`$OUTPUT_DIR` as this node sees it."""
    user: str = ""
    """Who logs in there, where the inventory says it; empty: SSH's own configuration decides."""
    port: int = 0
    """SSH port, where the inventory says it; 0: SSH's own configuration decides."""
    placeholder: bool = False
    """It stands for a node that a scheduler has not chosen yet."""


class LaunchPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The whole run, node by node. Same spec, nodes and identity: the same bytes."""

    version: int = PLAN_VERSION
    run_id: str
    name: str
    backend: str
    launcher: str
    spawn: Spawn
    world_size: int
    nproc_per_node: int
    """Of the first node; nodes may differ."""
    master_addr: str
    master_port: int
    """0: chosen by the master node's agent."""
    nodes: tuple[NodePlan, ...]
    output_dir: str
    grace: float
    time_limit: float | None
    max_restarts: int
    hooks: bool
    hyperparameters: dict[str, str]
    setup: str = ""
    """Shell lines run on every node before anything else."""
    project: str = ""
    entry: str | None = None
    """The file the job runs; None when it is a program found on `$PATH`."""
    requires_module: str | None = None
    """A Python module the interpreter of the ranks must have."""
    redacted: tuple[str, ...] = ()
    """Names of variables whose values are never displayed."""
    exclude: str = ""
    """Hosts that a scheduler must not choose, as the job names them; others leave them out of
    `nodes`."""
    backend_options: dict[str, str | int | float | bool] = msgspec.field(default_factory=dict)
