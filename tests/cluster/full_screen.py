"""A full-screen program on the login node: keys go in, and what the screen shows can be read."""

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

import pyte
import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEADLINE = 90.0


class Screen:
    """One program in a terminal of its own."""

    def __init__(
        self, argv: list[str], env: Mapping[str, str], columns: int = 120, rows: int = 40
    ) -> None:
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._code: int | None = None
        self.raw = bytearray()
        """Everything the program has sent."""
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            # before anything can look at it
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.execvpe(argv[0], argv, {**env, "TERM": "xterm-256color", "COLORTERM": "truecolor"})

    def press(self, keys: str) -> None:
        """Type; control characters are keys."""
        os.write(self._master, keys.encode())

    def press_until(self, key: str, text: str) -> None:
        """Press a key, again if need be: one that comes while a part is laid out is lost."""
        for _ in range(3):
            self.press(key)
            if self._shows((text,), 10.0):
                return
        self.until(text)

    def until(self, *texts: str) -> str:
        """Wait until the screen shows all of these; what it shows then."""
        if not self._shows(texts, _DEADLINE):
            pytest.fail(f"{texts} not shown within {_DEADLINE} s:\n{self._text()}")
        return self._text()

    def _text(self) -> str:
        return "\n".join(line.rstrip() for line in self._screen.display)

    def _shows(self, texts: tuple[str, ...], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not all(text in self._text() for text in texts):
            if time.monotonic() > deadline:
                return False
            if select.select([self._master], [], [], 0.1)[0]:
                self._feed()
        return True

    @property
    def alive(self) -> bool:
        """Whether the program runs."""
        return os.waitpid(self.pid, os.WNOHANG)[0] == 0

    def settle(self, seconds: float) -> None:
        """Wait until nothing has been sent for so long."""
        while select.select([self._master], [], [], seconds)[0]:
            self._feed()

    def _feed(self) -> None:
        try:
            data = os.read(self._master, 65536)
        except OSError:
            pytest.fail(f"the program has gone:\n{self._text()}")
        self._take(data)

    def _take(self, data: bytes) -> None:
        self.raw += data
        self._stream.feed(data)

    def _take_the_rest(self) -> None:
        """What a program said last may still be on its way when it has ended."""
        # where somebody else has the terminal, too, there is no end of it but silence
        while select.select([self._master], [], [], 1.0)[0]:
            try:
                self._take(os.read(self._master, 65536))
            except OSError:
                return

    def ended(self) -> int:
        """Wait until the program has ended by itself; its exit code."""
        deadline = time.monotonic() + _DEADLINE
        while self._code is None:
            if time.monotonic() > deadline:
                pytest.fail(f"it has not ended within {_DEADLINE} s:\n{self._text()}")
            try:
                if select.select([self._master], [], [], 0.05)[0]:
                    self._take(os.read(self._master, 65536))
            except OSError:
                # the other side of the terminal is closed
                time.sleep(0.02)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
                self._take_the_rest()
        return self._code

    def close(self) -> None:
        """End the program as a closed window would."""
        os.close(self._master)
        if self._code is not None:
            return
        os.kill(self.pid, signal.SIGHUP)
        deadline = time.monotonic() + _DEADLINE
        while os.waitpid(self.pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
            time.sleep(0.02)
