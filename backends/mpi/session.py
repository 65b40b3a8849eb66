"""MpiSession: one mpirun per attempt starts an agent on every node; files do the rest.

The run directory is on a file system that all nodes share: orders, commands, states and logs lie
there. mpirun itself is never told anything; a stop reaches the agents through their inboxes.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from msgspec.structs import replace

from backends.mpi.commands import Commands
from backends.mpi.folder import MpiFolder
from backends.mpi.job import Job, find_job, start_job
from backends.mpi.messages import MPIRUN, Cause, end_cause, named, ssh_cause, start_cause
from backends.mpi.options import mpi_options
from backends.mpi.program import Flavour
from backends.mpi.sweeping import Sweeping
from rankdeck.agent_order import EXTERNAL
from rankdeck.backend import AgentLiveness
from rankdeck.backend_reports import Absent, Ended, NotPlaced, Placed, Told
from rankdeck.errors import ExitCode, UserError
from rankdeck.run.files import write_atomic
from rankdeck.run.process import host_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rankdeck.agent_order import AgentCommand, AgentOrder
    from rankdeck.backend import SessionContext
    from rankdeck.backend_reports import Report

_LOOK_SECONDS = 0.1
_REFRESH_SECONDS = 1.0
_SETTLE_SECONDS = 0.5
"""By which what was written before mpirun's end can be read."""
_END_SECONDS = 1.0
"""By which agents have left when mpirun ends because they have."""
_INQUIRY_SECONDS = 3.0
_HANG_SECONDS = 3.0
"""By which mpirun ends when it could not reach a node."""
_QUIET_SECONDS = 12.0
"""Silence of an agent after which it is no longer taken for granted."""
_TAKEN_SECONDS = 5.0
"""By which an agent that has taken its order has started, or never will."""
_LEAVING_SECONDS = 3.0
_SWEEP_SECONDS = 20.0


class MpiSession:
    """See the module."""

    def __init__(self, context: SessionContext) -> None:
        self._run = context.run
        self._plan = context.plan
        self._options = mpi_options(context.plan.backend_options)
        self._environ: Mapping[str, str] = (
            dict(os.environ) if context.environ is None else context.environ
        )
        self._folder = MpiFolder(context.run)
        self._addresses = {node.name: node.address for node in context.plan.nodes}
        self._look_first = context.taken_over
        self._commands = Commands(
            context.run, context.plan, self._folder, self._options, self._environ
        )
        self._reports: list[Report] = []
        self._sweeping = Sweeping(self._folder, self._commands.sweep, self._environ)
        self._begin(-1)

    def _begin(self, attempt: int) -> None:
        self._attempt = attempt
        self._job: Job | None = None
        self._orders: dict[str, AgentOrder] = {}
        self._open: set[str] = set()
        self._placed: set[str] = set()
        self._left: set[str] = set()
        self._heard: dict[str, tuple[int, float]] = {}
        self._deadline = 0.0
        self._refused_at = time.monotonic()
        self._looked = self._refreshed = 0.0
        self._told_end = False
        self._inquired: float | None = None
        self._taken_since: float | None = None

    # Placing

    def place(self, orders: Sequence[AgentOrder], *, find_only: bool) -> None:
        """Start an mpirun for the orders, or find the one that was started for them."""
        if orders and orders[0].attempt != self._attempt:
            self._begin(orders[0].attempt)
        self._take(orders)
        if self._job is None and (self._look_first or find_only):
            self._job = self._find()
        if self._job is None and find_only:
            self._give_up(None)
        elif self._job is None:
            self._start(orders)
        self._look_first = False

    def adopt(self, order: AgentOrder, ref: str) -> None:
        """Look after an agent that an earlier supervisor placed."""
        if order.attempt != self._attempt:
            self._begin(order.attempt)
        self._take([order])
        self._open.discard(order.node)
        self._placed.add(order.node)
        if self._job is None:
            self._job = self._find()

    def withdraw(self) -> None:
        """Give up what has not started yet: an order that is claimed here starts nowhere."""
        if self._open:
            self._give_up(None)
        if self._job is not None and not self._placed and not self._open:
            self._job.kill()
        self._deadline = min(self._deadline, time.monotonic() + _LEAVING_SECONDS)

    def _take(self, orders: Sequence[AgentOrder]) -> None:
        for order in orders:
            self._orders[order.node] = order
            self._open.add(order.node)
        self._deadline = time.monotonic() + self._options.start_timeout

    def _find(self) -> Job | None:
        record = self._folder.read_record(self._attempt)
        if record is not None:
            return Job(record)
        return find_job(str(self._folder.orders(self._attempt)))

    def _start(self, orders: Sequence[AgentOrder]) -> None:
        if any(self._folder.is_claimed(order) for order in orders):
            # an earlier mpirun got this far, and is gone: nothing is started twice
            self._give_up(Cause(category=MPIRUN, message="mpirun is gone"))
            return
        spawn = EXTERNAL if self._options.per_rank else orders[0].spawn
        carried = [replace(order, shared_dir=True, spawn=spawn) for order in orders]
        folder, attempt = self._folder, self._attempt
        try:
            line = self._commands.agents(carried, attempt)
            script = self._commands.ssh_script(attempt)
            addresses = [self._addresses[order.node] for order in orders]
            folder.prepare(attempt, carried, addresses, script)
            self._job = start_job(line, self._environ, str(folder.log(attempt)))
            write_atomic(folder.record(attempt), _encoded(self._job))
        except UserError as error:
            self._give_up(Cause(category=MPIRUN, message=error.message, hint=error.hint))
        except OSError as error:
            where = error.filename or self._folder.path
            self._give_up(
                Cause(
                    category=MPIRUN, message=f"mpirun cannot be started: {where}: {error.strerror}"
                )
            )

    # Listening

    def reports(self) -> Sequence[Report]:
        """What has become known since the last call."""
        now = time.monotonic()
        if now - self._looked >= _LOOK_SECONDS or self._reports:
            self._looked = now
            self._look(now)
        self._reports += self._sweeping.answers()
        told, self._reports = self._reports, []
        return told

    def _look(self, now: float) -> None:
        for name in sorted(self._open, key=list(self._orders).index):
            if self._folder.leash(self._orders[name]).started:
                self._answer_placed(name)
        self._refresh(now)
        job = self._job
        if job is None:
            self._look_after_taken(now)
            return
        if job.has_ended() and job.ended_at is not None:
            since = now - job.ended_at
            if self._open and since >= _SETTLE_SECONDS:
                self._give_up(self._why_not_started(job))
                # not before that: this look may come late, and nobody has taken what is given up
                self._look_after_taken(now)
            if self._inquired is not None:
                self._tell_end(job)
            elif not self._told_end and since >= _END_SECONDS:
                self._told_end = True
                if self._placed and (self._staying() or job.status not in (0, None)):
                    self._tell_end(job)
        elif self._open and (now >= self._deadline or self._refused(now)):
            self._give_up(None, late=True)
            if not self._placed:
                job.kill()
        self._lose_patience(now)

    def _lose_patience(self, now: float) -> None:
        """Answer that nothing is known, unless all agents have left: then mpirun is to end too."""
        waited = 0.0 if self._inquired is None else now - self._inquired
        if waited >= _INQUIRY_SECONDS and self._staying():
            self._inquired = None
            self._reports.append(Ended())

    def _look_after_taken(self, now: float) -> None:
        """Answer orders that were taken before mpirun went, by who cannot be found any more."""
        if not self._open:
            self._taken_since = None
        elif self._taken_since is None:
            self._taken_since = now
        elif now - self._taken_since >= _TAKEN_SECONDS:
            for name in sorted(self._open):
                # it may have started after all: then it is heard, else its silence tells
                self._answer_placed(name)

    def _answer_placed(self, name: str) -> None:
        self._open.discard(name)
        self._placed.add(name)
        ref = self._job.ref if self._job is not None else f"0:0:{host_name()}"
        self._reports.append(Placed(node=name, ref=ref))

    def _refresh(self, now: float) -> None:
        """States that have just appeared are not seen by a network file system's client."""
        if now - self._refreshed < _REFRESH_SECONDS:
            return
        self._refreshed = now
        for name in self._placed - self._left:
            if self._heard.get(name, (0, 0.0))[0] == 0:
                self._folder.refresh(name)
                self._hear(name, now)

    def _staying(self) -> list[str]:
        """Placed agents that have not left."""
        for name in self._placed - self._left:
            if self._has_left(self._orders[name]):
                self._left.add(name)
        return sorted(self._placed - self._left)

    def _tell_end(self, job: Job) -> None:
        self._inquired = None
        who = f"pid {job.record.pid} on {job.record.host}"
        cause = named(end_cause(self._folder.said(self._attempt), job.status, who), self._addresses)
        self._reports.append(
            Ended(category=cause.category, message=cause.message, hint=cause.hint, node=cause.node)
        )

    # Giving up

    def _why_not_started(self, job: Job) -> Cause:
        cause = start_cause(self._folder.said(self._attempt), job.status)
        return named(cause, self._addresses)

    def _give_up(self, cause: Cause | None, *, late: bool = False) -> None:
        """Answer every open order that can be kept from starting now; `cause`: of them all."""
        given_up = [
            name
            for name, order in self._orders.items()
            if name in self._open and self._folder.claim(order)
        ]
        blamed = self._ssh_causes(given_up) if cause is not None or late else {}
        if not blamed and given_up:
            if late:
                blamed = {name: self._late(name) for name in given_up}
            elif cause is not None:
                node = cause.node if cause.node in given_up else given_up[0]
                blamed = {str(node): cause}
        for name in sorted(given_up, key=lambda name: name not in blamed):
            self._open.discard(name)
            why = blamed.get(name)
            if why is None:
                self._reports.append(Absent(node=name))
            else:
                self._reports.append(
                    NotPlaced(node=name, category=why.category, message=why.message, hint=why.hint)
                )

    def _refused(self, now: float) -> bool:
        """Whether ssh has failed for a node, and mpirun (MPICH's) waits for it all the same."""
        if not self._ssh_causes(sorted(self._open)):
            self._refused_at = now
        return now - self._refused_at >= _HANG_SECONDS

    def _ssh_causes(self, names: Sequence[str]) -> dict[str, Cause]:
        causes = {}
        for name in names:
            said = self._folder.ssh_said(self._attempt, self._addresses[name])
            if said:
                causes[name] = ssh_cause(name, self._addresses[name], said)
        return causes

    def _late(self, name: str) -> Cause:
        return Cause(
            category=MPIRUN,
            message=f"mpirun had not started the agent on {name} after"
            f" {self._options.start_timeout:g} s",
            hint="is the node up, and the run directory on a file system it shares?"
            " More time: --start-timeout",
        )

    # Agents

    def liveness(self, node: str, ref: str) -> AgentLiveness:
        """Whether the agent is there: it is while mpirun is, unless it has left or is silent."""
        order = self._orders.get(node)
        if order is None:
            return AgentLiveness.UNKNOWN
        if node in self._left or self._has_left(order):
            self._left.add(node)
            return AgentLiveness.DEAD
        now = time.monotonic()
        self._hear(node, now)
        quiet = now - self._heard[node][1] >= _QUIET_SECONDS
        return AgentLiveness.UNKNOWN if quiet else AgentLiveness.ALIVE

    def _has_left(self, order: AgentOrder) -> bool:
        if self._folder.leash(order).ended:
            return True
        # mpirun may have killed who would have said so; the agent's own last word is enough then
        job = self._job
        gone = job is not None and job.has_ended() and job.ended_at is not None
        return gone and self._folder.is_done(order)

    def _hear(self, node: str, now: float) -> None:
        try:
            changed = os.stat(self._run.node(node).state).st_mtime_ns
        except OSError:
            changed = 0
        if node not in self._heard or self._heard[node][0] != changed:
            self._heard[node] = (changed, now)

    def send(self, node: str, ref: str, command: AgentCommand) -> None:
        """Put a command into the agent's inbox.

        Raises:
            UserError: It cannot be written.
        """
        try:
            self._folder.send(node, command)
        except OSError as error:
            raise UserError(
                f"{self._run.node(node).control}: the agent cannot be told to"
                f" {command.command.value}: {error.strerror}",
                exit_code=ExitCode.UNUSABLE,
            ) from error

    def sweep(self, node: str) -> None:
        """End every process of the run there, through an mpirun of its own."""
        self._sweeping.begin(node, time.monotonic() + _SWEEP_SECONDS)

    def inquire(self) -> None:
        """Why did agents end: mpirun tells, if it has ended too."""
        job = self._job
        self._inquired = time.monotonic()
        if job is not None and job.has_ended():
            self._tell_end(job)

    # The end

    def release(self) -> None:
        """End mpirun, and what agents that did not leave may have left."""
        deadline = time.monotonic() + _LEAVING_SECONDS
        while self._staying() and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        for name in (*self._staying(), *self._half_started()):
            self.sweep(name)
        self._sweeping.finish()
        for answer in self._sweeping.answers():
            if answer.error:
                self._reports.append(Told(node=answer.node, message=answer.error))
        if self._job is not None:
            self._job.kill()

    def _half_started(self) -> list[str]:
        """Nodes without an agent on which MPICH may have left its proxy."""
        if self._job is None or self._commands.mpi.flavour is not Flavour.HYDRA:
            return []
        names = [name for name in self._orders if name not in self._placed]
        failed = self._ssh_causes(names)
        return [name for name in names if name not in failed]

    def close(self) -> None:
        """Nothing is held."""


def _encoded(job: Job) -> bytes:
    import msgspec

    return msgspec.json.encode(job.record)
