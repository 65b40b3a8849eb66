"""Handle: an open log file that is read by position, and how a file is seen to have changed."""

from __future__ import annotations

import os
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_MARK = 64


class Change(Enum):
    """What has happened to a file since it was last looked at."""

    SAME = "same"
    GREW = "grew"
    RESET = "reset"
    """Truncated, replaced, or newly there: nothing known about its content holds any more."""


class Handle:
    """An open file descriptor, closed when the last user lets go of it.

    Readers on other threads keep the old one while `refresh` swaps in a new file.
    """

    __slots__ = ("descriptor", "identity")

    def __init__(self, path: Path) -> None:
        """Open for reading.

        Raises:
            OSError: It cannot be opened.
        """
        self.descriptor = -1
        # a FIFO of that name must not make us wait for its writer
        self.descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        facts = os.fstat(self.descriptor)
        self.identity = (facts.st_dev, facts.st_ino)

    def __del__(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset`; fewer at the end of the file."""
        return os.pread(self.descriptor, size, offset) if size > 0 else b""


class GrowingFile:
    """A file that others append to, truncate or replace, and what is known of its size."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.handle: Handle | None = None
        self.size = 0
        self._mark = b""
        self._changed_at = 0

    def refresh(self) -> Change:
        """Look again; what cannot be looked at stays as it was.

        Raises:
            OSError: The file is there but cannot be read.
        """
        try:
            facts = os.stat(self.path)
        except FileNotFoundError:
            return Change.SAME
        if self.handle is None or self.handle.identity != (facts.st_dev, facts.st_ino):
            try:
                handle = Handle(self.path)
            except FileNotFoundError:
                return Change.SAME
            return self._settle(handle, os.fstat(handle.descriptor), Change.RESET)
        if facts.st_size == self.size and facts.st_mtime_ns == self._changed_at:
            return Change.SAME
        if facts.st_size < self.size or not self._mark_holds():
            return self._settle(self.handle, facts, Change.RESET)
        change = Change.GREW if facts.st_size > self.size else Change.SAME
        return self._settle(self.handle, facts, change)

    def _settle(self, handle: Handle, facts: os.stat_result, change: Change) -> Change:
        self.handle = handle
        self.size = facts.st_size
        self._changed_at = facts.st_mtime_ns
        self._mark = handle.read(max(0, self.size - _MARK), min(_MARK, self.size))
        return change

    def _mark_holds(self) -> bool:
        # truncated and written anew between two looks, a file may well be longer than before
        assert self.handle is not None
        return self.handle.read(self.size - len(self._mark), len(self._mark)) == self._mark
