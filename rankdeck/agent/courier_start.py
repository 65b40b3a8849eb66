"""Starting an agent that outlives the connection, and finding it again.

The process that becomes the agent records itself in its attempt's folder, under a name that can
be taken only once, before it becomes the agent: whoever is killed in between, and however many
try, at most one agent is ever started for an attempt.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal

from rankdeck.agent.courier_stage import StageError, private_dir, problem_of, write_private
from rankdeck.agent.kernel import read_stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

_RECORD = ".agent"
# about the connection by which the courier came; the agent outlives it
_CONNECTION = ("SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY", "SSH_ORIGINAL_COMMAND")


class AgentProcess:
    """The outer process of an agent, recognisable for ever."""

    def __init__(self, pid: int, start: int, boot: str) -> None:
        self.pid = pid
        self.start = start
        self.boot = boot

    @property
    def alive(self) -> bool:
        """Whether that very process is there."""
        stat = read_stat(self.pid) if self.boot == boot_id() else None
        return stat is not None and stat.start == self.start and not stat.ended

    def terminate(self) -> None:
        """Send TERM to that very process, if it is there."""
        if self.alive:
            # it may end by itself just now
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)

    @property
    def ref(self) -> str:
        """`pid:starttime:boot`."""
        return f"{self.pid}:{self.start}:{self.boot}"


def boot_id() -> str:
    """This boot of the host; empty where the kernel does not tell."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def find_agent(attempt_dir: str) -> AgentProcess | None:
    """The agent that was started for this attempt, alive or not."""
    return _read_record(f"{attempt_dir}/{_RECORD}")


def _read_record(path: str) -> AgentProcess | None:
    try:
        with open(path, encoding="ascii") as file:
            pid, start, boot = file.read().split(":", 2)
            return AgentProcess(int(pid), int(start), boot)
    except (OSError, ValueError):
        return None


def take_over(node_dir: str) -> None:
    """End the courier of a connection that is dead at the other end only, and be the one."""
    import sys

    path = f"{node_dir}/.courier"
    stat = read_stat(os.getpid())
    mine = AgentProcess(os.getpid(), stat.start if stat else 0, boot_id())
    earlier = _read_record(path)
    if earlier is not None and earlier.pid != mine.pid:
        earlier.terminate()
    try:
        write_private(path, mine.ref.encode())
    except OSError as error:
        # a full disk must not keep anybody from hearing the agent
        sys.stderr.write(f"courier: {path}: {error.strerror}\n")


def start_agent(node_dir: str, order: dict[str, Any], bundle: str) -> AgentProcess:
    """Start the agent of this order, unless that has been done: then that one.

    Raises:
        StageError: It cannot be started, and none was.
    """
    attempt_dir = f"{node_dir}/attempt-{order['attempt']}"
    path = f"{attempt_dir}/order.json"
    try:
        for folder in (node_dir, attempt_dir, f"{node_dir}/control"):
            private_dir(folder)
        found = find_agent(attempt_dir)
        if found is not None:
            return found
        for name in os.listdir(f"{node_dir}/control"):
            os.unlink(f"{node_dir}/control/{name}")
        write_private(path, json.dumps(order).encode())
    except OSError as error:
        raise problem_of(error, error.filename or node_dir) from error
    environ = {name: value for name, value in os.environ.items() if name not in _CONNECTION}
    environ["RANKDECK_RUN_ID"] = order["run_id"]
    environ["RANKDECK_NODE"] = order["node"]
    environ["RANKDECK_ATTEMPT"] = str(order["attempt"])
    argv = [_interpreter(order, environ), "-I", "-S", bundle, path]
    return _detach(argv, environ, node_dir, attempt_dir)


def _interpreter(order: dict[str, Any], environ: dict[str, str]) -> str:
    import sys

    python: str = order["python"]
    places = [order.get("path_prefix") or "", environ.get("PATH", os.defpath)]
    found = shutil.which(python, path=":".join(filter(None, places)))
    if found is not None:
        return found
    if order.get("setup"):
        return sys.executable  # the setup may bring it; the agent looks for it afterwards
    raise StageError(
        "no-python",
        f"there is no {python} on {order['node']}",
        "install it there, or choose another interpreter with --python",
    )


def _detach(
    argv: list[str], environ: dict[str, str], node_dir: str, attempt_dir: str
) -> AgentProcess:
    told_read, told_write = os.pipe()  # close-on-exec: it ends when the agent has begun
    log = os.open(f"{node_dir}/agent.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        child = os.fork()
        if child == 0:
            os.setsid()
            if os.fork():
                os._exit(0)
            _become(argv, environ, attempt_dir, log, told_write)
    finally:
        os.close(log)
        os.close(told_write)
    os.waitpid(child, 0)
    with os.fdopen(told_read, "rb") as stream:
        told = stream.read()
    found = find_agent(attempt_dir)
    if not told and found is not None:
        return found
    number, _, what = told.decode("utf-8", "replace").partition(" ")
    error = OSError(int(number or 0), what)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise problem_of(error, attempt_dir)
    reason = os.strerror(error.errno) if error.errno else "it ended at once"
    raise StageError("spawn", f"{argv[0]} cannot be started: {reason}", "choose another --python")


def _become(
    argv: list[str], environ: dict[str, str], attempt_dir: str, log: int, told: int
) -> NoReturn:
    record = f"{attempt_dir}/{_RECORD}"
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for target, source in ((0, null), (1, log), (2, log)):
            os.dup2(source, target)
        for fd in map(int, os.listdir("/proc/self/fd")):
            if fd > 2 and fd != told:
                _close(fd)
        _keep_from_cleaners(os.path.dirname(attempt_dir))
        stat = read_stat(os.getpid())
        mine = AgentProcess(os.getpid(), stat.start if stat else 0, boot_id())
        if not _take(record, mine):
            os._exit(0)  # another one was faster
        os.chdir("/")
        try:
            os.execve(argv[0], argv, environ)
        except OSError:
            os.unlink(record)
            raise
    except OSError as error:
        os.write(told, f"{error.errno} {error.filename}".encode())
    os._exit(127)


def _take(record: str, mine: AgentProcess) -> bool:
    """Record this process as the agent, in full or not at all; False: there is one already."""
    draft = f"{record}-{mine.pid}"
    write_private(draft, mine.ref.encode())
    try:
        os.link(draft, record)
    except FileExistsError:
        return False
    finally:
        os.unlink(draft)
    return True


def _keep_from_cleaners(node_dir: str) -> None:
    """Hold a lock on our root for as long as the agent lives.

    What is old in /tmp is removed by the system, be it still needed or not, except below folders
    that somebody has locked.
    """
    import fcntl

    root = os.path.dirname(os.path.dirname(os.path.dirname(node_dir)))
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    os.set_inheritable(fd, True)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)  # no locks here, or the cleaner is at work: it takes nothing so young


def _close(fd: int) -> None:
    try:
        os.close(fd)
    except OSError:
        return  # the one by which the folder was listed
