"""The daemons of a host, started and stopped one by one, as an administrator would.

A command that starts one returns before it listens; all that is here waits for its pid file, which
each writes once it does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import hosts, slurm_files, ssh_files
from .bed import LOGIN
from .errors import BedError
from .network import at_login, listens
from .processes import Process, clean_environment, run, spawn, stop, wait_until

if TYPE_CHECKING:
    from .bed import Bed, State

ACTIONS = ("start", "stop", "restart")


def sshd(bed: Bed, state: State, name: str, action: str) -> None:
    """The listener only: sessions that are open live on when it stops."""
    path = str(ssh_files.pid_file(bed, name))
    if action in ("stop", "restart"):
        _stop_by_pid_file(bed, state, name, path)
        state.host(name).faults["sshd"] = "stopped"
    if action in ("start", "restart"):
        own = bed.of_host(name)
        words = ["-f", str(own / "sshd_config"), "-E", str(own / "sshd.log")]
        _start_by_pid_file(bed, state, name, path, "/usr/sbin/sshd", *words)
        state.host(name).faults.pop("sshd", None)


def slurmd(bed: Bed, state: State, name: str, action: str) -> None:
    """A node's Slurm daemon; the steps it has started live on when it stops."""
    if name not in state.options.nodes or not state.options.slurm:
        raise BedError(f"{name} has no slurmd")
    if action in ("stop", "restart"):
        _stop_by_pid_file(bed, state, name, slurm_files.SLURMD_PID)
        state.host(name).faults["slurmd"] = "stopped"
    if action in ("start", "restart"):
        _start_by_pid_file(bed, state, name, slurm_files.SLURMD_PID, "/usr/sbin/slurmd")
        state.host(name).faults.pop("slurmd", None)


def slurmctld(bed: Bed, state: State, action: str, *, fresh: bool = False) -> None:
    """The controller on the login node; it finds its jobs again unless it is started `fresh`."""
    if not state.options.slurm:
        raise BedError("this bed has no Slurm")
    if action in ("stop", "restart"):
        stop(state.daemons.pop("slurmctld", None))
        state.host(LOGIN).faults["slurmctld"] = "stopped"
    if action in ("start", "restart"):
        forget = ["-c"] if fresh else []
        state.daemons["slurmctld"] = spawn(
            [*hosts.entry(state, LOGIN), "/usr/sbin/slurmctld", "-D", *forget],
            bed.log / "slurmctld.out",
            clean_environment(bed.home) | bed.environment(),
        )
        with at_login(bed):
            ip = state.host(LOGIN).ip
            wait_until("slurmctld", lambda: listens(ip, slurm_files.CONTROLLER_PORT))
        state.host(LOGIN).faults.pop("slurmctld", None)


def start_login_munged(bed: Bed, state: State) -> None:
    """The login node's munge; a node's init starts its own."""
    bed.sockets.mkdir(exist_ok=True)
    socket = bed.sockets / "munge.socket"
    words = [
        "--foreground",
        "--force",
        f"--key-file={bed.etc}/munge.key",
        f"--socket={socket}",
        f"--pid-file={bed.sockets}/munged.pid",
        f"--log-file={bed.log}/munged.log",
        f"--seed-file={bed.sockets}/munged.seed",
    ]
    state.daemons["munged"] = spawn(
        [*hosts.entry(state, LOGIN), "/usr/sbin/munged", *words],
        bed.log / "munged.out",
        clean_environment(bed.home),
    )
    wait_until("munged", socket.exists)


def wait_for_nodes(bed: Bed, state: State, seconds: float) -> None:
    """Wait until Slurm would give a job every node."""
    nodes = set(state.options.nodes)
    query = ["sinfo", "-h", "-N", "-p", "debug", "-t", "idle", "-o", "%n"]

    def idle() -> bool:
        words = [*hosts.entry(state, LOGIN), *query]
        environment = clean_environment(bed.home) | bed.environment()
        return set(run(words, env=environment, check=False).split()) == nodes

    wait_until("Slurm's nodes", idle, seconds)


def all_began(bed: Bed, state: State, name: str) -> bool:
    """Whether everything that a host's init starts is there, and the init through with it."""
    if name == LOGIN:
        return bool(_number(state, name, str(ssh_files.pid_file(bed, name))))
    own = bed.of_host(name)
    pid_files = {
        str(ssh_files.pid_file(bed, name)): not (own / "nosshd").exists(),
        slurm_files.SLURMD_PID: (own / "slurm").exists(),
    }
    try:
        # the pipe is made behind all mounts: what is at the other paths is the host's own then
        return hosts.seen(state, name, str(bed.sockets / "wait")).exists() and all(
            _number(state, name, path) for path, due in pid_files.items() if due
        )
    except BedError:  # its init is about to begin
        return False


def _start_by_pid_file(bed: Bed, state: State, name: str, path: str, *argv: str) -> None:
    if _running(state, name, path):
        return
    hosts.inside(bed, state, name, "rm", "-f", path)
    hosts.inside(bed, state, name, *argv)
    wait_until(f"{argv[0]} on {name}", lambda: _running(state, name, path))


def _stop_by_pid_file(bed: Bed, state: State, name: str, path: str) -> None:
    stop(_running(state, name, path))
    hosts.inside(bed, state, name, "rm", "-f", path)


def _running(state: State, name: str, path: str) -> Process | None:
    """The process that a pid file names, if it lives."""
    number = _number(state, name, path)
    found = Process.of(number) if name == LOGIN else hosts.processes(state, name).get(number)
    return found if found and found.alive() else None


def _number(state: State, name: str, path: str) -> int:
    """What a pid file says; 0 while it says nothing."""
    try:
        text = hosts.seen(state, name, path).read_text().strip()
    except FileNotFoundError:
        return 0
    return int(text) if text.isdigit() else 0


def restart_all(bed: Bed, state: State, name: str) -> None:
    """Start a host's daemons again, those that run."""
    faults = state.host(name).faults
    own = bed.of_host(name)
    if not (own / "nosshd").exists() and "sshd" not in faults:
        sshd(bed, state, name, "restart")
    if (own / "munge").exists():
        _stop_by_pid_file(bed, state, name, f"{bed.sockets}/munged.pid")
        hosts.inside(bed, state, name, "sh", "-c", _munged(bed, name))
    if (own / "slurm").exists() and "slurmd" not in faults:
        slurmd(bed, state, name, "restart")


def _munged(bed: Bed, name: str) -> str:
    files = {
        "key-file": bed.etc / "munge.key",
        "socket": bed.sockets / "munge.socket",
        "pid-file": bed.sockets / "munged.pid",
        "log-file": bed.of_host(name) / "munged.log",
        "seed-file": bed.sockets / "munged.seed",
    }
    words = " ".join(f"--{option}={path}" for option, path in files.items())
    return f"/usr/sbin/munged --force {words} --num-threads=1"
