"""Small files as the run directory needs them: replaced atomically, read without surprises.

Every writer here leaves either the old content or the new one, whenever it is killed.
"""

from __future__ import annotations

import os
import stat
import time
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")

_CLOCK_TICK_NS = 20_000_000


def write_atomic(path: Path, data: bytes, *, sync: bool = False) -> None:
    """Replace `path` (0600) with `data`; with `sync`, after the data has reached the disk.

    For files with one writer at a time: the temporary name is always the same, so that a killed
    writer leaves no litter behind.

    Raises:
        OSError: It could not be written; the old file is untouched and nothing else is left.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    descriptor = os.open(
        temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
    )
    try:
        try:
            write_all(descriptor, data)
            if sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte; `os.write` may write fewer when a disk fills up."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def append_lines(path: Path, data: bytes) -> None:
    """Append whole lines to `path` (0600), never onto one that a killed writer left unfinished.

    Raises:
        OSError: They could not be written.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            data = b"\n" + data
        write_all(descriptor, data)
    finally:
        os.close(descriptor)


def read_regular(path: Path, limit: int | None = None) -> bytes | None:
    """The content of a regular file, None if there is none.

    Never follows a link or waits on a FIFO: some of these names are chosen by others.

    Raises:
        OSError: It is there and cannot be read, is not a regular file, or exceeds `limit` bytes.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise OSError(f"{path} is not a regular file")
        if limit is not None and facts.st_size > limit:
            raise OSError(f"{path} is larger than {limit} bytes")
        parts = []
        while part := os.read(descriptor, 1 << 20):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


class WatchedFile(Generic[T]):
    """A small file that others replace, decoded again only when it has changed.

    While it is missing, half-written or unreadable the last good value stays.
    """

    __slots__ = ("_bytes", "_decode", "_key", "_path", "fault", "value")

    def __init__(self, path: str, decode: Callable[[bytes], T]) -> None:
        self._path = path
        self._decode = decode
        self._key: tuple[int, int, int] | None = None
        self._bytes = b""
        self.value: T | None = None
        self.fault = ""
        """Why the newest content could not be decoded; empty when it could."""

    def refresh(self) -> bool:
        """Look at the file; whether `value` has changed."""
        try:
            facts = os.stat(self._path)
            key = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
            if key == self._key:
                return False
            with open(self._path, "rb") as stream:
                content = stream.read()
        except OSError:
            self._key = None
            return False
        # a file younger than a coarse clock tick may change again without its times changing
        settled = time.time_ns() - facts.st_mtime_ns > _CLOCK_TICK_NS
        self._key = key if settled else None
        if content == self._bytes:
            return False
        try:
            self.value = self._decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self.fault = str(error)
            return False
        self._bytes = content
        self.fault = ""
        return True
