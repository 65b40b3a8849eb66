"""Follower: the new lines of many logs, by polling.

One blind read per file and poll: on shared file systems nothing else tells of another node's
writes, and at these rates nothing is cheaper. Of very many files those that have been silent for a
while are read less often, up to a second late. Files may appear, be truncated or be replaced.
"""

from __future__ import annotations

import errno
import os
import resource
import time
from typing import TYPE_CHECKING

from rankdeck.logs.assemble import LineAssembler
from rankdeck.logs.found_lines import FoundLines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Batch = list[tuple[int, FoundLines]]
"""What one poll found: (rank, its new lines without their newlines), in the order of adding."""

_READ = 64 * 1024
_READS_PER_POLL = 16
_LOOK_GAP = 1.0
_MANY = 1024
"""With more open files, silent ones are read and looked at less often."""
_MISSING_PER_POLL = 256


class _Source:
    """One file that is followed."""

    __slots__ = (
        "assembler",
        "descriptor",
        "due",
        "grown_at",
        "look_due",
        "path",
        "position",
        "rank",
    )

    def __init__(self, rank: int, path: Path, start: int) -> None:
        self.rank = rank
        self.path = path
        self.position = start
        self.descriptor = -1
        self.look_due = 0.0
        self.due = 0.0
        self.grown_at = 0.0
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
            former, self.position = self.descriptor, 0
            if not self.open():  # it has gone again: the next look will tell
                return False
            os.close(former)
            return True
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
        source = _Source(rank, path, start)
        source.grown_at = self._clock()
        self._missing.append(source)

    def poll(self) -> Batch:
        """What has been written since the last poll, at most about a MiB of each file.

        Raises:
            OSError: A file is there but cannot be read.
        """
        return list(self.each())

    def each(self) -> Iterator[tuple[int, FoundLines]]:
        """As `poll`, file by file; only what has been taken has been read.

        Pass each on before taking the next: then memory is used again while it is in the caches.

        Raises:
            OSError: A file is there but cannot be read.
        """
        return self._each(every=False)

    def _each(self, *, every: bool) -> Iterator[tuple[int, FoundLines]]:
        self._look_for_missing()
        now = self._clock()
        self.behind = False
        many = not every and len(self._open) > _MANY
        read = os.read
        for source in self._open:
            if many and now < source.due:
                continue
            data = read(source.descriptor, _READ)
            if data:
                source.grown_at, source.due = now, 0.0
                lines = self._read(source, data, now)
            else:
                if many:
                    source.due = now + _rest_gap(now - source.grown_at)
                if now < source.look_due and not source.assembler.resting:
                    continue
                lines = self._rest(source, now)
            if lines:
                yield source.rank, lines

    def finish(self) -> Iterator[Batch]:
        """Everything up to the end of every file, unfinished lines too; then nothing more.

        For when the writers have ended. Bounded pieces, so write each before taking the next.

        Raises:
            OSError: A file is there but cannot be read.
        """
        while True:
            yield list(self._each(every=True))
            if not self.behind and not self._appeared():
                break
        last: Batch = []
        for source in self._open:
            if left := _lines(source.assembler.end()):
                last.append((source.rank, left))
        yield last

    def close(self) -> None:
        """Let go of all files."""
        for source in self._open:
            source.close()
        self._open.clear()
        self._missing.clear()

    def _read(self, source: _Source, data: bytes, now: float) -> FoundLines:
        """The lines in what was read, and in what follows it."""
        lines = FoundLines()
        for left in range(_READS_PER_POLL - 1, -1, -1):
            source.position += len(data)
            lines.add(source.assembler.feed_whole(data, now))
            if len(data) < _READ:
                return lines
            if left:
                data = os.read(source.descriptor, _READ)
                if not data:
                    return lines
        self.behind = True
        return lines

    def _rest(self, source: _Source, now: float) -> FoundLines:
        """Nothing has come: whether the file is still the same, and what has rested."""
        if now >= source.look_due:
            # a look costs as much as some reads
            source.look_due = now + _LOOK_GAP * max(1.0, len(self._open) / _MANY)
            if source.restart_if_replaced():
                self.behind = True
                return _lines(source.assembler.end())
        return _lines(source.assembler.idle(now))

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


def _rest_gap(silent: float) -> float:
    """Seconds for which one of many files is left alone that has been silent so long."""
    if silent < 2.0:
        return 0.0
    return 0.4 if silent < 60.0 else 0.9


def _lines(lines: list[bytes]) -> FoundLines:
    found = FoundLines()
    found.add(lines)
    return found


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
