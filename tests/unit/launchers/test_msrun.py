"""The msrun launcher. MindSpore is not here: a stand-in `msrun` follows its known contract."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import msgspec
import pytest

from rankdeck.errors import InvalidJobError
from rankdeck.job.draft import JobDraft
from rankdeck.job.resolve import resolve_job
from rankdeck.job.spec import JobSpec
from rankdeck.launchers.base import NodeContext, launcher_names, load_launcher
from rankdeck.nodes.node import Node
from rankdeck.plan.build import build_plan
from rankdeck.plan.records import RunIdentity, Spawn
from rankdeck.run.launch import submit
from rankdeck.run.store import RunStore
from rankdeck.run.view import RunReader

HERE = Path(__file__).parent
CONTEXT = NodeContext(
    node_rank=1, nnodes=2, nproc=4, first_rank=4, world_size=8, master_addr="n0", master_port=0,
    run_id="run-1", python="/env/bin/python",
)  # fmt: skip
PROGRAM = """
import os, subprocess, sys
role, rank = os.environ["MS_ROLE"], os.environ["RANK_ID"]
print(role, rank, os.environ.get("LOCAL_RANK"), os.environ["RANK_SIZE"], sys.argv[1], flush=True)
if role == "MS_WORKER":
    done = subprocess.run(["python3", "-c", "print('child')"], capture_output=True, text=True)
    print(done.stdout.strip(), os.environ["PATH"].count("/msrun/bin"), flush=True)
    if rank == sys.argv[2]:
        raise ValueError("boom")
"""


def test_msrun_is_a_launcher_of_its_own() -> None:
    assert "msrun" in launcher_names()
    launcher = load_launcher("msrun")
    assert (launcher.spawn, launcher.requires_module) == (Spawn.LAUNCHER, "mindspore")


def test_every_node_gets_its_part_of_the_workers() -> None:
    spec = JobSpec(name="a", entry="/p/net.py", project="/p", args=("--x", "a b"))
    command = load_launcher("msrun").command(spec, CONTEXT)
    assert command.argv[:2] == ("bash", "-c")
    assert command.argv[3:] == (
        "/env/bin", "/env/bin/python", "4", "--worker_num=8", "--local_worker_num=4",
        "--node_rank=1", "--join=True", "/p/net.py", "--x", "a b",
    )  # fmt: skip
    patient = msgspec.structs.replace(spec, env={"MS_TOPO_TIMEOUT": "90"})
    assert "--cluster_time_out=90" in load_launcher("msrun").command(patient, CONTEXT).argv


def test_unequal_nodes_are_refused() -> None:
    spec = JobSpec(name="a", entry="/p/net.py", project="/p", nproc_per_node="auto")
    spec = msgspec.structs.replace(spec, launcher="msrun")
    nodes = (Node(name="a", slots=4), Node(name="b", slots=2))
    with pytest.raises(InvalidJobError, match="same number of ranks on every node"):
        build_plan(spec, nodes, RunIdentity(id="run-1"))


def test_the_entry_must_be_a_python_file(tmp_path: Path) -> None:
    (tmp_path / "a.sh").write_text("")
    spec = JobSpec(name="a", entry=str(tmp_path / "a.sh"), project=str(tmp_path))
    assert "is a shell script" in str(load_launcher("msrun").check(spec)[0])


def _run(tmp_path: Path, failing: str) -> RunReader:
    (tmp_path / "bin").mkdir()
    standin = tmp_path / "bin" / "msrun"
    standin.write_text((HERE / "standin_msrun.py").read_text())
    standin.chmod(0o755)
    (tmp_path / "lib" / "mindspore").mkdir(parents=True)
    (tmp_path / "lib" / "mindspore" / "__init__.py").write_text("")
    project = tmp_path / "it's a project"
    project.mkdir()
    (project / "net.py").write_text(PROGRAM)
    environ = dict(os.environ)
    draft = JobDraft(
        project=str(project),
        entry="net.py",
        args=("a b", failing),
        launcher="msrun",
        python=sys.executable,
        nproc_per_node=2,
        env={
            "PATH": f"{tmp_path / 'bin'}:{environ['PATH']}",
            "PYTHONPATH": str(tmp_path / "lib"),
        },
    )
    store = RunStore(tmp_path / "state")
    store.ensure()
    spec = resolve_job(None, draft, project, environ)
    reader = RunReader(submit(spec, store, cwd=project, environ=environ))
    deadline = time.monotonic() + 240
    while not reader.snapshot().run.state.final:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return reader


def _log(reader: RunReader, rank: int) -> list[str]:
    (path,) = reader.dir.path.glob(f"nodes/*/attempt-0/rank-{rank}.log")
    return path.read_text().splitlines()


def test_every_worker_of_a_run_has_its_own_log(tmp_path: Path) -> None:
    reader = _run(tmp_path, "none")
    assert reader.snapshot().run.state.value == "succeeded"
    for rank in (0, 1):
        assert _log(reader, rank) == [f"MS_WORKER {rank} {rank} 2 a b", "child 0"]
    (scheduler,) = reader.dir.path.glob("nodes/*/attempt-0/msrun/scheduler.log")
    assert scheduler.read_text().startswith("MS_SCHED 0")


def test_the_worker_that_fails_is_named(tmp_path: Path) -> None:
    reader = _run(tmp_path, "1")
    state = reader.snapshot().run
    assert state.state.value == "failed"
    assert state.failure is not None
    assert state.failure.rank == 1
    assert "ValueError: boom" in state.failure.summary
