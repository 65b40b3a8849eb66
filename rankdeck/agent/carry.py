"""Carrier: the files of a node directory as chunks, in fair turns, from where home has them.

Logs are read when their turn comes and never held: what home has not taken yet stays on the disk.
"""

from __future__ import annotations

import os
import stat

from rankdeck.agent import courier_frames as wire
from rankdeck.agent.carry_names import APPEND, LARGEST_WHOLE, carried, is_attempt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator

_TURN = 128 * 1024
_MOST_FILES = 20000
_MOST_TOLD = 20


class _Tracked:
    """One file on its way."""

    __slots__ = ("kind", "named", "number", "offset", "path", "sent", "shrunk", "signature", "size")

    def __init__(self, number: int, path: str, kind: int) -> None:
        self.number = number
        self.path = path
        self.kind = kind
        self.offset = 0
        self.size = 0
        self.named = False
        self.shrunk = False
        """It has become shorter before our eyes: what is at home is of an older version."""
        self.signature: tuple[int, int, int] = (0, 0, 0)
        self.sent: tuple[int, int, int] | None = None
        """Signature of the version that was sent in full (WHOLE)."""

    @property
    def pending(self) -> bool:
        """Whether there is something to send."""
        if self.kind == APPEND:
            # home may have more than the node: after a power cut its disk has lost the last of it
            return self.shrunk or self.offset < self.size
        return self.sent != self.signature

    @property
    def left(self) -> int:
        """How many bytes there are to send, about."""
        return self.size - self.offset if self.kind == APPEND else self.size


class Carrier:
    """What of one node directory is not home yet."""

    def __init__(self, node_dir: str) -> None:
        self._root = node_dir
        self._files: dict[str, _Tracked] = {}
        self._scanned_attempts = False
        self._turn = 0
        self._numbers = 0
        self.left_out: list[str] = []
        """What is too large, or too many; to be told."""

    def begin(self, offsets: dict[str, int]) -> None:
        """Home has this much of each growing file; everything else is sent from its start."""
        self._files = {}
        self._scanned_attempts = False
        for path, size in offsets.items():
            if carried(path) == APPEND:
                self._track(path, APPEND).offset = size

    def resend(self, offsets: dict[str, int]) -> None:
        """Home lacks these after all."""
        for path, size in offsets.items():
            if path in self._files:
                self._files[path].offset = size
                self._files[path].sent = None

    def look(self, attempt: int, everything: bool = False) -> bool:
        """See what is there, of this attempt or of all; whether there is something to send."""
        folders = ["", f"attempt-{attempt}"]
        if everything or not self._scanned_attempts:
            folders = ["", *self._attempts()]
            self._scanned_attempts = True
        for folder in folders:
            self._scan(folder)
        return any(file.pending for file in self._files.values())

    @property
    def pending(self) -> bool:
        """Whether there was something to send at the last look."""
        return any(file.pending for file in self._files.values())

    def sizes(self) -> dict[str, int]:
        """How large each file is at home when everything has arrived."""
        return {file.path: file.size for file in self._files.values() if file.named}

    def take(self, budget: int) -> Iterator[tuple[bytes, int]]:
        """Frames of about `budget` bytes, each with the number of file bytes in it.

        Small remainders first, then a turn for each file, beginning where the last call ended.
        """
        waiting = sorted(
            (file for file in self._files.values() if file.pending), key=lambda file: file.left
        )
        small = [file for file in waiting if file.left <= _TURN // 8]
        large = sorted(waiting[len(small) :], key=lambda file: file.number)
        cut = next((i for i, file in enumerate(large) if file.number >= self._turn), 0)
        for file in (*small, *large[cut:], *large[:cut]):
            if budget <= 0:
                return
            if not file.named:
                file.named = True
                name = wire.NAME_HEAD.pack(file.number) + file.path.encode()
                yield wire.frame(wire.NAME, name), 0
            for data, count in self._chunks(file, min(budget, _TURN)):
                budget -= count
                yield data, count
            if file.left > _TURN // 8 or file.pending:
                self._turn = file.number + 1

    def _chunks(self, file: _Tracked, most: int) -> Iterator[tuple[bytes, int]]:
        try:
            fd = os.open(f"{self._root}/{file.path}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            # gone since the look: there is nothing of it to send any more
            del self._files[file.path]
            return
        try:
            if file.kind == APPEND:
                yield from self._grown(file, fd, most)
            else:
                yield from self._whole(file, fd)
        finally:
            os.close(fd)

    def _grown(self, file: _Tracked, fd: int, most: int) -> Iterator[tuple[bytes, int]]:
        flags = 0
        if file.shrunk:
            flags, file.offset, file.shrunk = wire.CHUNK_RESET, 0, False
        data = os.pread(fd, min(most, file.size - file.offset), file.offset)
        head = wire.CHUNK_HEAD.pack(file.number, flags, file.offset)
        if data or flags:
            file.offset += len(data)
            yield wire.frame(wire.CHUNK, head + data), len(data)
        if not data:
            file.size = min(file.size, file.offset)

    def _whole(self, file: _Tracked, fd: int) -> Iterator[tuple[bytes, int]]:
        # in one go, however large: nothing else may come between its parts
        file.sent = file.signature
        offset = 0
        while True:
            data = os.pread(fd, _TURN, offset)
            flags = wire.CHUNK_WHOLE | (0 if len(data) == _TURN else wire.CHUNK_LAST)
            head = wire.CHUNK_HEAD.pack(file.number, flags, offset)
            yield wire.frame(wire.CHUNK, head + data), len(data)
            offset += len(data)
            if len(data) < _TURN:
                file.size = offset
                return

    def _attempts(self) -> list[str]:
        try:
            return sorted(name for name in os.listdir(self._root) if is_attempt(name))
        except OSError:
            return []

    def _scan(self, folder: str) -> None:
        try:
            entries = list(os.scandir(f"{self._root}/{folder}"))
        except OSError:
            return
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            kind = carried(path)
            if not kind:
                continue
            try:
                facts = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if stat.S_ISREG(facts.st_mode):
                self._saw(path, kind, facts)

    def _saw(self, path: str, kind: int, facts: os.stat_result) -> None:
        file = self._files.get(path)
        too_many = file is None and len(self._files) >= _MOST_FILES
        if too_many or (kind != APPEND and facts.st_size > LARGEST_WHOLE):
            if path not in self.left_out and len(self.left_out) < _MOST_TOLD:
                self.left_out.append(path)
            return
        if file is None:
            file = self._track(path, kind)
        if kind == APPEND and facts.st_size < min(file.size, file.offset):
            file.shrunk = True
        file.size = facts.st_size
        file.signature = (facts.st_ino, facts.st_size, facts.st_mtime_ns)

    def _track(self, path: str, kind: int) -> _Tracked:
        file = _Tracked(self._numbers, path, kind)
        self._numbers += 1
        self._files[path] = file
        return file
