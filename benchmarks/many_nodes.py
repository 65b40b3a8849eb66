"""One run of 256 simulated nodes: what it costs the supervisor while all of them train.

Simulated are the network and the agents: a socket instead of SSH, and one process that writes
what 256 agents would. The couriers, the session and the supervisor are the real ones; what SSH
itself costs per connection is measured by `ssh-many`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.harness import MIB, Goal, Report, tree_usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from rankdeck.nodes.node import Node

NODES = 256
RANKS = 8
_SETTLE_SECONDS = 8.0
_SAMPLE_SECONDS = 20.0
_WAIT = 120.0
_HEARTBEAT = 2.0
_LINE_SECONDS = 1.0


def measure(repeats: int) -> Report:
    """All nodes train; one rank of each prints a line a second, all report their load."""
    cpu: list[float] = []
    memory: list[float] = []
    start: list[float] = []
    for _ in range(max(1, repeats // 3)):
        with tempfile.TemporaryDirectory() as folder:
            started, used, resident = _one(Path(folder))
        start.append(started)
        cpu.append(used)
        memory.append(resident)
    goals = (
        Goal("supervisor CPU", max(cpu), 20, "% of a core"),
        Goal("supervisor memory (resident)", max(memory), 150, "MiB"),
    )
    figures = {
        "supervisor CPU (% of a core)": cpu,
        "supervisor memory (MiB)": memory,
        "until every rank runs (s, couriers on the same cores)": start,
    }
    return Report(f"{NODES} simulated nodes × {RANKS} ranks", figures, "", goals)


def _one(folder: Path) -> tuple[float, float, float]:
    run = _make_run(folder)
    wire = folder / "wire"
    environ = {**os.environ, "RANKDECK_HOME": str(folder / "home")}
    this = [sys.executable, "-m", "benchmarks.many_nodes"]
    far = subprocess.Popen([*this, "far", str(wire), str(folder / "far")], env=environ)
    _until(wire.exists, "the far side")
    began = time.monotonic()
    near = subprocess.Popen([*this, "near", str(wire), str(run)], env=environ)
    try:
        _until(lambda: _ranks(run, "stepping") == NODES * RANKS, "every rank", near)
        started = time.monotonic() - began
        time.sleep(_SETTLE_SECONDS)
        before = tree_usage(near.pid)[0]
        time.sleep(_SAMPLE_SECONDS)
        after, resident = tree_usage(near.pid)
        if _ranks(run, "stepping") != NODES * RANKS:
            raise RuntimeError("not all ranks were running until the end")
        return started, 100 * (after - before) / _SAMPLE_SECONDS, resident / MIB
    finally:
        near.kill()
        near.wait()
        far.terminate()
        far.wait()


def _make_run(folder: Path) -> Path:
    from rankdeck.job.spec import JobSpec
    from rankdeck.nodes.node import Node
    from rankdeck.plan.build import build_plan
    from rankdeck.plan.records import RunIdentity
    from rankdeck.run.launch import create_run
    from rankdeck.run.launch_env import LaunchEnv
    from rankdeck.run.layout import RunDir
    from rankdeck.run.store import RunStore

    store = RunStore(folder / "home")
    store.ensure()
    project = folder / "project"
    project.mkdir()
    spec = JobSpec(
        name="many",
        entry=str(project / "train.py"),
        project=str(project),
        launcher="direct",
        backend="ssh",
        nproc_per_node=RANKS,
        backend_options={"node_dir": str(folder)},
    )
    nodes = tuple(Node(name=f"n{number:03}", user="bench") for number in range(NODES))
    run = RunDir(store.runs_dir / "20260101-000000-many-0000")
    plan = build_plan(spec, nodes, RunIdentity(id=run.id, dir=str(run.path)))
    create_run(run, plan, LaunchEnv.of(folder, os.environ))
    return run.path


def _ranks(run: Path, state: str) -> int:
    try:
        document = json.loads((run / "state.json").read_text())
    except FileNotFoundError:
        return 0
    return sum(rank["state"] == state for rank in document["ranks"])


def _until(
    look: Callable[[], object], what: str, process: subprocess.Popen[bytes] | None = None
) -> None:
    deadline = time.monotonic() + _WAIT
    while not look():
        if time.monotonic() > deadline or (process is not None and process.poll() is not None):
            raise RuntimeError(f"never came: {what}")
        time.sleep(0.1)


# The near side: the real supervisor, connected by sockets


class _SocketStream:
    """A courier behind a socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def write(self, data: bytes) -> None:
        self._connection.sendall(data)

    def close_input(self) -> None:
        self._connection.shutdown(socket.SHUT_WR)

    def read(self, size: int = 65536) -> bytes:
        return self._connection.recv(size)

    def error_text(self) -> str:
        return ""

    def exit_status(self) -> int | None:
        return None

    def close(self) -> None:
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


class _SocketLink:
    def __init__(self, node: Node, path: str) -> None:
        self.host = node.name
        self.peer_address = ""
        self._path = path

    def exec(self, command: str) -> _SocketStream:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self._path)
        return _SocketStream(connection)

    def close(self) -> None:
        return None


class _SocketTransport:
    def __init__(self, path: str) -> None:
        self._path = path

    def connect(self, node: Node) -> _SocketLink:
        return _SocketLink(node, self._path)

    def close(self) -> None:
        return None


def near(wire: str, run: str) -> None:
    """Supervise the run over sockets."""
    from backends.ssh import session
    from rankdeck.run import supervisor

    session.make_transport = lambda options, secrets: _SocketTransport(wire)  # type: ignore[assignment]
    supervisor.main([run])


# The far side: real couriers, and one process in place of all agents


def far(wire: str, root: str) -> None:
    """Serve a courier to whoever connects."""
    from rankdeck.agent import courier, courier_watch  # noqa: F401 (children share them)

    os.makedirs(f"{root}/runs", mode=0o700)
    agents = os.fork()
    if agents == 0:
        _be_all_agents(root)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{wire}.new")
    listener.listen(NODES)
    os.rename(f"{wire}.new", wire)
    children = [agents]

    def end(number: int, frame: object) -> None:
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        connection, _ = listener.accept()
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            listener.close()
            _be_courier(connection, root, agents)
        connection.close()
        children.append(child)


def _be_courier(connection: socket.socket, root: str, agents: int) -> None:
    from rankdeck.agent import courier
    from rankdeck.agent import courier_frames as frames
    from rankdeck.agent.courier_start import AgentProcess, boot_id
    from rankdeck.agent.kernel import read_stat

    def pretend(node_dir: str, order: dict[str, Any], bundle: str) -> AgentProcess:
        stat = read_stat(agents)
        process = AgentProcess(agents, stat.start if stat else 0, boot_id())
        os.makedirs(f"{node_dir}/attempt-0", mode=0o700, exist_ok=True)
        os.makedirs(f"{node_dir}/control", mode=0o700, exist_ok=True)
        Path(f"{node_dir}/attempt-0/.agent").write_text(process.ref)
        Path(f"{node_dir}/order.new").write_text(json.dumps(order))
        os.rename(f"{node_dir}/order.new", f"{node_dir}/order")
        return process

    courier.start_agent = pretend
    with connection.makefile("rb") as said:
        said.read(int(said.readline()))
        said.readline()
        connection.sendall(frames.MARK + b'{"have": true}\n')
    try:
        courier.Courier(root, "", connection.fileno(), connection.fileno()).run()
    finally:
        os._exit(0)


class _PretendedAgent:
    """What one agent would write."""

    def __init__(self, folder: str, order: dict[str, Any], now: float) -> None:
        self._folder = folder
        self._order = order
        self._phase = "ready"
        self._began = time.time()
        self._seq = 0
        self._step = 0
        self._size = 0
        # not all in the same moment, as agents are not
        self._state_due = now + _HEARTBEAT * order["node_rank"] / NODES
        self._line_due = now + _LINE_SECONDS * order["node_rank"] / NODES
        self._write()

    def turn(self, now: float) -> None:
        if self._phase == "ready":
            if any(name.endswith("-go.json") for name in os.listdir(f"{self._folder}/control")):
                self._phase = "running"
                self._write()
            return
        if now >= self._line_due:
            self._line_due += _LINE_SECONDS
            self._step += 1
            line = f"step {self._step}/100000 loss {1 / self._step:.4f}\n"
            with open(f"{self._folder}/attempt-0/rank-{self._order['first_rank']}.log", "a") as log:
                log.write(line)
            self._size += len(line)
        if now >= self._state_due:
            self._state_due += _HEARTBEAT
            self._write()

    def _write(self) -> None:
        self._seq += 1
        order, wall = self._order, time.time()
        name = order["node"]
        ranks = [self._rank(order["first_rank"] + local, local) for local in range(RANKS)]
        document = {
            "version": 1, "run_id": order["run_id"], "node": name, "attempt": 0,
            "phase": self._phase, "agent": {"pid": 4711, "starttime": 1, "host": name},
            "python": "/usr/bin/python3 (3.11.7)", "time": wall, "seq": self._seq,
            "started": self._began, "ended": None, "master_port": 29500,
            "network": {"hostname": name, "own": [f"10.1.0.{order['node_rank'] % 250}"],
                        "addresses": [f"10.1.0.{order['node_rank'] % 250}"], "master": []},
            "launcher": None, "ranks": ranks,
            "load": {"time": wall, "cpus": 64, "cpu_percent": 40 + self._seq % 7 / 3,
                     "load1": 30.5, "mem_total": 1 << 39, "mem_used": (1 << 38) + self._seq * 4096},
            "disk_free": (1 << 40) - self._seq * 4096, "problem": None, "stop": None,
            "outcome": None,
        }  # fmt: skip
        temporary = f"{self._folder}/state.json.new"
        Path(temporary).write_text(json.dumps(document, separators=(",", ":")))
        os.rename(temporary, f"{self._folder}/state.json")

    def _rank(self, rank: int, local: int) -> dict[str, Any]:
        running = self._phase == "running"
        first = local == 0
        return {
            "rank": rank, "local_rank": local, "state": "stepping" if running else "pending",
            "pid": 1000 + local if running else None, "starttime": 5 if running else None,
            "times": {"spawned": self._began, "output": self._began, "stepping": self._began}
            if running else {},
            "exit_code": None, "signal": None, "core_dumped": False, "exit_source": None,
            "log_bytes": self._size if first else 0, "last_output": time.time() if first else None,
            "last_line": f"step {self._step}/100000" if first else "",
            "step": self._step if first else 1, "total_steps": 100000,
            "metrics": {"loss": 1 / max(self._step, 1)} if first else {},
            "cpu_percent": 99.0 + (self._seq + rank) % 5 / 4, "rss_bytes": 4 << 30, "threads": 90,
            "error": None,
        }  # fmt: skip


def _be_all_agents(root: str) -> None:
    agents: dict[str, _PretendedAgent] = {}
    while True:
        now = time.monotonic()
        if len(agents) < NODES:
            for order in Path(root, "runs").glob("*/*/order"):
                if str(order.parent) not in agents:
                    made = _PretendedAgent(str(order.parent), json.loads(order.read_text()), now)
                    agents[str(order.parent)] = made
        for agent in agents.values():
            agent.turn(now)
        time.sleep(0.05)


if __name__ == "__main__":
    {"near": near, "far": far}[sys.argv[1]](*sys.argv[2:])
