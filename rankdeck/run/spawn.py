"""Starting the supervisor process: early, detached, and without the weight of `subprocess`.

Importing this costs next to nothing, so that a command can start the supervisor's interpreter as
its first act and describe the run while that one is still importing.
"""

from __future__ import annotations

import os
import signal
import sys

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_BOOT = (
    "import sys\n"
    "if not sys.path[0]: del sys.path[0]\n"
    f"sys.path.insert(0, {_ROOT!r})\n"
    "import rankdeck, backends\n"
    "del sys.path[0]\n"
    "from rankdeck.run.supervisor import main\n"
    "main(sys.argv[1:])"
)
"""Runs the supervisor of this very installation, and nothing of the directory it is started in:
`python -m` would import a `copy.py` or `types.py` that lies in the user's project."""
IDENTITY = ("RANKDECK_RUN_ID", "RANKDECK_NODE", "RANKDECK_ATTEMPT", "RANKDECK_RANK_PID")
"""What marks a process as a run's own; a run started inside a run must not inherit it."""


class WaitingSupervisor:
    """A supervisor process that has not been told its run yet; it ends if it never is."""

    __slots__ = ("_pipe", "pid")

    def __init__(self, pid: int, pipe: int) -> None:
        self.pid = pid
        self._pipe = pipe

    def begin(self, run_path: str, secrets: bytes = b"") -> bool:
        """Give it its run, and what only it may know; False when it is not there any more."""
        message = os.fsencode(run_path) + (b"\0" + secrets if secrets else b"")
        try:
            told = os.write(self._pipe, message) == len(message)
            _record(run_path)
            return told
        except BrokenPipeError:
            return False
        finally:
            self.cancel()

    def cancel(self) -> None:
        """Let go of it; without a run it ends by itself."""
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1


_early: WaitingSupervisor | None = None
_children: set[int] = set()
"""Supervisors this process has started; a client that lives on must not keep them as zombies."""


def reap() -> None:
    """Let supervisors that have ended, and are children of this process, go."""
    for pid in tuple(_children):
        try:
            ended = os.waitpid(pid, os.WNOHANG)[0] == pid
        except ChildProcessError:
            ended = True
        if ended:
            _children.discard(pid)


def start_early() -> None:
    """Start a supervisor before anything is known; the next `start_waiting_supervisor` takes it.

    If nothing does, it ends with this process.
    """
    global _early
    _early = start_waiting_supervisor()


def start_waiting_supervisor() -> WaitingSupervisor:
    """A supervisor that waits on a pipe for the path of its run directory."""
    global _early
    if _early is not None:
        waiting, _early = _early, None
        return waiting
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        pid = _spawn([], reading, os.devnull)
    except BaseException:
        os.close(writing)
        raise
    finally:
        os.close(reading)
    return WaitingSupervisor(pid, writing)


def supervisor_command(run_path: str) -> list[str]:
    """What starts a supervisor for a run that is there; it ends at once if there is one."""
    return [sys.executable, "-c", _BOOT, run_path]


def spawn_supervisor(run_path: str, log_path: str) -> int:
    """Start a supervisor for a run that is there; returns its pid."""
    stdin = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        pid = _spawn([run_path], stdin, log_path)
        _record(run_path)
        return pid
    finally:
        os.close(stdin)


def _record(run_path: str) -> None:
    # late: a run is already on its way when this is imported
    from rankdeck.command_log import executed

    executed(supervisor_command(run_path), why="supervise the run")


def _spawn(arguments: list[str], stdin: int, output: str) -> int:
    environ = {name: value for name, value in os.environ.items() if name not in IDENTITY}
    reap()
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-c", _BOOT, *arguments],
        environ,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, stdin, 0),
            (os.POSIX_SPAWN_OPEN, 1, output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        # an interpreter ignores SIGPIPE, a client may ignore others; a new program should not
        setsigmask=[],
        setsigdef=[signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD],
    )
    _children.add(pid)
    return pid
