"""`--shim LIST`: what mpirun or srun starts in place of each rank's program, one per rank.

It waits until the node's agent says go, runs the program with torch.distributed's variables and its
own log, and notes for the agent which process that is and how it ends. The shim of local rank 0
starts the agent, too. It exits with 0 in any case: the supervisor decides what a failure means.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time

from rankdeck.agent import environment, kernel
from rankdeck.agent.external import SHIM_NAME, START_SECONDS, exits_path, go_path
from rankdeck.agent.order import Order, OrderError, read_order
from rankdeck.agent.pick import (
    FOREIGN,
    HEEDED,
    RANK_VARIABLES,
    Leash,
    agent_is_there,
    choose,
    claim,
    first_number,
    tell,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_LOCAL_VARIABLES = ("OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID")
_POLL = 0.05
_ENDINGS = (signal.SIGTERM, signal.SIGINT)


def main(arguments: list[str]) -> int:
    """`--shim LIST`."""
    if len(arguments) != 1:
        sys.exit("usage: agent.pyz --shim LIST")
    with open(arguments[0], encoding="utf-8") as file:
        entries = json.load(file)["orders"]
    number = first_number(os.environ, RANK_VARIABLES)
    place = next(
        (i for i, e in enumerate(entries) if 0 <= number - e["first_rank"] < e["nproc"]), 0
    )
    path = entries[choose(entries, place)]["order"]
    try:
        order = read_order(path)
    except OrderError as error:
        sys.exit(f"agent: {error}")
    local_rank = first_number(os.environ, _LOCAL_VARIABLES)
    if number != order.first_rank + local_rank:
        # its own rank, MPI's, would be another one than everybody is shown
        sys.exit(
            f"agent: process {number} runs on {order.node}, where ranks {order.first_rank} to"
            f" {order.first_rank + order.nproc - 1} belong"
        )
    return Shim(order, path, local_rank).run()


class Shim:
    """Stands for one rank."""

    def __init__(self, order: Order, path: str, local_rank: int) -> None:
        self._order = order
        self._path = path
        self._local_rank = local_rank
        self._rank = order.first_rank + local_rank
        self._leash: int | None = None
        self._program: int | None = None
        self._told = False

    def run(self) -> int:
        """Stay until the program has ended, and with local rank 0 the agent."""
        kernel.set_name(SHIM_NAME)
        signal.pthread_sigmask(signal.SIG_BLOCK, HEEDED)
        if self._local_rank == 0:
            self._begin_agent()
        environ = self._wait_for_go()
        if environ is not None:
            self._start(environ)
        while self._program is not None or self._leash is not None:
            self._wait(1.0)
        return 0

    def _begin_agent(self) -> None:
        if not claim(self._order):
            return
        shim = os.getpid()
        self._leash = os.fork()
        if self._leash:
            return
        try:
            kernel.die_with_parent(signal.SIGTERM)
            if os.getppid() == shim:
                # mpirun kills whole groups; a leash has to see its agent through
                os.setsid()
                os.closerange(3, 1024)
                Leash(self._order, self._path).hold()
        finally:
            os._exit(0)

    def _wait_for_go(self) -> dict[str, str] | None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            found = _read_go(self._order)
            if found is not None:
                return found or None
            there = agent_is_there(self._order)
            if there is False or (there is None and time.monotonic() > deadline):
                return None
            self._wait(_POLL)

    def _wait(self, seconds: float) -> None:
        came = kernel.next_signal(HEEDED, seconds)
        if came in _ENDINGS and not self._told:
            self._told = True
            # the agent ends the ranks, so that it knows who was told to end
            name = signal.Signals(came).name
            tell(self._order, {"command": "stop", "reason": f"{name} from mpirun"})
        self._reap()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._program:
                self._program = None
                _append(exits_path(self._order), f"{self._rank} {pid} {status}\n")
            elif pid == self._leash:
                self._leash = None

    def _start(self, environ: dict[str, str]) -> None:
        order = self._order
        environ = environment.rank_environment(order, environ, self._local_rank)
        # what MPI needs to find the others, it gets from who started us
        by_srun = os.environ.get("RANKDECK_RANKS_BY") == "srun"
        kept = (*FOREIGN, "SLURM_") if by_srun else FOREIGN
        environ.update({n: v for n, v in os.environ.items() if n.startswith(kept)})
        shim = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become(environ, shim)
        self._program = pid
        _append(f"{order.attempt_dir}/spawned", f"{self._rank} {self._local_rank} {pid} 0 0\n")
        if not _read_go(order):
            # a stop came in between, and may have looked for processes before there was this one
            os.kill(pid, signal.SIGKILL)

    def _become(self, environ: dict[str, str], shim: int) -> NoReturn:
        log = os.open(
            f"{self._order.attempt_dir}/rank-{self._rank}.log",
            os.O_WRONLY | os.O_APPEND | os.O_CREAT,
            0o600,
        )
        try:
            kernel.die_with_parent(signal.SIGTERM)
            os.setsid()
            for number in (*HEEDED, signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HEEDED)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.chdir(self._order.cwd)
            environ["PWD"] = self._order.cwd
            environ["RANKDECK_RANK_PID"] = str(os.getpid())
            if os.getppid() == shim:
                os.execvpe(self._order.argv[0], self._order.argv, environ)
        except (OSError, ValueError) as error:
            os.write(log, f"{self._order.argv[0]} cannot be started: {error}\n".encode())
        os._exit(127)


def _read_go(order: Order) -> dict[str, str] | None:
    """The ranks' environment; empty: they shall not start; None: that is not known yet."""
    try:
        with open(go_path(order), encoding="utf-8") as file:
            return json.load(file)["environ"] or {}
    except FileNotFoundError:
        return None


def _append(path: str, line: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(fd, line.encode())
    finally:
        os.close(fd)
