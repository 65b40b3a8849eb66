"""The waiter: one per node of a scheduler's job; starts an agent for each order it is called for.

`--serve DIR` on a shared file system. `DIR/calls/<node>.<n>` (n = 0, 1 ...) names an order's file,
and for one node the program that starts the ranks, if the agents do not;
`DIR/leave` ends the service; `DIR/warned` names a signal to hand to the ranks. The waiter says
`DIR/said/<node>.here` when it has come and `DIR/said/<node>.<n>.ended` when an agent has left.
Whoever starts it must not give it the mark `RANKDECK_NODE`: agents end what carries that.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time

from rankdeck.agent import kernel
from rankdeck.agent.inbox import FreshDirectory
from rankdeck.agent.notes import note
from rankdeck.agent.order import OrderError, read_order
from rankdeck.agent.pick import claim
from rankdeck.agent.signals import WARNINGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rankdeck.agent.order import Order

_EAGER, _PATIENT = 0.1, 0.5
_EAGER_SECONDS = 30.0
"""For so long after something has happened it looks often."""
_BUSY = 1.0
_OF_THE_STEP = (
    "SLURM_NTASKS",
    "SLURM_NPROCS",
    "SLURM_TASKS_PER_NODE",
    "SLURM_STEP",
    "SLURM_CPUS_PER_TASK",
    "SLURM_CPU_BIND",
    "SLURM_DISTRIBUTION",
    "SLURM_PROCID",
    "SLURM_LOCALID",
    "SLURM_GTIDS",
)
_ENDINGS = (signal.SIGTERM, signal.SIGINT)
_HEEDED = (*_ENDINGS, *WARNINGS, signal.SIGHUP, signal.SIGCHLD)
_WRITING_SECONDS = 5.0
"""What a busy node may need of the time before KILL to write down how it ended; half of it at most.
"""


def main(arguments: list[str]) -> int:
    """`--serve DIR [--kill-after SECONDS] [--patience SECONDS]`."""
    parser = argparse.ArgumentParser(prog="agent.pyz --serve", allow_abbrev=False)
    parser.add_argument("directory")
    parser.add_argument("--node", default=os.environ.get("SLURMD_NODENAME", ""))
    parser.add_argument("--kill-after", type=float, default=30.0)
    parser.add_argument("--patience", type=float, default=600.0)
    given = parser.parse_args(arguments)
    if not given.node:
        parser.error("there is no SLURMD_NODENAME: say --node NAME")
    return Waiter(given.directory, given.node, given.kill_after, given.patience).serve()


class Waiter:
    """Waits on one node."""

    def __init__(self, directory: str, node: str, kill_after: float, patience: float) -> None:
        """Args: where calls are, who it is, seconds from TERM to KILL, seconds without a call."""
        self._directory = directory
        self._node = node
        self._kill_after = kill_after
        self._patience = patience
        self._calls = FreshDirectory(f"{directory}/calls")
        self._whole = FreshDirectory(directory)
        self._number = 0
        self._agent: int | None = None
        self._order: Order | None = None
        self._ending = False
        self._warned = False
        self._since = time.monotonic()

    def serve(self) -> int:
        """Serve until told to leave, by whomever; 0 unless nobody has called for too long."""
        kernel.set_name("rankdeck-wait")
        # taken by next_signal below, so that nothing is interrupted and none is lost
        signal.pthread_sigmask(signal.SIG_BLOCK, _HEEDED)
        self._say("here", _process())
        while True:
            self._take(kernel.next_signal(_HEEDED, self._pause()))
            self._reap()
            if self._agent is not None:
                self._pass_on_warning()
                if self._wants_leave():
                    self._end_agent()
                continue
            if self._ending or self._wants_leave():
                return 0
            call = self._called()
            if call is not None:
                self._begin(call["order"], call.get("start") or [])
            elif time.monotonic() - self._since > self._patience:
                note(f"waiter: no order has come for {self._patience:.0f} s: nobody looks after it")
                self._say("left", {"time": time.time()})
                return 1

    def _pause(self) -> float:
        if self._agent is not None:
            return _BUSY
        return _EAGER if time.monotonic() - self._since < _EAGER_SECONDS else _PATIENT

    def _take(self, came: int | None) -> None:
        if came not in _ENDINGS or self._ending:
            return
        self._ending = True
        self._say("told", {"signal": came, "time": time.time()})
        if self._order is not None and self._agent is not None:
            # the agent was probably told too; what matters is that it is done before KILL comes
            name = signal.Signals(came).name
            grace = self._kill_after - min(_WRITING_SECONDS, self._kill_after / 2)
            grace = min(self._order.grace, grace)
            self._tell({"command": "stop", "reason": f"{name} from the scheduler", "grace": grace})

    def _end_agent(self) -> None:
        if not self._ending and self._agent is not None:
            self._ending = True
            os.kill(self._agent, signal.SIGTERM)

    def _wants_leave(self) -> bool:
        self._whole.refresh()
        return _read(f"{self._directory}/leave") is not None

    # Agents

    def _called(self) -> dict[str, Any] | None:
        self._calls.refresh()
        call = _read(f"{self._directory}/calls/{self._node}.{self._number}")
        # a call appears whole, by a rename
        return json.loads(call) if call else None

    def _begin(self, path: str, starter: list[str]) -> None:
        self._since = time.monotonic()
        # of a time limit that is near, the ranks of another attempt want to know, too
        self._warned = False
        try:
            self._order = order = read_order(path)
            if order.external:
                # the shims of its ranks must not start another agent
                claim(order)
            environ = dict(
                os.environ,
                RANKDECK_RUN_ID=order.run_id,
                RANKDECK_NODE=order.node,
                RANKDECK_ATTEMPT=str(order.attempt),
            )
            self._agent = os.posix_spawn(
                sys.executable,
                [sys.executable, "-I", "-S", sys.argv[0], path],
                environ,
                setsigmask=[],
                setsigdef=_HEEDED,
            )
            if order.external:
                self._tell_shims("started", self._agent)
            if starter:
                self._start_ranks(starter, order)
        except (OrderError, OSError) as error:
            note(f"waiter: no agent could be started: {error}")
            self._ended(None)

    def _start_ranks(self, starter: list[str], order: Order) -> None:
        environ = {
            name: value for name, value in os.environ.items() if not name.startswith(_OF_THE_STEP)
        }
        # what it says itself counts for the ranks, not what this waiter was told
        environ["RANKDECK_RANKS_BY"] = "srun"
        os.posix_spawnp(starter[0], starter, environ, setsigmask=[], setsigdef=_HEEDED)

    def _tell_shims(self, what: str, number: int) -> None:
        if self._order is not None and self._order.external:
            with open(f"{self._order.attempt_dir}/leash", "a", encoding="utf-8") as file:
                file.write(f"{what} {number}\n")

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._agent:
                self._ended(status)

    def _ended(self, status: int | None) -> None:
        self._tell_shims("ended", 0 if status is None else status)
        self._say(f"{self._number}.ended", {"status": status, "time": time.time()})
        self._agent = self._order = None
        self._number += 1
        self._since = time.monotonic()

    def _pass_on_warning(self) -> None:
        if self._warned:
            return
        self._whole.refresh()
        name = _read(f"{self._directory}/warned")
        if name:
            self._warned = True
            self._tell({"command": "warn", "signal": name.strip()})

    def _tell(self, command: dict[str, Any]) -> None:
        if self._order is None:
            return
        name = f"{time.time_ns():020d}-{command['command']}.json"
        try:
            _write(f"{self._order.node_dir}/control/{name}", command)
        except OSError as error:
            note(f"waiter: the agent cannot be told: {error}")

    def _say(self, what: str, document: dict[str, Any]) -> None:
        try:
            _write(f"{self._directory}/said/{self._node}.{what}", document)
        except OSError as error:
            note(f"waiter: {what} cannot be said: {error}")


def _process() -> dict[str, Any]:
    stat = kernel.read_stat(os.getpid())
    names = ("SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_NODEID")
    return {
        "pid": os.getpid(),
        "starttime": stat.start if stat is not None else 0,
        "time": time.time(),
        **{name: os.environ.get(name) for name in names},
    }


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return None


def _write(path: str, document: dict[str, Any]) -> None:
    directory, name = os.path.split(path)
    temporary = f"{directory}/.{name}.{os.getpid()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        json.dump(document, file)
    os.rename(temporary, path)
