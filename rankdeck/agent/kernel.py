"""What the kernel offers and the standard library does not: subreaper, pidfds, exit statuses.

Nothing here raises for an old kernel or a process that has just gone: the answer is then None
or False, and the caller falls back.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_SYS_PIDFD_OPEN = 434  # the same number on every architecture
_PIDFD_INFO = struct.Struct("=QQ11Ii")
_PIDFD_GET_INFO = (3 << 30) | (_PIDFD_INFO.size << 16) | (0xFF << 8) | 11
_PIDFD_INFO_EXIT = 1 << 3

_libc = ctypes.CDLL(None, use_errno=True)


class Stat:
    """The fields of `/proc/<pid>/stat` that are used here."""

    __slots__ = ("exit_status", "parent", "rss_pages", "start", "state", "threads", "ticks")

    def __init__(self, text: bytes) -> None:
        # the command name may hold spaces and parentheses: count from the last one
        fields = text[text.rindex(b")") + 2 :].split()
        self.state = fields[0].decode()
        self.parent = int(fields[1])
        self.ticks = int(fields[11]) + int(fields[12])
        self.threads = int(fields[17])
        self.start = int(fields[19])
        self.rss_pages = int(fields[21])
        self.exit_status = int(fields[49])

    @property
    def ended(self) -> bool:
        """Whether the process has ended and only waits to be reaped."""
        return self.state in "ZX"


def read_stat(pid: int) -> Stat | None:
    """The process's stat; None when it is gone."""
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
        try:
            return Stat(os.read(fd, 4096))
        finally:
            os.close(fd)
    except (OSError, ValueError, IndexError):
        return None


def bytes_written(pid: int) -> int | None:
    """Bytes a process has handed to `write` so far, to whatever it was; None: it is not known."""
    try:
        with open(f"/proc/{pid}/io", "rb") as file:
            for line in file:
                if line.startswith(b"wchar:"):
                    return int(line.split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return None


def catches(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal, so that it would not end it."""
    return _in_mask(pid, b"SigCgt:", number)


def holds_back(pid: int, number: int) -> bool:
    """Whether a process has a signal blocked, as where a thread waits for it by `sigwait`.

    The kernel shows a thread's signals as free while that thread itself waits for them.
    """
    return _in_mask(pid, b"SigBlk:", number)


def _in_mask(pid: int, mask: bytes, number: int) -> bool:
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            for line in file:
                if line.startswith(mask):
                    return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    except (OSError, ValueError, IndexError):
        return False
    return False


def read_environ(pid: int) -> bytes:
    """The environment a process was started with; empty when it is gone or not ours."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read()
    except OSError:
        return b""


def set_name(name: str) -> None:
    """The name `ps` and `top` show (15 bytes)."""
    _libc.prctl(_PR_SET_NAME, ctypes.c_char_p(name.encode()[:15]), 0, 0, 0)


def die_with_parent(number: int) -> None:
    """Get this signal when the parent ends. Survives an exec, not a fork."""
    zero = ctypes.c_ulong(0)
    _libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(number), zero, zero, zero)


def become_subreaper() -> bool:
    """Orphaned descendants, however they detached, become our children from now on."""
    zero = ctypes.c_ulong(0)
    return bool(_libc.prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), zero, zero, zero) == 0)


def next_signal(numbers: Iterable[int], seconds: float) -> int | None:
    """Take the next of these signals, which must be blocked; None when none comes in that time.

    `signal.sigtimedwait` returns a number that nobody has written when this process was stopped
    and went on just as the time ran out.
    """
    wanted = (ctypes.c_uint64 * 16)()
    for number in numbers:
        _libc.sigaddset(ctypes.byref(wanted), ctypes.c_int(number))
    whole = int(seconds)
    time = (ctypes.c_long * 2)(whole, int((seconds - whole) * 1e9))
    came = int(_libc.sigtimedwait(ctypes.byref(wanted), None, ctypes.byref(time)))
    return came if came > 0 else None


def open_pidfd(pid: int) -> int | None:
    """A descriptor that becomes readable when the process ends; None: gone, or no support."""
    if hasattr(os, "pidfd_open"):
        try:
            return os.pidfd_open(pid, 0)
        except OSError:
            return None
    fd = int(_libc.syscall(_SYS_PIDFD_OPEN, ctypes.c_int(pid), ctypes.c_uint(0)))
    return fd if fd >= 0 else None


def reaped_status(pidfd: int) -> int | None:
    """The wait status of a process somebody else has reaped (Linux 6.15 and later)."""
    buffer = bytearray(_PIDFD_INFO.pack(_PIDFD_INFO_EXIT, *[0] * 13))
    try:
        fcntl.ioctl(pidfd, _PIDFD_GET_INFO, buffer, True)
    except OSError:
        return None
    fields = _PIDFD_INFO.unpack(buffer)
    return int(fields[-1]) if fields[0] & _PIDFD_INFO_EXIT else None
