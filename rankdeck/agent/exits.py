"""One place to wait: process ends, signals, the guardian's end. Statuses are the kernel's own.

A rank may be a grandchild that torchrun reaps. A pidfd wakes us when it ends; its status is then
read from the zombie, or, if it was reaped faster, from the pidfd itself where the kernel can.
"""

from __future__ import annotations

import os
import select

from rankdeck.agent import kernel
from rankdeck.agent.processes import reap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rankdeck.agent.signals import Signals


class Exit:
    """How a process ended."""

    __slots__ = ("code", "core_dumped", "signal", "source")

    def __init__(self, code: int | None, signal: int | None, core: bool, source: str) -> None:
        self.code = code
        self.signal = signal
        self.core_dumped = core
        self.source = source

    @property
    def clean(self) -> bool:
        """Whether it was exit code 0."""
        return self.code == 0


def exit_from_status(status: int, source: str = "kernel") -> Exit:
    """Decode a wait status."""
    if os.WIFSIGNALED(status):
        return Exit(None, os.WTERMSIG(status), os.WCOREDUMP(status), source)
    return Exit(os.WEXITSTATUS(status), None, False, source)


class Exits:
    """Watches processes; `wait()` returns what has ended since."""

    def __init__(self, signals: Signals, guardian_fd: int) -> None:
        self._epoll = select.epoll()
        self._signals = signals
        self._guardian_fd = guardian_fd
        self._epoll.register(signals.fd, select.EPOLLIN)
        self._epoll.register(guardian_fd, select.EPOLLIN | select.EPOLLHUP)
        self._pidfds: dict[int, int] = {}
        self._polled: set[int] = set()
        self.guardian_gone = False
        self.stop_asked = False

    def watch(self, pid: int) -> bool:
        """Watch a process that may be anybody's child; False: it is gone already."""
        pidfd = kernel.open_pidfd(pid)
        if pidfd is not None:
            self._pidfds[pidfd] = pid
            self._epoll.register(pidfd, select.EPOLLIN)
            return True
        if kernel.read_stat(pid) is None:
            return False
        self._polled.add(pid)  # a kernel without pidfds
        return True

    def wait(self, seconds: float) -> dict[int, Exit | None]:
        """Wait for anything to happen; ended pids with how, None where that stayed unknown."""
        ended: dict[int, Exit | None] = {}
        for fd, _ in self._epoll.poll(max(seconds, 0.0)):
            if fd == self._signals.fd:
                self.stop_asked |= self._signals.stop_asked()
            elif fd == self._guardian_fd:
                self.guardian_gone = True
                self._epoll.unregister(fd)
            else:
                pid = self._pidfds.pop(fd)
                ended[pid] = _status_of(pid, fd)
                self._epoll.unregister(fd)
                os.close(fd)
        for pid in list(self._polled):
            stat = kernel.read_stat(pid)
            if stat is None or stat.ended:
                self._polled.remove(pid)
                ended[pid] = exit_from_status(stat.exit_status) if stat else None
        for pid, status in reap():
            ended[pid] = exit_from_status(status)
        return ended


def _status_of(pid: int, pidfd: int) -> Exit | None:
    stat = kernel.read_stat(pid)
    if stat is not None and stat.ended:
        return exit_from_status(stat.exit_status)
    status = kernel.reaped_status(pidfd)
    return None if status is None else exit_from_status(status)
