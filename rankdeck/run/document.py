"""The document of `rankdeck show --json`: typed, stable names, every field always there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rankdeck.run.lock import lock_holder
from rankdeck.run.node_state import (
    GpuDevice,
    LauncherState,
    NodeLoad,
    NodeNetwork,
    NodeOutcome,
    NodeProblem,
    ProcessRef,
    RankError,
    RankState,
    StopRecord,
)
from rankdeck.run.process import host_name
from rankdeck.run.state import Failure, Progress, RunPhase

if TYPE_CHECKING:
    from rankdeck.run.layout import RunDir
    from rankdeck.run.state import RunState
    from rankdeck.run.view import NodeView, RankView, RunSnapshot


class NodeDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One node in the document."""

    name: str
    address: str
    """How it is reached; empty while a scheduler has not chosen the node."""
    placeholder: bool
    """A scheduler has not chosen the node yet; `name` is no host's."""
    node_rank: int
    nproc: int
    first_rank: int
    state: str
    silent_since: float | None
    """Since when the node cannot be heard; null while it can."""
    silence: str
    """Why, as far as is known."""
    heartbeat: float | None
    network: NodeNetwork | None
    """How the node sees the network; null for a run of one node."""
    load: NodeLoad | None
    disk_free: int | None
    launcher: LauncherState | None
    master_addr: str
    """Where its ranks were told to meet; empty before they start."""
    master_port: int
    problem: NodeProblem | None
    stop: StopRecord | None
    outcome: NodeOutcome | None
    log: str
    agent_log: str


class RankDocument(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One rank in the document."""

    rank: int
    node: str
    local_rank: int
    state: RankState
    exit_code: int | None
    signal: int | None
    core_dumped: bool
    exit_source: str | None
    pid: int | None
    times: dict[str, float]
    log: str
    log_bytes: int
    last_output: float | None
    last_line: str
    step: int | None
    total_steps: int | None
    metrics: dict[str, float]
    cpu_percent: float | None
    rss_bytes: int | None
    threads: int | None
    last_write: float | None
    """When its process was last seen to write much."""
    gpu: GpuDevice | None
    """Its GPU, as far as it is known which that is."""
    error: RankError | None


class RunDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One run."""

    id: str
    name: str
    state: RunPhase
    reason: str
    since: float | None
    """When it came into this state."""
    backend: str
    launcher: str
    project: str
    entry: str | None
    output_dir: str
    created: float
    started: float | None
    ended: float | None
    nnodes: int
    nproc_per_node: int
    world_size: int
    exit_code: int | None
    attempt: int
    requeues: int
    """How many attempts a scheduler began anew; they do not count as restarts."""
    max_restarts: int
    time_limit: float | None
    master_addr: str
    """Where the ranks meet: as agreed on once they run, as planned before that."""
    master_port: int
    """0: not chosen yet."""
    supervisor_pid: int | None
    """Of the living supervisor, by the numbers of its own host; null when there is none."""
    supervisor_host: str | None
    """Where that is."""
    path: str
    nodes: tuple[NodeDocument, ...]
    ranks: tuple[RankDocument, ...]
    failure: Failure | None
    progress: Progress | None


def show_document(snapshot: RunSnapshot, run: RunDir) -> RunDocument:
    """The document for a run as it was read."""
    state, plan = snapshot.run, snapshot.plan
    supervisor = _supervisor(state, run)
    return RunDocument(
        id=state.id,
        name=state.name,
        state=state.state,
        reason=state.reason,
        since=state.since,
        backend=state.backend,
        launcher=state.launcher,
        project=state.project,
        entry=plan.entry,
        output_dir=plan.output_dir,
        created=state.created,
        started=state.started,
        ended=state.ended,
        nnodes=state.nnodes,
        nproc_per_node=state.nproc_per_node,
        world_size=state.world_size,
        exit_code=state.exit_code,
        attempt=state.attempt,
        requeues=state.requeues,
        max_restarts=state.max_restarts,
        time_limit=plan.time_limit,
        master_addr=snapshot.master_addr,
        master_port=snapshot.master_port,
        supervisor_pid=supervisor.pid if supervisor else None,
        supervisor_host=supervisor.host if supervisor else None,
        path=str(run.path),
        nodes=tuple(map(_node, snapshot.nodes)),
        ranks=tuple(map(_rank, snapshot.ranks)),
        failure=state.failure,
        progress=state.progress,
    )


def _supervisor(state: RunState, run: RunDir) -> ProcessRef | None:
    """The living supervisor."""
    pid = lock_holder(run.supervisor_lock)
    if pid is None:
        return None
    known = state.supervisor
    # the kernel knows no number for a holder on another host, or in another container
    if known is not None and (known.pid == pid or known.host != host_name() or pid == 0):
        return known
    # a successor that has not said so yet
    return ProcessRef(pid=pid, starttime=0, host=host_name())


def _node(view: NodeView) -> NodeDocument:
    fields = msgspec.structs.asdict(view)
    return NodeDocument(**{**fields, "log": str(view.log), "agent_log": str(view.agent_log)})


def _rank(view: RankView) -> RankDocument:
    return RankDocument(**{**msgspec.structs.asdict(view), "log": str(view.log)})
