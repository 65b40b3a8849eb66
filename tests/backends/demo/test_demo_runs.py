"""Simulated clusters under the real supervisor."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from rankdeck.job.draft import JobDraft
from rankdeck.job.resolve import resolve_job
from rankdeck.run.control import RunCommand, RunCommandKind, send_command
from rankdeck.run.launch import ensure_supervised, submit
from rankdeck.run.lock import lock_holder
from rankdeck.run.node_state import RankState
from rankdeck.run.state import RunPhase
from rankdeck.run.store import RunStore
from rankdeck.run.view import RunReader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rankdeck.run.layout import RunDir
    from rankdeck.run.state import RunState


def wait_for(condition: Callable[[], bool], seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def start(
    root: Path, scenario: str, *, nnodes: int = 3, nproc: int = 4, **options: object
) -> RunDir:
    project = root / "project"
    project.mkdir(exist_ok=True)
    (project / "train.py").write_text("raise SystemExit('nothing may run this')\n")
    given = {"scenario": scenario, "steps": 8, "step_seconds": 0.05, **options}
    draft = JobDraft(
        project=str(project),
        entry="train.py",
        launcher="direct",
        backend="demo",
        nnodes=nnodes,
        nproc_per_node=nproc,
        backend_options=given,
    )
    environ = dict(os.environ)
    store = RunStore(root / "state")
    store.ensure()
    spec = resolve_job(None, draft, project, environ)
    return submit(spec, store, cwd=project, environ=environ)


def final(run: RunDir) -> RunState:
    reader = RunReader(run)
    wait_for(lambda: reader.snapshot().run.state.final)
    wait_for(lambda: lock_holder(run.supervisor_lock) is None)
    return reader.snapshot().run


def test_a_healthy_cluster_trains_to_the_end(tmp_path: Path) -> None:
    run = start(tmp_path, "healthy")
    state = final(run)
    assert state.state is RunPhase.SUCCEEDED
    assert {rank.state for rank in state.ranks} == {RankState.EXITED}
    logs = sorted(run.nodes.glob("*/attempt-0/rank-*.log"))
    assert len(logs) == 12
    assert all("nothing is trained" in log.read_text().splitlines()[0] for log in logs)
    assert all("step 8/8" in log.read_text().splitlines()[-1] for log in logs)


@pytest.mark.parametrize(("scenario", "word"), [("oom", "out of memory"), ("segfault", "SIGSEGV")])
def test_the_rank_that_dies_is_named(tmp_path: Path, scenario: str, word: str) -> None:
    state = final(start(tmp_path, scenario, steps=20, step_seconds=0.2))
    assert state.state is RunPhase.FAILED
    assert state.failure is not None
    assert (state.failure.rank, state.failure.node) == (4, "demo002")
    assert word in state.failure.summary
    assert state.failure.collateral_ranks == (0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11)


def test_a_node_that_falls_silent_is_lost(tmp_path: Path) -> None:
    state = final(start(tmp_path, "node-lost", unreachable_after=2.0, steps=400))
    assert state.state is not RunPhase.SUCCEEDED
    assert {rank.state for rank in state.ranks if rank.node == "demo002"} == {RankState.LOST}


def test_a_hang_is_stopped_by_the_user(tmp_path: Path) -> None:
    run = start(tmp_path, "hang")
    reader = RunReader(run)
    wait_for(lambda: reader.snapshot().ranks[0].step == 4)
    command = RunCommand(command=RunCommandKind.STOP, by="test", time=time.time())
    send_command(run, command)
    state = final(run)
    assert state.state is RunPhase.STOPPED
    assert {rank.state for rank in state.ranks} == {RankState.KILLED}


def test_a_successor_goes_on_where_a_killed_supervisor_was(tmp_path: Path) -> None:
    run = start(tmp_path, "healthy", steps=120)
    reader = RunReader(run)
    wait_for(lambda: (reader.snapshot().ranks[0].step or 0) >= 2)
    pid = lock_holder(run.supervisor_lock)
    assert pid
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: lock_holder(run.supervisor_lock) is None)
    assert ensure_supervised(run)
    assert final(run).state is RunPhase.SUCCEEDED
