"""Runs for the interface's tests: written by hand, or really started."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import msgspec

from rankdeck.job.draft import JobDraft
from rankdeck.job.resolve import resolve_job
from rankdeck.nodes.node import Node
from rankdeck.plan.build import build_plan
from rankdeck.plan.records import RunIdentity
from rankdeck.run.eventlog import EventLog
from rankdeck.run.events import Event, EventKind
from rankdeck.run.launch import submit
from rankdeck.run.layout import RunDir
from rankdeck.run.node_state import (
    GpuDevice,
    GpuLoad,
    NodeLoad,
    NodePhase,
    NodeState,
    ProcessRef,
    RankRecord,
    RankState,
)
from rankdeck.run.state import Failure, Progress, RunNode, RunPhase, RunRank, RunState
from rankdeck.run.store import RunStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOW = 1_795_257_912.0
"""The time in hand-written runs."""

PROGRAM = """
import os, sys, time
rank = int(os.environ["RANK"])
steps, pause, fail = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
for step in range(1, steps + 1):
    print(f"[rank{rank}] step {step}/{steps} loss {2 / step + rank / 100:.4f}", flush=True)
    if step == fail and rank == 1:
        raise ValueError("boom [/rank3]")
    time.sleep(pause)
"""


def wait_for(met: Callable[[], bool], timeout: float = 90.0) -> None:
    """Look until something is so."""
    deadline = time.monotonic() + timeout
    while not met():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.02)


def write_project(folder: Path) -> Path:
    """A project whose program prints steps."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.py").write_text(PROGRAM)
    return folder


def real_run(home: Path, project: Path, *, steps: int, pause: float, fail: int = 0) -> str:
    """Start a real run of two ranks; returns its id."""
    write_project(project)
    store = RunStore(home)
    draft = JobDraft(
        project=str(project),
        name="job",
        launcher="direct",
        entry="train.py",
        nproc_per_node=2,
        args=(str(steps), str(pause), str(fail)),
    )
    environ = dict(os.environ)
    spec = resolve_job(None, draft, project, environ)
    return submit(spec, store, cwd=project, environ=environ).id


def write_run(
    home: Path,
    name: str = "job",
    phase: RunPhase = RunPhase.SUCCEEDED,
    *,
    shown: str | None = None,
    age: float = 60.0,
    ranks: int = 4,
    text: str = "step 3/10 loss 0.5",
    failure: Failure | None = None,
    reason: str = "",
    node: str = "node01",
) -> str:
    """Write a run's directory as a supervisor and an agent would leave it.

    Args:
        home: The state directory.
        name: Part of the id.
        phase: The run's state.
        shown: The name it shows; the same as `name` if not given.
        age: Seconds since it was made.
        ranks: How many there are.
        text: What every rank has printed.
        failure: The first failure.
        reason: Why it is in its state.
        node: The node's name.
    """
    RunStore(home).ensure()
    created = NOW - age
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(created))
    run_id = f"{stamp}-{name}-aaaa"
    run = RunDir(home / "runs" / run_id)
    run.path.mkdir(mode=0o700)
    project = write_project(home / "project")
    draft = JobDraft(project=str(project), name=name, launcher="direct", nproc_per_node=ranks)
    spec = resolve_job(None, msgspec.structs.replace(draft, entry="train.py"), project, os.environ)
    plan = build_plan(spec, (Node(name=node),), RunIdentity(id=run_id, dir=str(run.path)))
    plan = msgspec.structs.replace(plan, name=shown or name)
    run.plan.write_bytes(msgspec.json.encode(plan))
    from rankdeck.job.dump import job_to_yaml

    run.job.write_text(job_to_yaml(spec))
    rank_state = _rank_state(phase)
    state = RunState(
        id=run_id,
        name=shown or name,
        state=phase,
        reason=reason,
        backend="local",
        project=str(project),
        launcher="direct",
        created=created,
        started=created + 1,
        ended=created + 31 if phase.final else None,
        nnodes=1,
        nproc_per_node=ranks,
        world_size=ranks,
        nodes=(RunNode(name=node, node_rank=0, nproc=ranks, first_rank=0, state="running"),),
        ranks=tuple(
            RunRank(rank=r, node=node, local_rank=r, state=rank_state) for r in range(ranks)
        ),
        failure=failure,
        progress=Progress(
            step=3, total_steps=10, metrics={"loss": 0.5}, loss_curve=(2.0, 1.0, 0.5)
        ),
        last_seq=2,
    )
    run.state.write_bytes(msgspec.json.encode(state))
    # how stale a run without a supervisor is counts from here, by the clock of the test
    os.utime(run.state, (NOW, NOW))
    node_dir = run.node(node)
    attempt = node_dir.attempt(0)
    attempt.path.mkdir(parents=True)
    for rank in range(ranks):
        attempt.log(rank).write_text(text + "\n")
    node_dir.state.write_bytes(
        msgspec.json.encode(
            NodeState(
                version=1,
                run_id=run_id,
                node=node,
                attempt=0,
                phase=NodePhase.DONE if phase.final else NodePhase.RUNNING,
                agent=ProcessRef(pid=1, starttime=1),
                python="python",
                time=created + 30,
                seq=1,
                started=created,
                ranks=tuple(
                    RankRecord(rank=r, local_rank=r, state=rank_state, last_line=text)
                    for r in range(ranks)
                ),
            )
        )
    )
    log = EventLog(run.events)
    log.append(
        [
            Event(seq=1, t=created, kind=EventKind.CREATED, message=text),
            Event(seq=2, t=created + 1, kind=EventKind.NOTE, message=text),
        ]
    )
    log.close()
    return run_id


def _rank_state(phase: RunPhase) -> RankState:
    if phase is RunPhase.FAILED:
        return RankState.FAILED
    return RankState.EXITED if phase.final else RankState.STEPPING


def write_cluster_run(
    home: Path,
    name: str,
    phase: RunPhase = RunPhase.RUNNING,
    *,
    nodes: int = 16,
    ranks: int = 8,
    age: float = 3600.0,
    reason: str = "",
    placeholders: bool = False,
    silent: tuple[int, ...] = (),
    troubled: tuple[int, ...] = (),
    lost: tuple[int, ...] = (),
    failure: Failure | None = None,
    requeues: int = 0,
) -> str:
    """Write the directory of a run on many nodes; nothing of it has ever run.

    Args:
        home: The state directory.
        name: The run's name.
        phase: Its state.
        nodes: How many nodes it has.
        ranks: How many ranks each of them has.
        age: Seconds since it was made, and since it came into its state.
        reason: Why it is in its state.
        placeholders: A scheduler has not chosen the nodes.
        silent: Nodes that cannot be heard for 14 seconds.
        troubled: Nodes with a problem.
        lost: Nodes that are lost with all their ranks.
        failure: The first failure.
        requeues: How often a scheduler has begun it anew.
    """
    RunStore(home).ensure()
    created = NOW - age
    run_id = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(created))}-{name}-aaaa"
    run = RunDir(home / "runs" / run_id)
    run.path.mkdir(mode=0o700)
    project = write_project(home / "project")
    draft = JobDraft(project=str(project), name=name, launcher="direct", nproc_per_node=ranks)
    spec = resolve_job(None, msgspec.structs.replace(draft, entry="train.py"), project, os.environ)
    names = [f"node{number:03}" for number in range(1, nodes + 1)]
    given = tuple(Node(name=node, placeholder=placeholders) for node in names)
    plan = build_plan(spec, given, RunIdentity(id=run_id, dir=str(run.path)))
    run.plan.write_bytes(msgspec.json.encode(msgspec.structs.replace(plan, backend="cluster")))
    waits = phase in (RunPhase.PLANNED, RunPhase.QUEUED, RunPhase.STARTING)
    state = RunState(
        id=run_id,
        name=name,
        state=phase,
        reason=reason,
        since=created,
        backend="cluster",
        launcher="torchrun",
        created=created,
        started=None if waits else created + 1,
        ended=NOW - 60 if phase.final else None,
        nnodes=nodes,
        nproc_per_node=ranks,
        world_size=nodes * ranks,
        attempt=requeues,
        requeues=requeues,
        nodes=tuple(
            RunNode(
                name=node,
                node_rank=number,
                nproc=ranks,
                first_rank=number * ranks,
                state="pending" if waits else "lost" if number in lost else "running",
                silent_since=NOW - 14 if number in silent else None,
                silence="connection timed out" if number in silent else "",
                problem=f"{node}: no route to host" if number in troubled else None,
                problem_category="ssh-unreachable" if number in troubled else "",
                problem_hint="is it switched on?" if number in troubled else "",
            )
            for number, node in enumerate(names)
        ),
        ranks=tuple(
            RunRank(
                rank=rank,
                node=names[rank // ranks],
                local_rank=rank % ranks,
                state=RankState.PENDING
                if waits
                else RankState.LOST
                if rank // ranks in lost
                else _rank_state(phase),
            )
            for rank in range(nodes * ranks)
        ),
        failure=failure,
        progress=None
        if waits
        else Progress(step=1840, total_steps=5000, metrics={"loss": 1.84}, loss_curve=(4.0, 2.0)),
        last_seq=1,
    )
    run.state.write_bytes(msgspec.json.encode(state))
    # how stale a run without a supervisor is counts from here, by the clock of the test
    os.utime(run.state, (NOW, NOW))
    log = EventLog(run.events)
    log.append([Event(seq=1, t=created, kind=EventKind.CREATED)])
    log.close()
    return run_id


GIB = 1 << 30


def gpus_of(node: int, count: int = 8) -> GpuLoad:
    """The GPUs of a node, by its number.

    One of node 1 is idle, one of node 2 lost, two of node 3 are too hot; node 4's driver hangs.
    """
    devices = [
        GpuDevice(
            index=index,
            util=97.0 - (index * 5 + node) % 9,
            mem_used=(61 + index % 3) * GIB,
            mem_total=80 * GIB,
            temp=float(62 + (index + node) % 7),
            power=float(590 + 7 * index),
        )
        for index in range(count)
    ]
    if node == 1:
        devices[3] = msgspec.structs.replace(devices[3], util=0.0, power=92.0)
    if node == 2:
        lost = {"util": None, "mem_used": None, "temp": None, "power": None}
        devices[5] = msgspec.structs.replace(devices[5], **lost, error="GPU is lost", xid=79)
    if node == 3:
        hot = {"temp": 91.0, "throttle": "thermal"}
        devices[:2] = [msgspec.structs.replace(device, **hot) for device in devices[:2]]
    if node == 4:
        devices = [GpuDevice(index=index, mem_total=80 * GIB) for index in range(count)]
    return GpuLoad(
        source="nvml",
        model="NVIDIA H100 80GB HBM3",
        heard=NOW - (40 if node == 4 else 1),
        silent=node == 4,
        problem="the driver does not answer at GPU 6" if node == 4 else "",
        devices=tuple(devices),
    )


def write_loads(home: Path, run_id: str, *, gpus: Callable[[int], GpuLoad | None]) -> None:
    """Write what the agents of a run say, with the load of their nodes.

    Args:
        home: The state directory.
        run_id: A run that is there.
        gpus: The GPUs of a node by its number.
    """
    run = RunDir(home / "runs" / run_id)
    state = msgspec.json.decode(run.state.read_bytes(), type=RunState)
    for number, node in enumerate(state.nodes):
        records = tuple(
            RankRecord(
                rank=rank.rank, local_rank=rank.local_rank, state=rank.state, gpu=rank.local_rank
            )
            for rank in state.ranks
            if rank.node == node.name
        )
        load = NodeLoad(
            time=NOW - 1,
            cpus=96,
            cpu_percent=31.0 + number,
            load1=30.5,
            mem_total=1024 * GIB,
            mem_used=(400 + 9 * number) * GIB,
            gpus=gpus(number),
        )
        said = NodeState(
            version=1,
            run_id=run_id,
            node=node.name,
            attempt=state.attempt,
            phase=NodePhase.RUNNING,
            agent=ProcessRef(pid=1, starttime=1),
            python="",
            time=NOW - 1,
            seq=1,
            started=NOW - 100,
            ranks=records,
            load=load,
            disk_free=900 * GIB,
        )
        path = run.node(node.name).state
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".new").write_bytes(msgspec.json.encode(said))
        path.with_suffix(".new").rename(path)
