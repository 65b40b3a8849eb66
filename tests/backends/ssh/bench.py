"""A session and its node without any SSH: the courier runs on this machine, behind pipes.

Only the network is missing: the command line, the bootstrap, the courier, the agent and everything
at home are the real ones.
"""

from __future__ import annotations

import hashlib
import os
import select
import subprocess
import sys
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec
import pytest

from backends.ssh.link import LinkError, LinkFault
from backends.ssh.session import SshSession
from rankdeck.agent_order import AgentCommand, AgentCommandKind, AgentOrder
from rankdeck.backend import SessionContext
from rankdeck.backend_reports import Report
from rankdeck.plan.records import LaunchPlan, NodePlan, Spawn
from rankdeck.run.layout import RunDir
from rankdeck.run.node_state import NodePhase, NodeState

if TYPE_CHECKING:
    from collections.abc import Callable

    from rankdeck.nodes.node import Node

_T = TypeVar("_T")
_R = TypeVar("_R", bound=Report)


def until(look: Callable[[], _T | None], what: str = "", timeout: float = 90.0) -> _T:
    """Call `look` until it returns something true; fail after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (found := look()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout} s: {what or look}")
        time.sleep(0.01)
    return found


class PipeStream:
    """A command behind pipes."""

    def __init__(self, process: subprocess.Popen[bytes], name: str) -> None:
        self.process = process
        self._name = name
        self._broken = False
        self._errors = bytearray()
        self._woken, self._wake = os.pipe()
        self._reader = threading.Thread(target=self._read_errors, daemon=True)
        self._reader.start()

    def write(self, data: bytes) -> None:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self.process.stdin.fileno(), view) :]
        except (OSError, ValueError) as error:
            raise LinkError(LinkFault.LOST, f"{self._name}: the connection broke") from error

    def close_input(self) -> None:
        self.process.stdin.close()

    def read(self, size: int = 65536) -> bytes:
        ready, _, _ = select.select([self.process.stdout, self._woken], [], [])
        if self._broken or self._woken in ready:
            raise LinkError(LinkFault.LOST, f"{self._name}: the connection broke")
        return os.read(self.process.stdout.fileno(), size)

    def error_text(self) -> str:
        self._reader.join(2.0)
        return bytes(self._errors).decode(errors="replace")

    def exit_status(self) -> int | None:
        return None if self._broken else self.process.wait(60)

    def close(self) -> None:
        self.cut()

    def cut(self) -> None:
        """End both pipes, as a connection that breaks does."""
        self._broken = True
        with suppress(OSError, ValueError):
            self.process.stdin.close()
        os.write(self._wake, b"x")

    def _read_errors(self) -> None:
        while data := self.process.stderr.read1(65536):
            self._errors += data


class PipeLink:
    """A host that is this machine."""

    def __init__(self, node: Node, environ: dict[str, str]) -> None:
        self.host = node.name
        self.peer_address = "127.0.0.1"
        self._environ = environ
        self.streams: list[PipeStream] = []

    def exec(self, command: str) -> PipeStream:
        shell = self._environ.get("SHELL", "/bin/sh")
        process = subprocess.Popen(
            [shell, "-c", command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environ,
            cwd="/",
            start_new_session=True,
        )
        self.streams.append(PipeStream(process, self.host))
        return self.streams[-1]

    def close(self) -> None:
        for stream in self.streams:
            stream.close()


class PipeTransport:
    """Makes such hosts; a test says which of them cannot be reached."""

    def __init__(self, environ: dict[str, str]) -> None:
        self._environ = environ
        self.links: list[PipeLink] = []
        self.refuse: dict[str, LinkError] = {}
        self.gate = threading.Event()
        self.gate.set()
        self.attempts = 0

    def connect(self, node: Node) -> PipeLink:
        self.attempts += 1
        self.gate.wait(90.0)
        if node.name in self.refuse:
            raise self.refuse[node.name]
        self.links.append(PipeLink(node, self._environ))
        return self.links[-1]

    def close(self) -> None:
        return None


class Bench:
    """One run on such hosts, and a session that looks after it."""

    def __init__(self, tmp_path: Path, nodes: tuple[str, ...] = ("n1",)) -> None:
        self.id = f"test-{uuid.uuid4().hex[:12]}"
        self.tmp = tmp_path
        self.project = tmp_path / self.id
        self.project.mkdir()
        self.far = tmp_path / "far"
        self.far.mkdir()
        self.run = RunDir(tmp_path / "home" / "runs" / self.id)
        self.run.nodes.mkdir(parents=True, mode=0o700)
        self.nodes = nodes
        self.options: dict[str, str | int | float | bool] = {"node_dir": str(self.far)}
        self.transport = PipeTransport(dict(os.environ, SHELL="/bin/sh"))
        self.woken = threading.Event()
        self.seen: list[Report] = []
        self.session: SshSession = self.open()

    def open(self, *, taken_over: bool = False) -> SshSession:
        """A session; the one before is left as it is."""
        context = SessionContext(
            run=self.run,
            plan=self._plan(),
            environ=dict(os.environ),
            secrets={},
            taken_over=taken_over,
            wake=self.woken.set,
        )
        self.session = SshSession(context, lambda: self.transport)
        self.seen = []
        return self.session

    def order(self, text: str, node: str = "n1", attempt: int = 0, **fields: object) -> AgentOrder:
        """An order whose one rank runs this shell text."""
        values: dict[str, object] = {
            "run_id": self.id,
            "node": node,
            "node_dir": "/nonexistent",
            "attempt": attempt,
            "node_rank": self.nodes.index(node),
            "nnodes": len(self.nodes),
            "nproc": 1,
            "first_rank": self.nodes.index(node),
            "world_size": len(self.nodes),
            "spawn": Spawn.RANKS.value,
            "launcher": "direct",
            "argv": ["/bin/sh", "-c", text],
            "env": {},
            "cwd": str(self.project),
            "python": sys.executable,
            "grace": 3.0,
            **fields,
        }
        return msgspec.convert(values, AgentOrder)

    def place(self, *orders: AgentOrder) -> list[str]:
        """Place agents; their refs."""
        self.session.place(orders, find_only=False)
        from rankdeck.backend_reports import Placed

        return [self.report(Placed, order.node).ref for order in orders]

    def reports(self) -> list[Report]:
        """Everything reported so far."""
        self.seen += self.session.reports()
        return self.seen

    def report(self, kind: type[_R], node: str | None = None, timeout: float = 90.0) -> _R:
        """Wait for a report of this kind."""

        def look() -> _R | None:
            for report in self.reports():
                if isinstance(report, kind) and node in (None, getattr(report, "node", None)):
                    return report
            return None

        return until(look, f"{kind.__name__}; there were {self.seen}", timeout)

    def state(self, node: str = "n1") -> NodeState | None:
        """What is known at home of a node."""
        try:
            return msgspec.json.decode(self.run.node(node).state.read_bytes(), type=NodeState)
        except FileNotFoundError:
            return None

    def until_state(
        self, wanted: Callable[[NodeState], bool], node: str = "n1", timeout: float = 90.0
    ) -> NodeState:
        """Wait for a state that fits."""

        def look() -> NodeState | None:
            self.reports()
            state = self.state(node)
            return state if state is not None and wanted(state) else None

        return until(look, f"last: {self.state(node)}, reports: {self.seen}", timeout)

    def done(self, node: str = "n1", timeout: float = 90.0) -> NodeState:
        """Wait for the agent's last word."""
        return self.until_state(lambda state: state.phase is NodePhase.DONE, node, timeout)

    def send(self, kind: AgentCommandKind, node: str = "n1", **fields: object) -> None:
        """Give a command to the agent."""
        command = msgspec.convert({"command": kind.value, **fields}, AgentCommand)
        self.session.send(node, "", command)

    def far_dir(self, node: str = "n1") -> Path:
        """The node's own directory of the run."""
        (root,) = self.far.glob("rankdeck-*")
        return root / "runs" / self.id / node

    def far_log(self, node: str = "n1", rank: int = 0, attempt: int = 0) -> Path:
        """A rank's log on the node."""
        return self.far_dir(node) / f"attempt-{attempt}" / f"rank-{rank}.log"

    def log(self, node: str = "n1", rank: int = 0, attempt: int = 0) -> bytes:
        """A rank's log at home."""
        path = self.run.node(node).attempt(attempt).log(rank)
        return path.read_bytes() if path.exists() else b""

    def couriers(self) -> list[subprocess.Popen[bytes]]:
        """The couriers of all connections that were made."""
        return [stream.process for link in self.transport.links for stream in link.streams]

    def _plan(self) -> LaunchPlan:
        plans = tuple(
            NodePlan(
                name=name,
                address=name,
                node_rank=number,
                nproc=1,
                first_rank=number,
                argv=("true",),
                env={},
                cwd=str(self.project),
                python=sys.executable,
            )
            for number, name in enumerate(self.nodes)
        )
        return LaunchPlan(
            run_id=self.id,
            name="test",
            backend="ssh",
            launcher="direct",
            spawn=Spawn.RANKS,
            world_size=len(self.nodes),
            nproc_per_node=1,
            master_addr="127.0.0.1",
            master_port=0,
            nodes=plans,
            output_dir=str(self.project / "output"),
            grace=3.0,
            time_limit=None,
            max_restarts=0,
            hooks=False,
            hyperparameters={},
            project=str(self.project),
            backend_options=self.options,
        )

    def clean_up(self) -> None:
        """End whatever a test has left."""
        self.session.close()
        mark = f"RANKDECK_RUN_ID={self.id}".encode()
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                    os.kill(int(entry.name), 9)
        for courier in self.couriers():
            courier.kill()
            courier.wait(60)

    def left(self) -> list[int]:
        """Living processes of the run."""
        mark = f"RANKDECK_RUN_ID={self.id}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
        return found


def digest(data: bytes) -> str:
    """What two logs are compared by; a failing test need not print megabytes."""
    return f"{len(data)} bytes, {hashlib.sha256(data).hexdigest()}"
