from __future__ import annotations

import os
import signal
import socket
import sys
import time
import uuid
from typing import TYPE_CHECKING

import msgspec
import pytest

from backends.local import LocalBackend
from rankdeck.agent_order import AgentCommand, AgentCommandKind, AgentOrder
from rankdeck.backend import AgentLiveness, backend_names, load_backend
from rankdeck.errors import UserError
from rankdeck.job.spec import JobSpec
from rankdeck.run.layout import RunDir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOST = socket.gethostname()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunDir]:
    run = RunDir(tmp_path / "home" / "runs" / f"20261121-104512-x-{uuid.uuid4().hex[:12]}")
    run.path.mkdir(parents=True)
    yield run
    LocalBackend().sweep(run, HOST)


def order_for(run: RunDir, *argv: str, **fields: object) -> AgentOrder:
    settings: dict[str, object] = {"attempt": 0, "python": sys.executable, **fields}
    return AgentOrder(
        run_id=run.id,
        node=HOST,
        node_dir=str(run.node(HOST).path),
        node_rank=0,
        nnodes=1,
        nproc=1,
        first_rank=0,
        world_size=1,
        spawn="ranks",
        launcher="direct",
        argv=argv or ("/bin/sleep", "300"),
        env={},
        cwd="/",
        **settings,  # type: ignore[arg-type]
    )


def spec(**fields: object) -> JobSpec:
    return JobSpec(name="x", entry="/x", project="/", **fields)  # type: ignore[arg-type]


def test_it_is_found_by_name() -> None:
    assert isinstance(load_backend("local"), LocalBackend)
    assert backend_names()[0] == "local"
    with pytest.raises(UserError, match="no backend named 'cloud'") as caught:
        load_backend("cloud")
    assert "local" in caught.value.hint


def test_this_machine_is_the_only_node() -> None:
    (node,) = LocalBackend().nodes(spec(nnodes=1))
    assert node.name == HOST
    assert node.cpus == len(os.sched_getaffinity(0))
    with pytest.raises(UserError, match="one node, the job asks for 2"):
        LocalBackend().nodes(spec(nnodes=2))


def test_an_agent_lives_in_a_session_of_its_own_and_obeys(run: RunDir) -> None:
    backend, order = LocalBackend(), order_for(run)
    ref = backend.place(run, order, {"PATH": os.environ["PATH"], "MINE": "x"})
    pid = int(ref.split(":")[0])
    assert os.getsid(pid) == pid
    assert backend.liveness(run, HOST, ref) is AgentLiveness.ALIVE
    wait_for(run.node(HOST).state.exists)
    with open(f"/proc/{pid}/environ", "rb") as stream:
        environ = stream.read().split(b"\0")
    assert f"RANKDECK_RUN_ID={run.id}".encode() in environ
    assert b"MINE=x" in environ
    assert not any(entry.startswith(b"HOME=") for entry in environ), "only what it was given"
    backend.send(run, HOST, ref, AgentCommand(command=AgentCommandKind.KILL))
    wait_for(lambda: backend.liveness(run, HOST, ref) is AgentLiveness.DEAD)


def test_an_agent_is_found_again_by_its_order(run: RunDir) -> None:
    backend, order = LocalBackend(), order_for(run)
    assert backend.recover(run, order) is None
    ref = backend.place(run, order, None)
    wait_for(run.node(HOST).state.exists)
    assert backend.recover(run, order) == ref
    assert backend.recover(run, order_for(run, attempt=1)) is None


def test_a_reference_means_that_very_process(run: RunDir) -> None:
    backend = LocalBackend()
    me = f"{os.getpid()}:1:{HOST}"
    assert backend.liveness(run, HOST, me) is AgentLiveness.DEAD, "the pid was used again"
    assert backend.liveness(run, HOST, f"{os.getpid()}:1:elsewhere") is AgentLiveness.UNKNOWN


def test_only_this_host_can_look_after_its_agents(run: RunDir) -> None:
    backend = LocalBackend()
    assert backend.reachable_from_here(run, [f"1:1:{HOST}"])
    assert not backend.reachable_from_here(run, [f"1:1:{HOST}", "1:1:elsewhere"])


def test_a_sweep_ends_everything_and_only_of_the_run(run: RunDir) -> None:
    backend = LocalBackend()
    ref = backend.place(run, order_for(run, "/bin/sh", "-c", "setsid sleep 300 & sleep 300"), None)
    os.posix_spawn("/bin/sleep", ["sleep", "300"], {"RANKDECK_RUN_ID": run.id})
    other = os.posix_spawn("/bin/sleep", ["sleep", "300"], {"RANKDECK_RUN_ID": run.id + "x"})
    wait_for(run.node(HOST).state.exists)
    os.kill(int(ref.split(":")[0]), signal.SIGSTOP)
    try:
        assert backend.sweep(run, HOST) == ()
        assert os.waitpid(other, os.WNOHANG)[0] == 0
    finally:
        os.kill(other, signal.SIGKILL)
        os.waitpid(other, 0)
    wait_for(lambda: backend.liveness(run, HOST, ref) is AgentLiveness.DEAD)


def test_commands_of_an_earlier_attempt_are_not_for_the_next(run: RunDir) -> None:
    backend = LocalBackend()
    backend.send(run, HOST, "1:1:x", AgentCommand(command=AgentCommandKind.STOP))
    assert len(list(run.node(HOST).control.iterdir())) == 1
    backend.place(run, order_for(run, attempt=1), None)
    assert list(run.node(HOST).control.iterdir()) == []


def test_an_interpreter_is_looked_for_where_the_job_would(run: RunDir) -> None:
    backend = LocalBackend()
    folder = os.path.dirname(sys.executable)
    name = os.path.basename(sys.executable)
    assert backend.place(run, order_for(run, python=name), {"PATH": folder})
    with pytest.raises(UserError, match="cannot be started") as caught:
        backend.place(run, order_for(run, python="/no/such/python"), None)
    assert "--python" in caught.value.hint


def test_a_run_directory_that_cannot_be_written(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "runs" / "gone")
    with pytest.raises(UserError, match="cannot be prepared"):
        LocalBackend().place(run, order_for(run), None)
    (tmp_path / "runs").write_text("")
    with pytest.raises(UserError, match="cannot be told to stop"):
        LocalBackend().send(run, HOST, "1:1:x", AgentCommand(command=AgentCommandKind.STOP))


def test_orders_are_private(run: RunDir) -> None:
    LocalBackend().place(run, order_for(run), None)
    path = run.node(HOST).attempt(0).order
    assert path.stat().st_mode & 0o777 == 0o600
    assert msgspec.json.decode(path.read_bytes(), type=AgentOrder).run_id == run.id
