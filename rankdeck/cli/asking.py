"""Questions on the terminal: asked on /dev/tty, whatever stdin and stdout are. Ctrl-C means no.

The texts come from other machines (host keys, prompts of keys), so all of them are made safe.
"""

from __future__ import annotations

import os
import sys
import termios
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rankdeck.ask import Nobody
from rankdeck.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rankdeck.ask import Ask

_TERMINAL = "/dev/tty"
_LONGEST = 4096
"""More than any passphrase; a terminal's own line ends there too."""


def terminal_ask() -> Ask:
    """Somebody at the terminal of this process; `Nobody` where there is none to be asked."""
    try:
        terminal = os.open(_TERMINAL, os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError:
        return Nobody()
    try:
        # reading from the background would stop the process, and nobody would know why
        foreground = os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        foreground = False
    finally:
        os.close(terminal)
    return TerminalAsk() if foreground else Nobody()


class TerminalAsk:
    """The user at /dev/tty."""

    def confirm(self, question: str, detail: str) -> bool:
        """Ask until the answer is yes or no; an interrupt or the end of input is no."""
        with _terminal() as terminal:
            # what was typed before the question was seen is no answer to it
            termios.tcflush(terminal, termios.TCIFLUSH)
            _write(terminal, "".join(f"{line}\n" for line in _lines(detail)))
            while True:
                try:
                    _write(terminal, f"{shown(question)} [yes/no] ")
                    line = _read_line(terminal)
                except KeyboardInterrupt:
                    line = None
                if line is None:
                    _write(terminal, "\n")
                    return False
                answer = line.strip().lower()
                if answer in (b"y", b"yes"):
                    return True
                if answer in (b"n", b"no"):
                    return False
                _write(terminal, "Please type yes or no.\n")

    def secret(self, prompt: str) -> str | None:
        """Read a line without showing it; None for an interrupt or an empty line.

        Raises:
            UserError: The terminal would show what is typed.
        """
        with _terminal() as terminal:
            try:
                with _hidden(terminal):
                    _write(terminal, f"{shown(prompt)}: ")
                    line = _read_line(terminal)
            except KeyboardInterrupt:
                line = None
            except termios.error:
                return Nobody().secret(prompt)
            finally:
                _write(terminal, "\n")
        return os.fsdecode(line) if line else None


@contextmanager
def _terminal() -> Iterator[int]:
    # what was printed before must stand before the question
    sys.stdout.flush()
    sys.stderr.flush()
    terminal = os.open(_TERMINAL, os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        yield terminal
    finally:
        os.close(terminal)


@contextmanager
def _hidden(terminal: int) -> Iterator[None]:
    """Nothing that is typed is shown; what was typed before the question is thrown away."""
    before = termios.tcgetattr(terminal)
    hidden = before[:]
    hidden[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSAFLUSH, hidden)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)


def _read_line(terminal: int) -> bytes | None:
    """One line without its end; None at the end of input."""
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(terminal, _LONGEST)
        if not piece:
            return line or None
        line += piece
    return line.rstrip(b"\r\n")


def _write(terminal: int, text: str) -> None:
    data = text.encode(errors="replace")
    while data:
        data = data[os.write(terminal, data) :]


def _lines(detail: str) -> list[str]:
    return [shown(line) for line in detail.splitlines()]
