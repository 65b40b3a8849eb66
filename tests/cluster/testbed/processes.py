"""Processes by pid and start time, so that none is signalled after its pid was given to another."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import BedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PART_OF = "CLUSTER_PART_OF"
"""In the environment of all that a change of a bed starts: its name."""
_THREADS, _STARTED = 17, 19
_INHERITED = ("RANKDECK_TEST_SESSION", PART_OF)
"""Marks by which the test session, and `down`, find what was started."""


@dataclass(frozen=True)
class Process:
    """A process that is told from a later one with the same pid."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Process:
        """The living process with this pid; one that is gone never counts as alive."""
        return cls(pid, _start_time(pid))

    def alive(self) -> bool:
        """Whether it still runs; a zombie does not, however late it is reaped."""
        return bool(self.started) and _start_time(self.pid) == self.started

    def state(self) -> str:
        """One letter, as `ps` has it: `T` for one that is stopped; empty when it is gone."""
        fields = _fields(self.pid)
        return fields[0] if fields and fields[_STARTED] == self.started else ""

    def signal(self, number: int) -> None:
        """Send a signal; none to a process that has ended."""
        if self.alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


def _start_time(pid: int) -> str:
    fields = _fields(pid)
    # a first thread that has ended is a zombie before the others have let go of ports and files
    ended = not fields or (fields[0] in "ZX" and int(fields[_THREADS]) <= 1)
    return "" if ended else fields[_STARTED]


def _fields(pid: int) -> list[str]:
    """What `/proc/PID/stat` has behind the name; empty when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return []


@contextmanager
def marked(name: str) -> Iterator[None]:
    """Whatever is started meanwhile says that it is part of this bed."""
    before = os.environ.get(PART_OF)
    os.environ[PART_OF] = name
    try:
        yield
    finally:
        del os.environ[PART_OF]
        if before is not None:
            os.environ[PART_OF] = before


def parts_of(name: str) -> list[Process]:
    """Everything that was started as part of this bed, wherever it runs by now."""
    mark = f"{PART_OF}={name}".encode()
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            with suppress(OSError):
                if mark in Path("/proc", entry, "environ").read_bytes().split(b"\0"):
                    found.append(Process.of(int(entry)))
    return [process for process in found if process.started]


def clean_environment(home: Path) -> dict[str, str]:
    """What a daemon of a host is started with, whoever started the bed."""
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {"PATH": SYSTEM_PATH, "HOME": str(home), "LANG": "C.UTF-8", "SHELL": "/bin/bash", **kept}


def run(
    argv: Sequence[str],
    *,
    text: str | None = None,
    env: Mapping[str, str] | None = None,
    check: bool = True,
) -> str:
    """Run a command; returns what it printed, both streams.

    Raises:
        BedError: it failed and `check` is set.
    """
    done = subprocess.run(
        argv,
        input=text,
        stdin=subprocess.DEVNULL if text is None else None,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=env,
        check=False,
    )
    if check and done.returncode:
        raise BedError(f"`{' '.join(argv)}` failed ({done.returncode}): {done.stdout.strip()}")
    return done.stdout


def spawn(argv: Sequence[str], log: Path, env: Mapping[str, str]) -> Process:
    """Start a process that outlives this one; its output goes to `log`."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=env,
            cwd="/",
        )
    child.returncode = 0  # the bed looks after it by pid; Popen must not complain that it runs
    return Process.of(child.pid)


def reap(process: Process) -> None:
    """Take the exit status if it was a child of this process."""
    with suppress(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)


def stop(process: Process | None, grace: float = 60.0) -> None:
    """TERM, and KILL after `grace` seconds; returns when it is gone."""
    if process is None:
        return
    process.signal(signal.SIGTERM)
    if not _gone(process, grace):
        kill([process])
    reap(process)


def kill(processes: Iterable[Process]) -> None:
    """KILL all of them and wait until they are gone."""
    processes = list(processes)
    for process in processes:
        process.signal(signal.SIGKILL)
    for process in processes:
        _gone(process, 60.0)
        reap(process)


def _gone(process: Process, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while process.alive():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def wait_until(what: str, ready: Callable[[], object], seconds: float = 90.0) -> None:
    """Wait until `ready()` is true.

    Raises:
        BedError: it was not within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise BedError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.02)
