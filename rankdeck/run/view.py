"""What a reader sees of one run: its state merged with what the agents say now.

Reads only. A snapshot is the same object for as long as nothing has changed on disk; half-written
and missing files change nothing. All times are by the clock of the run's supervisor.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rankdeck.errors import ExitCode, UserError
from rankdeck.plan.records import LaunchPlan, NodePlan
from rankdeck.run.files import WatchedFile
from rankdeck.run.node_state import (
    GpuDevice,
    LauncherState,
    NodeLoad,
    NodeNetwork,
    NodeOutcome,
    NodeProblem,
    NodeState,
    RankError,
    RankRecord,
    RankState,
    StopRecord,
)
from rankdeck.run.observe import with_end
from rankdeck.run.state import RunNode, RunRank, RunState
from rankdeck.run.stored import NODE_STATE_DECODER, STATE_DECODER, read_plan, read_state

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rankdeck.run.layout import NodeDir, RunDir


class RankView(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One rank of the current attempt: the run's record of it and its agent's, merged."""

    rank: int
    node: str
    local_rank: int
    state: RankState
    log: Path
    """Its log; the file may not be there yet."""
    pid: int | None = None
    exit_code: int | None = None
    signal: int | None = None
    core_dumped: bool = False
    exit_source: str | None = None
    times: dict[str, float] = msgspec.field(default_factory=dict)
    log_bytes: int = 0
    last_output: float | None = None
    last_line: str = ""
    """Hostile text: sanitise before showing."""
    step: int | None = None
    total_steps: int | None = None
    metrics: dict[str, float] = msgspec.field(default_factory=dict)
    cpu_percent: float | None = None
    rss_bytes: int | None = None
    threads: int | None = None
    last_write: float | None = None
    """When its process was last seen to write much."""
    gpu: GpuDevice | None = None
    """Its GPU, as far as it is known which that is."""
    error: RankError | None = None


class NodeView(msgspec.Struct, frozen=True, kw_only=True):
    """One node: the run's record of it and its agent's, merged."""

    name: str
    address: str
    """How it is reached; empty while it is a placeholder."""
    placeholder: bool = False
    """A scheduler has not chosen the node yet; `name` is no host's."""
    node_rank: int
    nproc: int
    first_rank: int
    state: str
    """`pending`, `placed`, `ready`, `running`, `stopping`, `done` or `lost`."""
    silent_since: float | None = None
    """Since when the node cannot be heard; None while it can."""
    silence: str = ""
    """Why, as far as is known."""
    log: Path
    """The launcher's output; the file may not be there."""
    agent_log: Path
    heartbeat: float | None = None
    """When the agent last wrote; None before its first word."""
    network: NodeNetwork | None = None
    load: NodeLoad | None = None
    disk_free: int | None = None
    launcher: LauncherState | None = None
    master_addr: str = ""
    """Where its ranks were told to meet; empty before that."""
    master_port: int = 0
    problem: NodeProblem | None = None
    stop: StopRecord | None = None
    outcome: NodeOutcome | None = None


class RunSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about a run at one moment."""

    run: RunState
    plan: LaunchPlan
    nodes: tuple[NodeView, ...]
    """By node rank."""
    ranks: tuple[RankView, ...]
    """By global rank, of the current attempt."""

    @property
    def master_addr(self) -> str:
        """Where the ranks meet: as agreed on once they run, as planned before that."""
        return next((node.master_addr for node in self.nodes if node.master_addr), "") or (
            "" if self.nodes[0].placeholder else self.plan.master_addr
        )

    @property
    def master_port(self) -> int:
        """The port there; 0 while it is not chosen."""
        chosen = (node.master_port for node in self.nodes if node.master_port)
        return next(chosen, self.plan.master_port)


class _NodeReader:
    """One node's file, and the views last made from it."""

    __slots__ = (
        "agent_log",
        "file",
        "launcher_log",
        "logs",
        "logs_attempt",
        "made_from",
        "node_view",
        "paths",
        "rank_views",
    )

    def __init__(self, paths: NodeDir) -> None:
        self.paths = paths
        self.file = WatchedFile(os.fspath(paths.state), NODE_STATE_DECODER.decode)
        self.made_from: tuple[object, ...] = ()
        self.node_view: NodeView | None = None
        self.rank_views: tuple[RankView, ...] = ()
        # thousands of paths take longer to make than everything else of a snapshot
        self.launcher_log = paths.launcher_log
        self.agent_log = paths.agent_log
        self.logs: tuple[Path, ...] = ()
        self.logs_attempt = -1

    def rank_logs(self, attempt: int, ranks: Iterable[RunRank]) -> tuple[Path, ...]:
        """The ranks' logs in that attempt."""
        if attempt != self.logs_attempt:
            folder = self.paths.attempt(attempt)
            self.logs = tuple(folder.log(rank.rank) for rank in ranks)
            self.logs_attempt = attempt
        return self.logs


class RunReader:
    """Reads one run again and again, at a cost that follows what has changed."""

    def __init__(self, run: RunDir) -> None:
        """Prepare to read `run`; nothing is read yet."""
        self.dir = run
        self._plan: LaunchPlan | None = None
        self._nodes: tuple[_NodeReader, ...] = ()
        self._state = WatchedFile(os.fspath(run.state), STATE_DECODER.decode)
        self._events_size = -1
        self._run: RunState | None = None
        self._snapshot: RunSnapshot | None = None

    def snapshot(self) -> RunSnapshot:
        """The run as it is now; the same object as before if nothing has changed.

        Raises:
            UserError: There is no such run (any more).
        """
        plan = self._read_plan()
        changed = self._refresh_run(plan)
        run = self._run
        assert run is not None
        if changed:
            self._follow_names(run)
            plan = self._read_plan()
        for reader in self._nodes:
            changed |= reader.file.refresh()
        if self._snapshot is not None and not changed:
            return self._snapshot
        for index, reader in enumerate(self._nodes):
            self._view_node(reader, index, plan, run)
        self._snapshot = RunSnapshot(
            run=run,
            plan=plan,
            nodes=tuple(reader.node_view for reader in self._nodes if reader.node_view),
            ranks=tuple(view for reader in self._nodes for view in reader.rank_views),
        )
        return self._snapshot

    def _read_plan(self) -> LaunchPlan:
        run = self._run
        # a scheduler's choice replaces the nodes that were planned
        if self._plan is None or (run is not None and not _same_nodes(self._plan, run)):
            self._plan = read_plan(self.dir)
        return self._plan

    def _follow_names(self, run: RunState) -> None:
        names = [node.name for node in run.nodes]
        if names != [reader.paths.path.name for reader in self._nodes]:
            self._nodes = tuple(_NodeReader(self.dir.node(name)) for name in names)

    def _refresh_run(self, plan: LaunchPlan) -> bool:
        changed = self._state.refresh()
        try:
            size = os.stat(self.dir.events).st_size
        except OSError:
            size = 0
            if not self.dir.plan.exists():
                raise UserError(
                    f"the run {self.dir.id} has been deleted", exit_code=ExitCode.NO_RUN
                ) from None
        if not changed and size == self._events_size and self._run is not None:
            return False
        run = read_state(self.dir, plan, self._state.value)
        self._events_size = size
        if run == self._run:
            return False
        self._run = run
        return True

    def _view_node(self, reader: _NodeReader, index: int, plan: LaunchPlan, run: RunState) -> None:
        node, planned = run.nodes[index], plan.nodes[index]
        ranks = run.ranks[planned.first_rank : planned.first_rank + planned.nproc]
        said = reader.file.value
        if said is not None and said.attempt != run.attempt:
            said = None
        made_from = (said, node, planned, run.attempt, run.stop_asked, ranks)
        if reader.made_from and _same(reader.made_from, made_from):
            return
        reader.made_from = made_from
        reader.node_view = _node_view(reader, node, planned, said)
        records = {
            record.rank: with_end(record, node.clock_ahead, run.stop_asked)
            for record in (said.ranks if said else ())
        }
        load = said.load if said else None
        reader.rank_views = tuple(
            rank_view(rank, records.get(rank.rank), log, node.clock_ahead, load)
            for rank, log in zip(ranks, reader.rank_logs(run.attempt, ranks), strict=True)
        )


def _same_nodes(plan: LaunchPlan, run: RunState) -> bool:
    return all(a.name == b.name for a, b in zip(plan.nodes, run.nodes, strict=True))


def _same(old: tuple[object, ...], new: tuple[object, ...]) -> bool:
    # identity first: comparing 4,096 unchanged records field by field is not free
    return all(a is b or a == b for a, b in zip(old, new, strict=True))


def _node_view(
    reader: _NodeReader, node: RunNode, planned: NodePlan, said: NodeState | None
) -> NodeView:
    problem = said.problem if said else None
    if problem is None and node.problem is not None:
        problem = NodeProblem(
            category=node.problem_category, message=node.problem, hint=node.problem_hint
        )
    common = {
        "name": node.name,
        "address": "" if planned.placeholder else planned.address,
        "placeholder": planned.placeholder,
        "node_rank": node.node_rank,
        "nproc": node.nproc,
        "first_rank": node.first_rank,
        "state": node.state,
        "silent_since": node.silent_since,
        "silence": node.silence,
        "log": reader.launcher_log,
        "agent_log": reader.agent_log,
        "problem": problem,
    }
    if said is None:
        return NodeView(**common)  # type: ignore[arg-type]
    return NodeView(
        **common,  # type: ignore[arg-type]
        heartbeat=said.time - node.clock_ahead,
        network=said.network,
        load=said.load,
        disk_free=said.disk_free,
        launcher=said.launcher,
        master_addr=said.master_addr,
        master_port=said.master_port,
        stop=said.stop,
        outcome=said.outcome,
    )


def rank_view(
    rank: RunRank,
    record: RankRecord | None,
    log: Path,
    clock_ahead: float,
    load: NodeLoad | None = None,
) -> RankView:
    """The run's record of a rank and its agent's, merged; times by the supervisor's clock.

    `load` is its node's, for the rank's GPU.
    """
    if record is None:
        return RankView(
            rank=rank.rank,
            node=rank.node,
            local_rank=rank.local_rank,
            state=rank.state,
            log=log,
            pid=rank.pid,
            exit_code=rank.exit_code,
            signal=rank.signal,
            times=rank.times,
        )
    # an end that the run has recorded stands (a lost node's last word was something else);
    # before that the agent's word is the newer one
    ended = rank.state.final
    return RankView(
        rank=rank.rank,
        node=rank.node,
        local_rank=rank.local_rank,
        state=rank.state if ended else record.state,
        log=log,
        pid=record.pid if rank.pid is None else rank.pid,
        exit_code=rank.exit_code if ended else record.exit_code,
        signal=rank.signal if ended else record.signal,
        core_dumped=record.core_dumped,
        exit_source=record.exit_source,
        times=rank.times if ended else _earlier(record.times, clock_ahead),
        log_bytes=record.log_bytes,
        last_output=None if record.last_output is None else record.last_output - clock_ahead,
        last_line=record.last_line,
        step=record.step,
        total_steps=record.total_steps,
        metrics=record.metrics,
        cpu_percent=record.cpu_percent,
        rss_bytes=record.rss_bytes,
        threads=record.threads,
        last_write=None if record.last_write is None else record.last_write - clock_ahead,
        gpu=_gpu(record, load),
        error=record.error,
    )


def _gpu(record: RankRecord, load: NodeLoad | None) -> GpuDevice | None:
    if record.gpu is None or load is None or load.gpus is None:
        return None
    return next((device for device in load.gpus.devices if device.index == record.gpu), None)


def _earlier(times: dict[str, float], seconds: float) -> dict[str, float]:
    return {name: when - seconds for name, when in times.items()} if seconds else times
