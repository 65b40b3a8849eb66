"""`--pick LIST`: one of several processes that one program (mpirun) started, one on each node.

It takes its node's order from the list, starts the agent detached, and stays as the *leash*: what
the program does to it, it tells the agent; when it is killed, the agent ends its ranks in order.
`attempt-<k>/claim` belongs to whoever makes it first: nobody else carries the order out. Into
`attempt-<k>/leash`, which exists, it writes when the agent has started and when it has left.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time

from rankdeck.agent import kernel
from rankdeck.agent.network import Lookup, interfaces
from rankdeck.agent.order import Order, OrderError, read_order
from rankdeck.agent.signals import WARNINGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Mapping

RANK_VARIABLES = ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID")
# they describe this process; libraries would take them for a description of the ranks
FOREIGN = ("OMPI_", "ORTE_", "PRTE_", "PMIX_", "PMI_", "HYDRA_", "HYDI_", "MPIR_", "MPI_LOCAL")
_DESCRIPTORS = 1024
_ENDINGS = (signal.SIGTERM, signal.SIGINT)
HEEDED = (*_ENDINGS, *WARNINGS, signal.SIGHUP, signal.SIGCHLD)


def main(arguments: list[str]) -> int:
    """`--pick LIST`; 0 whatever becomes of the agent: a failure would make mpirun kill the rest."""
    if len(arguments) != 1:
        sys.exit("usage: agent.pyz --pick LIST")
    with open(arguments[0], encoding="utf-8") as file:
        entries: list[dict[str, Any]] = json.load(file)["orders"]
    path = entries[choose(entries, first_number(os.environ, RANK_VARIABLES))]["order"]
    try:
        order = read_order(path)
    except OrderError as error:
        sys.exit(f"agent: {error}")
    if not claim(order):
        return 0
    return Leash(order, path).hold()


def first_number(environ: Mapping[str, str], names: tuple[str, ...]) -> int:
    """The first of these variables that is a number; they say which process this is."""
    for name in names:
        if environ.get(name, "").isdigit():
            return int(environ[name])
    sys.exit(f"agent: none of {', '.join(names)} says which process this is")


def choose(entries: list[dict[str, Any]], place: int) -> int:
    """Which entry is this host's; that at `place` where no name or address tells.

    mpirun may put processes on hosts in another order than that of its host list.
    """
    if len(entries) == 1:
        return 0
    names = _names()
    fitting = [i for i, entry in enumerate(entries) if names & {entry["node"], entry["address"]}]
    if not fitting:
        own = {interface.address for interface in interfaces()}
        lookups = [Lookup(entry["address"]) for entry in entries]
        fitting = [i for i, lookup in enumerate(lookups) if own.intersection(lookup.addresses())]
    if len(fitting) == 1:
        return fitting[0]
    if place >= len(entries):
        sys.exit(f"agent: this is process {place}, but there are {len(entries)} orders")
    return place


def claim(order: Order) -> bool:
    """Make the order one's own; False: it is somebody else's already."""
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        os.close(os.open(f"{order.attempt_dir}/claim", flags, 0o600))
    except FileExistsError:
        return False
    return True


class Leash:
    """Holds one agent."""

    def __init__(self, order: Order, path: str) -> None:
        self._order = order
        self._path = path
        self._starter = os.getppid()
        self._told = False

    def hold(self) -> int:
        """Start the agent and stay until it has left."""
        kernel.set_name("rankdeck-leash")
        # taken by next_signal below, so that nothing is interrupted and none is lost
        signal.pthread_sigmask(signal.SIG_BLOCK, HEEDED)
        agent = self._start()
        self._say("started", os.getpid())
        # whoever started this may be killed as well
        kernel.die_with_parent(signal.SIGTERM)
        while True:
            if os.getppid() != self._starter:
                self._stop("SIGTERM")
            came = kernel.next_signal(HEEDED, 1.0)
            if came is not None:
                self._take(signal.Signals(came))
            pid, status = os.waitpid(agent, os.WNOHANG)
            if pid:
                self._say("ended", status)
                return 0

    def _start(self) -> int:
        order = self._order
        environ = {name: v for name, v in os.environ.items() if not name.startswith(FOREIGN)}
        # a sweep finds the agent by them
        environ.update(
            RANKDECK_RUN_ID=order.run_id,
            RANKDECK_NODE=order.node,
            RANKDECK_ATTEMPT=str(order.attempt),
        )
        leash = os.getpid()
        pid = os.fork()
        if pid:
            return pid
        kernel.die_with_parent(signal.SIGTERM)
        if os.getppid() != leash:
            os._exit(127)  # it was killed before that could take effect
        # mpirun kills its children's whole groups
        os.setsid()
        os.closerange(3, _DESCRIPTORS)  # who started this waits for some of them to be closed
        for number in HEEDED:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEEDED)
        try:
            os.execve(
                sys.executable, [sys.executable, "-I", "-S", sys.argv[0], self._path], environ
            )
        finally:
            os._exit(127)

    def _take(self, came: signal.Signals) -> None:
        if came in _ENDINGS:
            self._stop(came.name)
        elif came in WARNINGS:
            tell(self._order, {"command": "warn", "signal": came.name[3:]})

    def _stop(self, name: str) -> None:
        if not self._told:
            self._told = True
            tell(self._order, {"command": "stop", "reason": f"{name} from mpirun"})

    def _say(self, what: str, number: int) -> None:
        stat = kernel.read_stat(os.getpid())
        words = (what, number, stat.start if stat else 0, os.uname().nodename, time.time())
        path = f"{self._order.attempt_dir}/leash"
        with open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "w") as file:
            file.write(" ".join(map(str, words)) + "\n")


def tell(order: Order, command: dict[str, Any]) -> None:
    """Put a command into the agent's inbox."""
    inbox = f"{order.node_dir}/control"
    name = f"{time.time_ns():020d}-{command['command']}.json"
    temporary = f"{inbox}/.{name}.{os.getpid()}"
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            json.dump(command, file)
        os.rename(temporary, f"{inbox}/{name}")
    except OSError as error:
        print(f"agent: it cannot be told: {error}", file=sys.stderr, flush=True)


def agent_is_there(order: Order) -> bool | None:
    """Whether the agent has started and not left; None: it has not started yet."""
    with open(f"{order.attempt_dir}/leash", "rb") as file:
        words = [line.partition(b" ")[0] for line in file]
    return b"ended" not in words if words else None


def _names() -> set[str]:
    name = os.uname().nodename
    return {name, name.partition(".")[0]}
