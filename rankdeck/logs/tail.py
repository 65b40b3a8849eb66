"""Follower: the new lines of many logs, by polling.

One blind read per file and poll: on shared file systems nothing else tells of another node's
writes, and at these rates nothing is cheaper. Files may appear, be truncated or be replaced.
"""

from __future__ import annotations

import errno
import os
import resource
import time
from typing import TYPE_CHECKING

from rankdeck.logs.assemble import LineAssembler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Batch = list[tuple[int, list[bytes]]]
"""What one poll found: (rank, its new lines without their newlines), in the order of adding."""

_READ = 64 * 1024
_READS_PER_POLL = 16
_LOOK_GAP = 1.0
_MISSING_PER_POLL = 256


class _Source:
    """One file that is followed."""

    __slots__ = ("assembler", "descriptor", "look_due", "path", "position", "rank")

    def __init__(self, rank: int, path: Path, start: int) -> None:
        self.rank = rank
        self.path = path
        self.position = start
        self.descriptor = -1
        self.look_due = 0.0
        self.assembler = LineAssembler()

    def open(self) -> bool:
        try:
            self.descriptor = _open(self.path)
        except FileNotFoundError:
            return False
        if self.position:
            os.lseek(self.descriptor, self.position, os.SEEK_SET)
        return True

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def restart_if_replaced(self) -> bool:
        """Begin again if the path leads to another file now, or this one was truncated."""
        try:
            facts = os.stat(self.path)
        except OSError:
            return False
        own = os.fstat(self.descriptor)
        if (facts.st_dev, facts.st_ino) != (own.st_dev, own.st_ino):
            self.close()
            self.position = 0
            return self.open()
        if facts.st_size < self.position:
            self.position = os.lseek(self.descriptor, 0, os.SEEK_SET)
            return True
        return False


class Follower:
    """Follows any number of logs at once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._missing: list[_Source] = []
        self._open: list[_Source] = []
        self.behind = False
        """Whether the last poll left something unread: poll again at once."""

    def add(self, rank: int, path: Path, start: int = 0) -> None:
        """Follow one more file, from the byte `start` on; it may not be there yet."""
        self._missing.append(_Source(rank, path, start))

    def poll(self) -> Batch:
        """What has been written since the last poll, at most about a MiB of each file.

        Raises:
            OSError: A file is there but cannot be read.
        """
        self._look_for_missing()
        now = self._clock()
        self.behind = False
        found: Batch = []
        for source in self._open:
            lines = self._read(source, now)
            if lines:
                found.append((source.rank, lines))
        return found

    def finish(self) -> Iterator[Batch]:
        """Everything up to the end of every file, unfinished lines too; then nothing more.

        For when the writers have ended. Bounded pieces, so write each before taking the next.

        Raises:
            OSError: A file is there but cannot be read.
        """
        while True:
            yield self.poll()
            if not self.behind and not self._appeared():
                break
        yield [(source.rank, left) for source in self._open if (left := source.assembler.end())]

    def close(self) -> None:
        """Let go of all files."""
        for source in self._open:
            source.close()
        self._open.clear()
        self._missing.clear()

    def _read(self, source: _Source, now: float) -> list[bytes]:
        lines: list[bytes] = []
        for _ in range(_READS_PER_POLL):
            data = os.read(source.descriptor, _READ)
            if data:
                source.position += len(data)
                lines += source.assembler.feed(data, now)
            if len(data) < _READ:
                break
        else:
            self.behind = True
        if lines or data:
            return lines
        if now >= source.look_due:
            source.look_due = now + _LOOK_GAP
            if source.restart_if_replaced():
                self.behind = True
                return source.assembler.end()
        return source.assembler.idle(now) if source.assembler.resting else lines

    def _look_for_missing(self) -> None:
        # many thousand absent files must not cost more than the ones that are there
        some, rest = self._missing[:_MISSING_PER_POLL], self._missing[_MISSING_PER_POLL:]
        if not some:
            return
        came = [source for source in some if source.open()]
        if came:
            some = [source for source in some if source.descriptor < 0]
            self._open += came
            self._open.sort(key=lambda source: source.rank)
        self._missing = rest + some

    def _appeared(self) -> bool:
        return any(os.path.exists(source.path) for source in self._missing)


def _open(path: Path) -> int:
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.open(path, flags)
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise
    # a log a rank: the soft limit is often 1024, the hard one far higher
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return os.open(path, flags)
