"""Patient: matches lines with Python's `re` in a process of its own, and gives up at a deadline.

Some expressions take ages with some lines, and Python stands still meanwhile. The process ends
itself when a batch of lines has taken too long, or when nobody asks any more.
"""

from __future__ import annotations

import contextlib
import signal
import struct
import sys
import threading
import weakref
from array import array
from pathlib import Path
from typing import TYPE_CHECKING

from rankdeck.errors import UserError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence

_CHILD = Path(__file__).with_name("patient_child.py")
_SECONDS = 2.0
"""CPU time that a batch of lines may take."""
_HINT = "write it without repetitions inside of repetitions"
_IDLE = 20.0
"""Seconds after which a process that nobody asks ends."""


class Patient:
    """One expression; several threads may ask, one after another."""

    def __init__(
        self, pattern: bytes, name: str, *, seconds: float = _SECONDS, idle: float = _IDLE
    ) -> None:
        """Prepare; the process is started with the first lines.

        Args:
            pattern: For `re`, on bytes; it must be valid.
            name: The expression as the user wrote it.
            seconds: CPU time that a batch of lines may take.
            idle: Seconds after which the process ends if nobody asks; the next one is started
                when somebody does.
        """
        self._pattern = pattern
        self._name = name
        self._seconds = seconds
        self._idle = idle
        self._child: subprocess.Popen[bytes] | None = None
        self._end: weakref.finalize[..., Patient] | None = None
        self._asking = threading.Lock()
        self._failure = ""

    def judge(self, lines: Sequence[bytes]) -> list[tuple[int, int] | None]:
        """Where the first match in each line is.

        Raises:
            UserError: It takes too long; so it does from then on.
        """
        if not lines:
            return []
        with self._asking:
            spans = None
            while not self._failure and (spans := self._ask(lines)) is None:
                self._failure = self._why_ended()
            if spans is None:
                raise UserError(f"{self._name!r} {self._failure}", _HINT)
        pairs = zip(spans[::2], spans[1::2], strict=True)
        return [None if begin < 0 else (begin, end) for begin, end in pairs]

    def _why_ended(self) -> str:
        """Why there was no answer; empty: the process had ended because nobody asked."""
        child, self._child = self._child, None
        assert child is not None
        assert self._end is not None
        self._end.detach()
        _close(child)
        ended = child.wait()
        if ended == -signal.SIGALRM:
            return ""
        if ended == -signal.SIGPROF:
            return "takes too long with some lines"
        return f"cannot be looked for: its process ended with {ended}"

    def _ask(self, lines: Sequence[bytes]) -> array[int] | None:
        """Begins and ends for all lines; None: there was no answer."""
        if self._child is None:
            self._child = self._start()
        stdin, stdout = self._child.stdin, self._child.stdout
        assert stdin is not None
        assert stdout is not None
        sizes = array("q", map(len, lines))
        spans = array("q")
        try:
            stdin.write(struct.pack("<q", len(lines)) + sizes.tobytes() + b"".join(lines))
            stdin.flush()
        except BrokenPipeError:
            return None
        answer = stdout.read(2 * len(lines) * spans.itemsize)
        if len(answer) < 2 * len(lines) * spans.itemsize:
            return None
        spans.frombytes(answer)
        return spans

    def _start(self) -> subprocess.Popen[bytes]:
        import subprocess

        child = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_CHILD), str(self._seconds), str(self._idle)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert child.stdin is not None
        child.stdin.write(struct.pack("<q", len(self._pattern)) + self._pattern)
        # when nobody needs this any more, and when Python ends
        self._end = weakref.finalize(self, _end, child)
        return child


def _end(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    _close(child)
    child.wait()


def _close(child: subprocess.Popen[bytes]) -> None:
    for stream in (child.stdin, child.stdout):
        # what was not sent to a process that has ended cannot be flushed
        with contextlib.suppress(BrokenPipeError):
            if stream is not None:
                stream.close()
