"""AgentOrder and AgentCommand: what a supervisor tells an agent.

The agent reads both with the standard library alone (`rankdeck/agent`); these are the writer's
typed forms. An order is written once per node and attempt, before the agent starts.
"""

from __future__ import annotations

from enum import Enum

import msgspec

ORDER_VERSION = 1
EXTERNAL = "external"
"""Who starts the ranks on a node: mpirun or srun, each through the agent's shim."""


class AgentOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Everything an agent needs to run its node's part of one attempt."""

    version: int = ORDER_VERSION
    run_id: str
    node: str
    node_dir: str
    """The agent's own directory: state, logs, inbox."""
    attempt: int
    node_rank: int
    nnodes: int
    nproc: int
    first_rank: int
    world_size: int
    spawn: str
    """A `rankdeck.plan.records.Spawn` value, or EXTERNAL."""
    launcher: str
    argv: tuple[str, ...]
    env: dict[str, str]
    cwd: str
    python: str
    requires_module: str | None = None
    """A module the interpreter must have (`torch.distributed.run`); looked for, not imported."""
    entry: str | None = None
    """A file that must exist and be readable before anything starts."""
    output_dir: str | None = None
    """Made, with its `tensorboard` and `checkpoint`, and checked to be writable."""
    master_addr: str = "127.0.0.1"
    master_port: int = 0
    """0: choose a free one if `node_rank` is 0."""
    wait_for_go: bool = False
    """Prepare, say `ready`, and wait for a `go` command (runs of several nodes)."""
    grace: float = 10.0
    fail_fast: bool = True
    """End this node's other ranks as soon as one has failed."""
    hooks: bool = True
    setup: str = ""
    """Shell lines run before anything else on the node; what they export, everything gets."""
    path_prefix: str = ""
    """Put in front of `$PATH`; where the environment is the node's own, the folder of `python`."""
    shared_dir: bool = False
    """`node_dir` is on a network file system: directories must be asked for, not remembered."""


class AgentCommandKind(str, Enum):
    """What can be asked of a running agent."""

    GO = "go"
    STOP = "stop"
    """TERM, the grace, KILL, verify."""
    KILL = "kill"
    """KILL now, verify."""
    SIGNAL = "signal"
    """Send `signal` to ranks, and to nothing else."""
    WARN = "warn"
    """Send `signal` once to each rank that would not end by it, as soon as that is so."""


class AgentCommand(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file in a node's `control/`."""

    command: AgentCommandKind
    reason: str = ""
    grace: float | None = None
    master_addr: str | None = None
    master_port: int | None = None
    signal: str | None = None
    """`USR1` and the like, with SIGNAL and WARN."""
    ranks: tuple[int, ...] = ()
    """With SIGNAL: to these ranks; none: to every one."""
