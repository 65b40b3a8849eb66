"""SshSession: one run's agents on hosts that are reached over SSH.

A thread per host does the work (`Host`); one more sends what was posted and keeps connections
alive. Everything a courier brings is in the run directory before it is reported.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from backends.ssh.backend import link_options
from backends.ssh.bootstrap import pack_bundle
from backends.ssh.host import Host
from backends.ssh.host_context import HostContext
from backends.ssh.leftovers import LeftBehind, look_for_leftovers
from backends.ssh.link import make_transport
from backends.ssh.options import ssh_options
from backends.ssh.places import Places
from rankdeck.agent import courier_frames as wire
from rankdeck.agent_bundle import agent_bundle
from rankdeck.backend_reports import Ended, Told
from rankdeck.nodes.node import Node

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from backends.ssh.bootstrap import PackedBundle
    from backends.ssh.link import Transport
    from backends.ssh.sync import ProjectCopy
    from rankdeck.agent_order import AgentCommand, AgentOrder
    from rankdeck.backend import AgentLiveness, SessionContext
    from rankdeck.backend_reports import Report
    from rankdeck.plan.records import NodePlan

_CONNECTING = 128
"""How many hosts connect at a time."""
_PULSE_SECONDS = 1.0
_CHECK_SECONDS = 1.0
_RELEASE_SECONDS = 20.0
_RELEASE_UNREACHED_SECONDS = 4.0
_RELEASE_LOOK_SECONDS = 0.02
_JOIN_SECONDS = 2.0


class SshSession:
    """See `rankdeck.backend.Session`."""

    def __init__(
        self, context: SessionContext, make: Callable[[], Transport] | None = None
    ) -> None:
        """`make` gives another transport than the one the options name."""
        options = ssh_options(context.plan.backend_options)
        self._context = context
        self._options = options
        self._make = make or self._make_transport
        self._lock = threading.Lock()
        self._transport: Transport | None = None
        self._bundle: PackedBundle | None = None
        self._reports: deque[Report] = deque()
        self._pulsing = threading.Event()
        self._closed = False
        self._pulse_thread: threading.Thread | None = None
        self._check_due = 0.0
        count = len(context.plan.nodes)
        shared = HostContext(
            transport=self._shared_transport,
            root=Places(options).root,
            bundle=self._shared_bundle,
            pace=wire.message(
                wire.PACE,
                state=min(2.0, max(0.5, count / 128)),
                idle=3.0,
                rate=options.carry_rate * 1e6,
            ),
            patience=options.unreachable_after,
            taken_over=context.taken_over,
            slots=threading.BoundedSemaphore(_CONNECTING),
            copy=self._project_copy(),
            tell=self._tell,
            wake=context.wake,
            pulse=self._pulsing.set,
        )
        self._hosts = {plan.name: self._host(plan, shared) for plan in context.plan.nodes}

    def place(self, orders: Sequence[AgentOrder], *, find_only: bool) -> None:
        """See `Session`."""
        self._begin()
        for order in orders:
            self._hosts[order.node].place(order, find_only=find_only)

    def adopt(self, order: AgentOrder, ref: str) -> None:
        """See `Session`."""
        self._begin()
        self._hosts[order.node].adopt(order, ref)

    def withdraw(self) -> None:
        """See `Session`."""
        for host in self._hosts.values():
            host.withdraw()

    def reports(self) -> Sequence[Report]:
        """See `Session`."""
        now = time.monotonic()
        if now >= self._check_due:
            self._check_due = now + _CHECK_SECONDS
            for host in self._hosts.values():
                host.check(now)
        taken = []
        while self._reports:
            taken.append(self._reports.popleft())
        return taken

    def liveness(self, node: str, ref: str) -> AgentLiveness:
        """See `Session`."""
        return self._hosts[node].liveness(ref)

    def send(self, node: str, ref: str, command: AgentCommand) -> None:
        """See `Session`."""
        self._hosts[node].send(command)

    def sweep(self, node: str) -> None:
        """See `Session`."""
        self._hosts[node].sweep()

    def inquire(self) -> None:
        """See `Session`. Nothing stands above the agents that could have ended them."""
        self._tell(Ended())

    def release(self) -> None:
        """See `Session`. Brings home what is left and removes what lies on the nodes.

        Nodes that cannot be reached are left to a process that looks for them for a while.
        """
        left_behind = self.release_within(_RELEASE_SECONDS, unreached=_RELEASE_UNREACHED_SECONDS)
        if left_behind:
            names = ", ".join(agent.order.node for agent in left_behind)
            try:
                look_for_leftovers(self._context, left_behind, self._context.secrets)
            except OSError as error:
                self._tell(Told(message=f"processes may be left on {names}: {error.strerror}"))
            else:
                message = f"processes may be left on {names}; they are ended once it is reached"
                self._tell(Told(message=message))

    def release_within(self, seconds: float, unreached: float | None = None) -> list[LeftBehind]:
        """Release and close; returns what is on nodes even after that time.

        `unreached`: seconds after which it gives up where none of those nodes can be reached.
        """
        began = time.monotonic()
        hosts = list(self._hosts.values())
        for host in hosts:
            host.leave()
        while waiting := [host for host in hosts if not host.left]:
            now = time.monotonic()
            for host in waiting:
                host.check(now)
            reached = unreached is None or any(host.reached for host in waiting)
            if now - began > (seconds if reached else unreached or 0.0):
                break
            time.sleep(_RELEASE_LOOK_SECONDS)
        self.close()
        return [left for host in waiting if (left := host.left_behind) is not None]

    def close(self) -> None:
        """See `Session`."""
        self._closed = True
        self._pulsing.set()
        for host in self._hosts.values():
            host.close()
        deadline = time.monotonic() + _JOIN_SECONDS
        for host in self._hosts.values():
            host.join(max(0.0, deadline - time.monotonic()))
        with self._lock:
            if self._transport is not None:
                self._transport.close()
                self._transport = None

    def _begin(self) -> None:
        if self._pulse_thread is None:
            self._pulse_thread = threading.Thread(target=self._pulse, name="ssh-pulse", daemon=True)
            self._pulse_thread.start()

    def _pulse(self) -> None:
        while not self._closed:
            self._pulsing.wait(_PULSE_SECONDS)
            self._pulsing.clear()
            now = time.monotonic()
            for host in self._hosts.values():
                host.pulse(now)

    def _tell(self, report: Report) -> None:
        self._reports.append(report)
        self._context.wake()

    def _host(self, plan: NodePlan, shared: HostContext) -> Host:
        node = Node(name=plan.name, address=plan.address, user=plan.user, port=plan.port)
        return Host(node, self._context.run.node(plan.name), shared)

    def _shared_transport(self) -> Transport:
        with self._lock:
            if self._transport is None:
                self._transport = self._make()
            return self._transport

    def _make_transport(self) -> Transport:
        return make_transport(link_options(self._options), self._context.secrets)

    def _shared_bundle(self) -> PackedBundle:
        with self._lock:
            if self._bundle is None:
                home = self._context.run.path.parent.parent
                self._bundle = pack_bundle(agent_bundle(home / "cache"))
            return self._bundle

    def _project_copy(self) -> ProjectCopy | None:
        project = self._context.plan.project
        if not self._options.sync or not project:
            return None
        from backends.ssh.sync import ProjectCopy

        output = self._context.plan.output_dir
        if os.path.basename(output) == self._context.run.id:
            output = os.path.dirname(output)  # other runs' outputs lie beside it
        home = os.fspath(self._context.run.path.parent.parent)
        return ProjectCopy(project, (output, home), self._tell)
