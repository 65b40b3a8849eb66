"""The interface on a pseudo-terminal of its own, as bytes."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


_MARK = b"\x1b]all has been read\x07"


class Terminal:
    """The interface on a pseudo-terminal of its own."""

    def __init__(self, home: Path, *arguments: str, size: tuple[int, int] = (80, 24)) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self.modes = termios.tcgetattr(slave)
        environ = {
            **os.environ,
            "RANKDECK_HOME": str(home),
            "RANKDECK_CONFIG": str(home / "config"),
            "TERM": "xterm-256color",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rankdeck.cli.entry", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environ,
            start_new_session=True,
        )
        self.slave = slave
        self.text = b""

    def read_until(self, marker: bytes, timeout: float = 90.0) -> None:
        deadline = time.monotonic() + timeout
        while marker not in self.text:
            left = max(0.0, deadline - time.monotonic())
            ready, _, _ = select.select([self.master], [], [], left)
            assert ready, f"{marker!r} never came; the screen was {self.text[-2000:]!r}"
            self.text += os.read(self.master, 65536)

    def ended(self, timeout: float = 90.0) -> int:
        """Its exit code once it has ended; reads on meanwhile, for it may have much to say."""
        deadline = time.monotonic() + timeout
        while self.process.poll() is None:
            assert time.monotonic() < deadline, "it does not end"
            if select.select([self.master], [], [], 0.05)[0]:
                self.text += os.read(self.master, 65536)
        self.drain()
        return self.process.returncode

    def write(self, keys: bytes) -> None:
        """Everything at once, as a terminal that had to wait for its line."""
        os.write(self.master, keys)

    def drain(self) -> None:
        """Read what has been sent, all of it: a mark of our own comes behind it."""
        while select.select([self.master], [], [], 0.2)[0]:
            self.text += os.read(self.master, 65536)
        os.write(self.slave, _MARK)
        self.read_until(_MARK)
        self.text = self.text.replace(_MARK, b"")

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.slave)
        if self.master >= 0:
            os.close(self.master)
