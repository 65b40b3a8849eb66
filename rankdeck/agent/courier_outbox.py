"""Outbox: bytes on their way out, without ever waiting for whoever reads them."""

from __future__ import annotations

import os
from collections import deque

_GATHERED = 128 * 1024


class Outbox:
    """Frames in order."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._waiting: deque[memoryview] = deque()
        self.size = 0
        self.used = 0.0
        """When something was last written."""

    def put(self, data: bytes) -> None:
        """Append a frame."""
        self._waiting.append(memoryview(data))
        self.size += len(data)

    def flush(self, now: float) -> None:
        """Write as much as fits.

        Raises:
            OSError: Nobody reads any more.
        """
        while self._waiting:
            if len(self._waiting) > 1 and len(self._waiting[0]) < _GATHERED // 2:
                self._gather()
            part = self._waiting[0]
            try:
                count = os.write(self._fd, part)
            except BlockingIOError:
                return
            self.used = now
            self.size -= count
            if count < len(part):
                self._waiting[0] = part[count:]
                return
            self._waiting.popleft()

    def _gather(self) -> None:
        """One write, and one packet, for many small frames."""
        parts: list[memoryview] = []
        size = 0
        while self._waiting and size < _GATHERED:
            parts.append(self._waiting.popleft())
            size += len(parts[-1])
        self._waiting.appendleft(memoryview(b"".join(parts)))
