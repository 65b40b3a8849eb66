"""One mpirun: started as a session of its own, found again, ended with all that it began."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from backends.mpi.folder import JobRecord
from rankdeck.command_log import executed
from rankdeck.run.process import host_name, start_time

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEFAULTED = (
    signal.SIGPIPE,
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGCHLD,
    signal.SIGXFSZ,
)
# of a run that this one may have been started in
_MARKS = ("RANKDECK_RUN_ID", "RANKDECK_NODE", "RANKDECK_ATTEMPT")
_KILL_SECONDS = 3.0


class Job:
    """A process that was started by this supervisor or an earlier one."""

    def __init__(self, record: JobRecord) -> None:
        self.record = record
        self.status: int | None = None
        """As subprocess gives it; None while it runs, and where nobody could see it."""
        self.ended_at: float | None = None
        """By the monotonic clock, when it was seen to have ended."""

    @property
    def ref(self) -> str:
        """By which another process finds it again."""
        return f"{self.record.pid}:{self.record.starttime}:{self.record.host}"

    def has_ended(self) -> bool:
        """Look whether it has ended."""
        if self.ended_at is None and not self._is_there():
            self.ended_at = time.monotonic()
        return self.ended_at is not None

    def kill(self) -> None:
        """End it at once, with what it has started on this host."""
        if self.record.host != host_name():
            return
        deadline = time.monotonic() + _KILL_SECONDS
        while (left := session_members(self.record.pid)) and time.monotonic() < deadline:
            for pid in left:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            self.has_ended()
            time.sleep(0.02)

    def _is_there(self) -> bool:
        record = self.record
        if record.host != host_name():
            return True  # for all that can be known here
        try:
            pid, status = os.waitpid(record.pid, os.WNOHANG)
        except ChildProcessError:
            return start_time(record.pid) == record.starttime
        if pid:
            self.status = os.waitstatus_to_exitcode(status)
        # a child that cannot be waited for yet is there, whatever /proc says: one of several
        # threads is a zombie there before the last of them has ended
        return pid == 0


def start_job(argv: list[str], environ: Mapping[str, str], log: str) -> Job:
    """Start a program detached, its output appended to a file.

    Raises:
        OSError: It cannot be executed.
    """
    pid = os.posix_spawn(
        argv[0],
        argv,
        {name: value for name, value in environ.items() if name not in _MARKS},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=[],
        setsigdef=_DEFAULTED,
    )
    executed(argv, why="start the agents of all nodes")
    return Job(JobRecord(pid, start_time(pid) or 0, host_name()))


def find_job(argument: str) -> Job | None:
    """The process of this user and host that has this word in its command line."""
    wanted, uid = os.fsencode(argument), os.geteuid()
    for name in os.listdir("/proc"):
        with suppress(OSError):
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == uid:
                pid = int(name)
                with open(f"/proc/{pid}/cmdline", "rb") as stream:
                    words = stream.read().split(b"\0")
                # its children, the agents of this host, have the same word
                if wanted in words and os.getsid(pid) == pid:
                    return Job(JobRecord(pid, start_time(pid) or 0, host_name()))
    return None


def session_members(leader: int) -> list[int]:
    """The living processes of a session."""
    members = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        with suppress(OSError):
            if os.getsid(int(name)) == leader and start_time(int(name)) is not None:
                members.append(int(name))
    return members
