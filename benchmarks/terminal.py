"""A program on a real terminal: what it writes, keys given to it, and its memory and CPU."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from typing_extensions import Self

SIZE = (120, 40)
_LONGEST = 120.0


class Terminal:
    """One program under a pty; killed at the end of the `with` block."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        self.started = time.perf_counter()
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], list(argv), dict(env))
        size = struct.pack("HHHH", SIZE[1], SIZE[0], 0, 0)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._master)

    def press(self, keys: bytes) -> float:
        """Give it keys; returns when that was (by `perf_counter`)."""
        now = time.perf_counter()
        os.write(self._master, keys)
        return now

    def wait_for(self, marker: bytes, timeout: float = _LONGEST) -> float:
        """Read what it writes until `marker` is in it; returns when that was.

        Raises:
            RuntimeError: It never was.
        """
        tail, deadline = b"", time.perf_counter() + timeout
        while time.perf_counter() < deadline:
            if not select.select([self._master], [], [], 0.5)[0]:
                continue
            try:
                data = os.read(self._master, 65536)
            except OSError:
                break
            tail += data
            if marker in tail:
                return time.perf_counter()
            tail = tail[-65536:]
        raise RuntimeError(f"{marker!r} never appeared; the end of what did: {tail[-2000:]!r}")

    def drain(self, seconds: float) -> int:
        """Read what it writes for a while; returns how many bytes."""
        count, deadline = 0, time.perf_counter() + seconds
        while (left := deadline - time.perf_counter()) > 0:
            if select.select([self._master], [], [], left)[0]:
                count += len(os.read(self._master, 65536))
        return count

    @property
    def resident(self) -> int:
        """Bytes of memory it holds that no file backs (its peak does not count)."""
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as statm:
            fields = statm.read().split()
        return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE")

    @property
    def cpu(self) -> float:
        """Seconds of CPU it has used."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii", errors="replace") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
