"""SlurmSession: a supervisor's side of one run's jobs. What waits for Slurm waits in a thread."""

from __future__ import annotations

import queue
import threading
import time
import traceback
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from backends.slurm.calls import Ref
from backends.slurm.carrier import Carrier
from backends.slurm.placement import plan_placement
from backends.slurm.queue import SharedQueue
from backends.slurm.release import Release
from backends.slurm.settings import read_settings
from backends.slurm.sweep import sweep_node
from backends.slurm.tools import Slurm
from rankdeck.backend_reports import Told
from rankdeck.errors import ExitCode, UserError
from rankdeck.run.files import write_atomic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rankdeck.agent_order import AgentCommand, AgentOrder
    from rankdeck.backend import AgentLiveness, SessionContext
    from rankdeck.backend_reports import Report

_RELEASE_SECONDS = 20.0


class SlurmSession:
    """Looks after the agents of one run in Slurm's hands."""

    def __init__(self, context: SessionContext) -> None:
        self._run = context.run
        self._wake = context.wake
        self._plan = context.plan
        self._reports: deque[Report] = deque()
        self._slurm = Slurm(context.environ)
        cache = context.run.path.parent.parent / "cache"
        self._queue = SharedQueue(self._slurm, cache)
        self._carrier = Carrier(
            context.run,
            self._slurm,
            self._queue,
            read_settings(context.plan.backend_options),
            self._tell,
            plan=lambda attempt: plan_placement(
                context.plan, context.run, self._slurm.environ, attempt
            ),
            bound=context.taken_over,
        )
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def place(self, orders: Sequence[AgentOrder], *, find_only: bool) -> None:
        """Submit a job, or give the orders to the waiters of one that runs."""
        wanted = tuple(orders)
        if find_only:
            self._do(lambda: self._carrier.find(wanted))
        else:
            self._do(lambda: self._carrier.place(wanted))

    def adopt(self, order: AgentOrder, ref: str) -> None:
        """Look after the job that carries the agent."""
        try:
            found = Ref.parse(ref)
        except ValueError:
            self._tell(Told(node=order.node, message=f"{ref!r} is no agent of Slurm's"))
            return
        self._do(lambda: self._carrier.adopt((found.attempt, found.start)))

    def withdraw(self) -> None:
        """Take a job that has not started out of the queue."""
        self._do(self._carrier.withdraw)

    def reports(self) -> Sequence[Report]:
        """What has become known."""
        found = []
        while self._reports:
            found.append(self._reports.popleft())
        return found

    def liveness(self, node: str, ref: str) -> AgentLiveness:
        """Whether the agent is there, as far as is known."""
        return self._carrier.view.liveness(node, ref)

    def send(self, node: str, ref: str, command: AgentCommand) -> None:
        """Put a file into the agent's inbox.

        Raises:
            UserError: It cannot be written.
        """
        inbox = self._run.node(node).control
        path = inbox / f"{time.time_ns():020d}-{command.command.value}.json"
        try:
            inbox.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomic(path, msgspec.json.encode(command))
        except OSError as error:
            raise UserError(
                f"{inbox}: the agent cannot be told to {command.command.value}: {error.strerror}",
                exit_code=ExitCode.UNUSABLE,
            ) from error

    def sweep(self, node: str) -> None:
        """End what is left on a node, in a thread of its own: Slurm may take long to reach it."""

        def work() -> None:
            self._tell(sweep_node(self._carrier, self._slurm, self._run, self._plan, node))
            self._wake()

        threading.Thread(target=work, name=f"sweep-{node}", daemon=True).start()

    def inquire(self) -> None:
        """Ask Slurm why agents were ended."""
        self._do(self._carrier.inquire)

    def release(self) -> None:
        """Let the waiters go, and see to it that no job of the run is left."""
        done = threading.Event()

        def work() -> None:
            try:
                Release(
                    self._carrier, self._slurm, self._queue, self._run.id, self._tell
                ).carry_out()
            finally:
                done.set()

        self._do(work)
        if not done.wait(_RELEASE_SECONDS):
            self._tell(Told(message="Slurm took too long to confirm the end of the run's job"))

    def close(self) -> None:
        """Let go; the job and its agents live on."""
        if self._thread is not None:
            self._tasks.put(None)
            self._thread.join(2.0)

    # The thread

    def _tell(self, report: Report) -> None:
        self._reports.append(report)

    def _do(self, task: Callable[[], None]) -> None:
        self._tasks.put(task)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="slurm", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            try:
                task = self._tasks.get(timeout=self._carrier.interval)
            except queue.Empty:
                task = _nothing
            if task is None:
                return
            self._guarded(task)
            if self._tasks.empty():
                self._guarded(self._carrier.turn)
            if self._reports:
                self._wake()

    def _guarded(self, work: Callable[[], None]) -> None:
        """A fault of this backend is told and must not leave a run without its watcher."""
        try:
            work()
        except Exception as error:
            traceback.print_exc()
            message = f"the Slurm backend failed: {error!r}; see {self._run.supervisor_log}"
            self._tell(Told(message=message))
            time.sleep(1.0)


def _nothing() -> None:
    """Time for a turn."""
