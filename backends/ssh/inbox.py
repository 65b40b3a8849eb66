"""Inbox: the output of a remote command on its way from the connection's thread to its reader.

The reader is not woken for every packet but once for all that had arrived, when the connection's
thread is about to wait for more: waking a thread costs more than a packet.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from paramiko.buffered_pipe import BufferedPipe, PipeTimeout

import backends.ssh.lean_paramiko

if TYPE_CHECKING:
    import threading

_SMALL = 16384

assert backends.ssh.lean_paramiko, "is imported before any module of paramiko"


class Wakeups:
    """The readers that a connection's thread has yet to wake up."""

    def __init__(self) -> None:
        self._waiting: list[threading.Condition] = []

    def add(self, condition: threading.Condition) -> None:
        """Wake up whoever waits on this, a little later."""
        if condition not in self._waiting:
            self._waiting.append(condition)

    def flush(self) -> None:
        """Wake them up now."""
        while self._waiting:
            condition = self._waiting.pop()
            with condition:
                condition.notify_all()


class Inbox(BufferedPipe):  # type: ignore[type-arg]
    """One output stream of a command: chunks as they arrived, hardly ever copied.

    Standard output and standard error share a condition, so that one reader can wait for either.
    One thread feeds it and one at a time reads it: then no lock is needed for the bytes.
    """

    def __init__(self, condition: threading.Condition, wakeups: Wakeups) -> None:
        super().__init__()
        self._condition = condition
        self._wakeups = wakeups
        self._chunks: deque[bytes] = deque()
        self._fed = self._taken = 0
        self.ended = False
        """Nothing more will come; what came before is there already."""

    def feed(self, data: bytes | str) -> None:
        """Called by the connection's thread."""
        assert isinstance(data, bytes)
        self._chunks.append(data)
        self._fed += len(data)
        self._wakeups.add(self._condition)

    def read(self, nbytes: int, timeout: float | None = None) -> bytes:
        """Up to so many bytes; empty at the end."""
        if not self._chunks:
            with self._condition:
                if not self._condition.wait_for(lambda: self._chunks or self.ended, timeout):
                    raise PipeTimeout
            if not self._chunks:
                return b""
        data = self._chunks.popleft()
        if len(data) > nbytes:
            self._chunks.appendleft(data[nbytes:])
            data = data[:nbytes]
        elif len(data) < _SMALL and self._chunks:
            # many small ones are better handed on together
            pieces, size = [data], len(data)
            while self._chunks and size + len(self._chunks[0]) <= nbytes:
                pieces.append(self._chunks.popleft())
                size += len(pieces[-1])
            data = b"".join(pieces)
        self._taken += len(data)
        return data

    def read_ready(self) -> bool:
        """Whether bytes are waiting."""
        return bool(self._chunks)

    def empty(self) -> bytes:
        """Everything that is waiting."""
        pieces = []
        while self._chunks:
            pieces.append(self._chunks.popleft())
        data = b"".join(pieces)
        self._taken += len(data)
        return data

    def close(self) -> None:
        """Called by the connection's thread, or by whoever closes the channel."""
        with self._condition:
            self.ended = True
            self._condition.notify_all()

    def __len__(self) -> int:
        return self._fed - self._taken
