"""NodeState: what an agent says about its node in `nodes/<node>/state.json`.

The agent writes these fields with the standard library alone; this is the reader's typed form.
All times are Unix seconds of the node's own clock. Unknown is null, never a guess.
"""

from __future__ import annotations

from enum import Enum

import msgspec


class NodePhase(str, Enum):
    """Where an agent is in its life."""

    PREPARING = "preparing"
    READY = "ready"
    """Prepared, waits for `go` (multi-node runs)."""
    RUNNING = "running"
    STOPPING = "stopping"
    DONE = "done"


class RankState(str, Enum):
    """The ladder of one rank; the last four are final."""

    PENDING = "pending"
    SPAWNED = "spawned"
    RENDEZVOUS = "rendezvous"
    OUTPUT = "output"
    STEPPING = "stepping"
    EXITED = "exited"
    """Ended by itself with exit code 0."""
    FAILED = "failed"
    """Ended with a non-zero exit code or by a signal nobody of us sent."""
    KILLED = "killed"
    """Ended by a signal, or for want of its peers, after a stop of ours or the launcher's began."""
    LOST = "lost"
    """Its end was not observed and it is no longer there, or its node is unreachable."""

    @property
    def final(self) -> bool:
        """Whether the rank has ended."""
        return self in _FINAL_RANK_STATES


_FINAL_RANK_STATES = frozenset(
    {RankState.EXITED, RankState.FAILED, RankState.KILLED, RankState.LOST}
)


class NodeOutcome(str, Enum):
    """How a node's part of an attempt ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"


class _Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Unknown fields are ignored, so that a newer agent can be read.

    No record can be part of a cycle; thousands of them should not slow down the collector.
    """


class ProcessRef(_Record, frozen=True, kw_only=True):
    """A process that can be recognised again: pids are reused, start times are not."""

    pid: int
    starttime: int
    """Field 22 of /proc/<pid>/stat (clock ticks since boot)."""
    host: str = ""


class NodeProblem(_Record, frozen=True, kw_only=True):
    """Why a node could not start or go on, in one sentence."""

    category: str
    """`no-torchrun`, `port-in-use`, `entry`, `output-dir`, `disk-full`, `spawn`, `agent` …"""
    message: str
    hint: str = ""
    time: float = 0.0


class LauncherState(_Record, frozen=True, kw_only=True):
    """The launcher process (torchrun, bash train.sh); absent when the agent starts the ranks."""

    pid: int
    started: float
    ended: float | None = None
    exit_code: int | None = None
    signal: int | None = None


class RankError(_Record, frozen=True, kw_only=True):
    """The uncaught exception of a rank, from its error record."""

    type: str
    message: str
    time: float


class RankRecord(_Record, frozen=True, kw_only=True):
    """One rank as its agent sees it."""

    rank: int
    local_rank: int
    state: RankState = RankState.PENDING
    pid: int | None = None
    starttime: int | None = None
    times: dict[str, float] = msgspec.field(default_factory=dict)
    """When each rung was first reached, by RankState value."""
    exit_code: int | None = None
    signal: int | None = None
    core_dumped: bool = False
    exit_source: str | None = None
    """`kernel` (wait status seen in the kernel), `launcher` (its report) or null."""
    log_bytes: int = 0
    last_output: float | None = None
    last_line: str = ""
    """At most 200 characters, decoded with replacement; still hostile: sanitise before showing."""
    step: int | None = None
    total_steps: int | None = None
    metrics: dict[str, float] = msgspec.field(default_factory=dict)
    """Numbers found in the last progress line (`loss`, `lr`, `tok/s` …)."""
    cpu_percent: float | None = None
    """Of one core, so 200.0 is two busy cores."""
    rss_bytes: int | None = None
    threads: int | None = None
    last_write: float | None = None
    """When its process was last seen to write much: a MiB or more within two seconds, anywhere."""
    gpu: int | None = None
    """The index of its GPU, by what it may use and, where the driver tells, by what it uses."""
    error: RankError | None = None


class GpuDevice(_Record, frozen=True, kw_only=True):
    """One GPU; what is null is not known, or was not answered for ten seconds."""

    index: int
    """As the driver counts."""
    util: float | None = None
    """Percent of the time that something computed on it."""
    mem_used: int | None = None
    mem_total: int | None = None
    temp: float | None = None
    """Degrees Celsius."""
    power: float | None = None
    """Watts."""
    throttle: str = ""
    """Why it is slowed down: `thermal`, `power brake`, `hardware`; empty: nothing known."""
    ecc_errors: int | None = None
    """Uncorrected memory errors since its driver was loaded; null: none, or not counted."""
    xid: int | None = None
    """NVIDIA's code of the last critical error since the run began to look."""
    error: str = ""
    """Why it cannot be asked, in the driver's words (`GPU is lost`); hostile."""


class GpuLoad(_Record, frozen=True, kw_only=True):
    """The GPUs of a node; null where it has no driver for any."""

    source: str
    """`nvml`, `nvidia-smi`, `amdgpu` or `simulated`."""
    model: str = ""
    """What the driver calls them, the most frequent name; hostile."""
    heard: float | None = None
    """When figures came last."""
    silent: bool = False
    """None have come for ten seconds: the driver hangs, or is not there any more."""
    problem: str = ""
    """What is wrong, in a sentence; hostile."""
    devices: tuple[GpuDevice, ...] = ()


class NodeLoad(_Record, frozen=True, kw_only=True):
    """Load of the whole node; the same fields with and without psutil."""

    time: float
    cpus: int
    cpu_percent: float | None = None
    """Of all cores: 0 to 100."""
    load1: float | None = None
    mem_total: int | None = None
    mem_used: int | None = None
    gpus: GpuLoad | None = None


class NodeNetwork(_Record, frozen=True, kw_only=True):
    """How this node sees the network: what a common master address is chosen from."""

    hostname: str
    own: tuple[str, ...] = ()
    """What its own host name resolves to here; empty: it does not."""
    addresses: tuple[str, ...] = ()
    """Its addresses on interfaces that are up, loopback ones left out."""
    subnets: tuple[str, ...] = ()
    """The subnet of each of `addresses` (`10.0.0.0/16`)."""
    master: tuple[str, ...] = ()
    """What the order's `master_addr` resolves to here; empty: it does not."""


class StopRecord(_Record, frozen=True, kw_only=True):
    """One stop, step by step."""

    reason: str
    requested: float
    term: float | None = None
    kill: float | None = None
    verified: float | None = None
    """When nothing that carries the run's id was left."""
    left: tuple[int, ...] = ()
    """Pids that could not be ended."""


class NodeState(_Record, frozen=True, kw_only=True):
    """Everything one agent knows, written atomically at most a few times a second."""

    version: int
    run_id: str
    node: str
    attempt: int
    phase: NodePhase
    agent: ProcessRef
    python: str
    """Interpreter that runs the agent, with its version: `/usr/bin/python3 (3.11.7)`."""
    time: float
    """When this was written: the heartbeat, renewed at least every 2 s."""
    seq: int
    started: float
    ended: float | None = None
    master_addr: str = ""
    """Where the ranks of this node were told to meet; empty before they start."""
    master_port: int = 0
    network: NodeNetwork | None = None
    """Looked up when several nodes take part; null before that, and otherwise."""
    module: str = ""
    """The package that the launcher needs, with its version as far as known: `torch 2.9.0`."""
    launcher: LauncherState | None = None
    ranks: tuple[RankRecord, ...] = ()
    load: NodeLoad | None = None
    disk_free: int | None = None
    problem: NodeProblem | None = None
    stop: StopRecord | None = None
    outcome: NodeOutcome | None = None
