"""How a person gets onto a node of a run: the program and its arguments, for each backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from backends.slurm.layout import job_dir
from rankdeck.job.spec import JobSpec
from rankdeck.nodes.node import Node
from rankdeck.plan.build import build_plan
from rankdeck.plan.records import RunIdentity
from rankdeck.run.fold import initial_state
from rankdeck.run.layout import RunDir
from rankdeck.run.process import host_name
from rankdeck.run.shell import shell_command
from rankdeck.run.state import RunPhase

if TYPE_CHECKING:
    from pathlib import Path

NODES = (
    Node(name="n0"),
    Node(name="n1", address="10.0.0.1", user="ada", port=2222),
    Node(name="-oProxyCommand=x"),
)


def write(
    tmp_path: Path,
    backend: str,
    *,
    options: dict[str, str] | None = None,
    state: RunPhase = RunPhase.RUNNING,
    agents: tuple[str | None, ...] = (None, None, None),
) -> RunDir:
    """A run of that backend on the nodes, as far as a shell asks."""
    run = RunDir(tmp_path / "runs" / "r")
    run.path.mkdir(parents=True)
    spec = JobSpec(
        name="j", entry="/p/t.py", project="/p", launcher="direct", backend=backend,
        backend_options=options or {},
    )  # fmt: skip
    plan = build_plan(spec, NODES, RunIdentity(id="r", dir=str(run.path)))
    run.plan.write_bytes(msgspec.json.encode(plan))
    first = initial_state(plan, 0.0)
    nodes = tuple(
        msgspec.structs.replace(node, agent=agent)
        for node, agent in zip(first.nodes, agents, strict=True)
    )
    run.state.write_bytes(
        msgspec.json.encode(msgspec.structs.replace(first, state=state, nodes=nodes))
    )
    return run


@pytest.fixture(autouse=True)
def shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/bin/zsh")


def test_ssh_goes_where_the_run_goes(tmp_path: Path) -> None:
    run = write(tmp_path, "ssh", options={"ssh_config": "/h/config"})
    assert shell_command(run, "n0") == ("ssh", "-F", "/h/config", "--", "n0")
    assert shell_command(run, "n1") == (
        *("ssh", "-F", "/h/config", "-l", "ada", "-p", "2222", "--", "10.0.0.1"),
    )
    assert shell_command(run, "elsewhere") is None


def test_a_name_is_never_an_option(tmp_path: Path) -> None:
    run = write(tmp_path, "ssh")
    assert shell_command(run, "-oProxyCommand=x") == ("ssh", "--", "-oProxyCommand=x")


def test_a_local_run_has_the_users_own_shell_on_its_own_machine(tmp_path: Path) -> None:
    here, far = f"1:2:{host_name()}", "1:2:far.example"
    run = write(tmp_path, "local", agents=(here, far, None))
    assert shell_command(run, "n0") == ("/bin/zsh",)
    assert shell_command(run, "n1") is None


def test_slurm_adds_a_step_to_the_newest_job(tmp_path: Path) -> None:
    run = write(tmp_path, "slurm")
    assert shell_command(run, "n0") is None, "no job has started yet"
    for attempt, start, job in ((0, 0, 77), (0, 1, 77), (1, 0, 78)):
        folder = job_dir(run, attempt).start(start)
        folder.path.mkdir(parents=True)
        folder.allocation.write_text(f"job={job}\nstep=0\nnodes=n[0-1]\n")
    argv = shell_command(run, "n0")
    assert argv is not None
    assert argv[0] == "srun"
    assert {"--jobid=78", "--overlap", "--nodelist=n0", "--nodes=1", "--ntasks=1"} < set(argv)
    assert argv[-2:] == ("--pty", "/bin/zsh")
    assert shell_command(run, "elsewhere") is None


def test_slurm_offers_none_when_the_job_is_over(tmp_path: Path) -> None:
    run = write(tmp_path, "slurm", state=RunPhase.FAILED)
    folder = job_dir(run, 0).start(0)
    folder.path.mkdir(parents=True)
    folder.allocation.write_text("job=77\nstep=0\nnodes=n0\n")
    assert shell_command(run, "n0") is None


def test_a_backend_that_knows_no_way_has_none(tmp_path: Path) -> None:
    assert shell_command(write(tmp_path, "mpi"), "n0") is None
