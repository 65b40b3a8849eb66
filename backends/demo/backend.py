"""DemoBackend: as many nodes as asked for, simulated by one process on this machine.

For newcomers, pictures and tests. Everything below the supervisor is made up; everything above it
(events, states, diagnosis, interface) is the real thing.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec

from backends.demo.gpus import GPUS
from backends.demo.options import OPTIONS
from backends.demo.simulator import SILENT
from rankdeck.backend import AgentLiveness, BackendOption, Capability
from rankdeck.backend_reports import Absent, Ended, LinkDown, NotPlaced, Placed, Swept
from rankdeck.nodes.inventory import select_nodes
from rankdeck.nodes.node import Node
from rankdeck.run.files import write_atomic
from rankdeck.run.process import host_name, start_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rankdeck.agent_order import AgentCommand, AgentOrder
    from rankdeck.ask import Ask
    from rankdeck.backend import Session, SessionContext
    from rankdeck.backend_reports import Report
    from rankdeck.job.spec import JobSpec
    from rankdeck.run.layout import RunDir

_DEFAULT_NODES = 4
_SLOTS = GPUS


class DemoBackend:
    """A cluster that is not there."""

    name = "demo"
    title = "Simulated cluster: nothing is executed"
    capabilities = frozenset({Capability.MULTI_NODE, Capability.SHARED_FILES})
    options: tuple[BackendOption, ...] = OPTIONS

    def nodes(self, spec: JobSpec) -> tuple[Node, ...]:
        """`demo001` and so on, eight slots each."""
        count = max(spec.nnodes or _DEFAULT_NODES, _DEFAULT_NODES)
        digits = max(3, len(str(count)))
        every = tuple(
            Node(name=f"demo{number:0{digits}}", gpus=_SLOTS, cpus=96, slots=_SLOTS)
            for number in range(1, count + 1)
        )
        return select_nodes(spec, every)

    def prepare(self, spec: JobSpec, nodes: Sequence[Node], ask: Ask) -> Mapping[str, str]:
        """There is nothing to ask."""
        return {}

    def open(self, context: SessionContext) -> Session:
        """A session with the simulator."""
        return DemoSession(context.run)

    def reachable_from_here(self, run: RunDir, refs: Sequence[str]) -> bool:
        """Whether the simulator runs, or would run, on this host."""
        return all(ref.rpartition(":")[2] == host_name() for ref in refs)


class DemoSession:
    """Starts one simulator for all nodes of an attempt."""

    def __init__(self, run: RunDir) -> None:
        self._run = run
        self._reports: list[Report] = []
        self._silent: frozenset[str] = frozenset()

    def place(self, orders: Sequence[AgentOrder], *, find_only: bool) -> None:
        """Write the orders down and start their simulator, if it is not there."""
        if not orders:
            return
        if find_only:
            self._reports += [self._find(order) for order in orders]
            return
        try:
            ref = self._simulate(orders)
        except OSError as error:
            message = f"the simulation cannot be started: {error}"
            self._reports += [
                NotPlaced(node=order.node, category="spawn", message=message) for order in orders
            ]
            return
        self._reports += [Placed(node=order.node, ref=ref) for order in orders]

    def _simulate(self, orders: Sequence[AgentOrder]) -> str:
        attempt = orders[0].attempt
        marker = self._run.path / f"demo-simulator-{attempt}"
        if marker.exists():
            return marker.read_text()
        for order in orders:
            node = self._run.node(order.node)
            folders = (node.path, node.control, node.attempt(attempt).path)
            for folder in folders:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomic(node.attempt(attempt).order, msgspec.json.encode(order))
        argv = [sys.executable, "-m", "backends.demo.simulator", str(self._run.path), str(attempt)]
        with open(self._run.path / "demo-simulator.log", "ab") as log:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        ref = f"{process.pid}:{start_time(process.pid) or 0}:{host_name()}"
        write_atomic(marker, ref.encode())
        return ref

    def _find(self, order: AgentOrder) -> Report:
        marker = self._run.path / f"demo-simulator-{order.attempt}"
        if not marker.exists():
            return Absent(node=order.node)
        return Placed(node=order.node, ref=marker.read_text())

    def adopt(self, order: AgentOrder, ref: str) -> None:
        """The reference says it all."""

    def withdraw(self) -> None:
        """Nothing is ever on its way."""

    def reports(self) -> Sequence[Report]:
        """What was done, and which nodes have fallen silent."""
        told, self._reports = self._reports, []
        for node in sorted(self._read_silent() - self._silent):
            told.append(LinkDown(node=node, message=f"{node}: connection timed out (simulated)"))
        self._silent = self._read_silent()
        return told

    def _read_silent(self) -> frozenset[str]:
        try:
            names = (self._run.path / SILENT).read_bytes()
        except OSError:
            return frozenset()
        return frozenset(msgspec.json.decode(names, type=list[str]))

    def liveness(self, node: str, ref: str) -> AgentLiveness:
        """Whether the simulator is there; of a silent node nobody knows."""
        if node in self._silent:
            return AgentLiveness.UNKNOWN
        pid, started, host = ref.split(":", 2)
        if host != host_name():
            return AgentLiveness.UNKNOWN
        _reap(int(pid))
        return AgentLiveness.ALIVE if str(start_time(int(pid))) == started else AgentLiveness.DEAD

    def send(self, node: str, ref: str, command: AgentCommand) -> None:
        """Put a command into the node's inbox."""
        import time

        name = f"{time.time_ns():020d}-{command.command.value}.json"
        write_atomic(self._run.node(node).control / name, msgspec.json.encode(command))

    def sweep(self, node: str) -> None:
        """There are no processes."""
        self._reports.append(Swept(node=node))

    def inquire(self) -> None:
        """Nobody else could know."""
        self._reports.append(Ended())

    def release(self) -> None:
        """End a simulator that is left; what stands in the files stays."""
        for marker in self._run.path.glob("demo-simulator-*"):
            pid, started, host = marker.read_text().split(":", 2)
            if host == host_name() and str(start_time(int(pid))) == started:
                os.kill(int(pid), signal.SIGTERM)

    def close(self) -> None:
        """The simulator goes on."""


def _reap(pid: int) -> None:
    """If it is our child it stays a zombie until somebody looks."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
