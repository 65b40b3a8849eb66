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
    """One output stream of a command: chunks as they arrived, without copying.

    Standard output and standard error share a condition, so that one reader can wait for either.
    """

    def __init__(self, condition: threading.Condition, wakeups: Wakeups) -> None:
        super().__init__()
        self._condition = condition
        self._wakeups = wakeups
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self.ended = False
        """Nothing more will come."""

    def feed(self, data: bytes | str) -> None:
        """Called by the transport's thread."""
        assert isinstance(data, bytes)
        with self._condition:
            self._chunks.append(data)
            self._size += len(data)
        self._wakeups.add(self._condition)

    def read(self, nbytes: int, timeout: float | None = None) -> bytes:
        """Up to so many bytes; empty at the end."""
        with self._condition:
            if not self._condition.wait_for(lambda: self._chunks or self.ended, timeout):
                raise PipeTimeout
            if not self._chunks:
                return b""
            taken, size = [], 0
            while self._chunks and size + len(self._chunks[0]) <= nbytes:
                taken.append(self._chunks.popleft())
                size += len(taken[-1])
            if not taken:
                chunk = self._chunks.popleft()
                taken.append(chunk[:nbytes])
                self._chunks.appendleft(chunk[nbytes:])
                size = nbytes
            self._size -= size
        return taken[0] if len(taken) == 1 else b"".join(taken)

    def read_ready(self) -> bool:
        """Whether bytes are waiting."""
        return self._size > 0

    def empty(self) -> bytes:
        """Everything that is waiting."""
        with self._condition:
            rest = b"".join(self._chunks)
            self._chunks.clear()
            self._size = 0
        return rest

    def close(self) -> None:
        """Called by the transport's thread, or whoever closes the channel."""
        with self._condition:
            self.ended = True
            self._condition.notify_all()

    def __len__(self) -> int:
        return self._size
