"""NodeSink: what a courier brings, written into the run's node directory in the same shape.

Every operation may be repeated after an error: nothing is written twice, nothing is skipped.
Names come from the node and are checked; nothing is ever written through a link.
"""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING

import msgspec

from rankdeck.agent import courier_frames as wire
from rankdeck.agent.carry_names import APPEND, WHOLE, carried, is_attempt
from rankdeck.run.files import write_atomic

if TYPE_CHECKING:
    from rankdeck.agent_order import AgentOrder
    from rankdeck.run.layout import NodeDir

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class CarryError(Exception):
    """What came does not fit to what is here: begin again from what is here."""


class NodeSink:
    """One node directory at home."""

    def __init__(self, paths: NodeDir) -> None:
        self._paths = paths
        self._root = os.fspath(paths.path)
        self._names: dict[int, str] = {}
        self._state = b""
        self.taken = 0
        """Bytes of files taken since the connection began."""

    @property
    def removed(self) -> bool:
        """Somebody has removed the run: nothing is kept any more."""
        return not os.path.isdir(self._root)

    def prepare(self, order: AgentOrder) -> None:
        """Make the folders, and keep the order beside what comes of it.

        Raises:
            OSError: They cannot be written.
        """
        attempt = self._paths.attempt(order.attempt)
        for folder in (self._paths.path.parent, self._paths.path, attempt.path):
            folder.mkdir(mode=0o700, exist_ok=True)
        write_atomic(attempt.order, msgspec.json.encode(order))

    def begin(self) -> None:
        """A connection begins."""
        self._names.clear()
        self._state = b""
        self.taken = 0

    def offsets(self) -> dict[str, int]:
        """How much of each growing file is here already."""
        offsets = {}
        for folder in ("", *self._attempts()):
            try:
                entries = list(os.scandir(f"{self._root}/{folder}"))
            except FileNotFoundError:
                continue
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                if carried(path) == APPEND and entry.is_file(follow_symlinks=False):
                    offsets[path] = entry.stat(follow_symlinks=False).st_size
        return offsets

    def name(self, payload: bytes) -> None:
        """The courier introduces a file.

        Raises:
            CarryError: No such file is carried.
        """
        (number,) = wire.NAME_HEAD.unpack_from(payload)
        path = payload[wire.NAME_HEAD.size :].decode("ascii", "replace")
        if not carried(path):
            raise CarryError(f"{path!r} is no file of a node")
        folder, slash, _ = path.partition("/")
        if slash and not self.removed:
            os.makedirs(f"{self._root}/{folder}", mode=0o700, exist_ok=True)
        self._names[number] = path

    def chunk(self, payload: bytes) -> bool:
        """Write a piece of a file; whether the courier wants that confirmed.

        Raises:
            CarryError: It does not fit.
            OSError: It could not be written (in full); the same chunk may be tried again.
        """
        number, flags, offset = wire.CHUNK_HEAD.unpack_from(payload)
        data = memoryview(payload)[wire.CHUNK_HEAD.size :]
        path = self._names.get(number)
        if path is None:
            raise CarryError(f"file {number} was not introduced")
        try:
            if flags & wire.CHUNK_WHOLE:
                self._replace(path, data, offset, last=bool(flags & wire.CHUNK_LAST))
            else:
                self._append(path, data, offset, reset=bool(flags & wire.CHUNK_RESET))
        except FileNotFoundError:
            if not self.removed:
                raise
        self.taken += len(data)
        return bool(flags & wire.CHUNK_ACK)

    def state(self, payload: bytes) -> bytes:
        """The state in full. To be called once for each STATE, before `write_state`.

        Raises:
            CarryError: It cannot be unpacked.
        """
        base = self._state[-32768:] if payload[0] & wire.STATE_DELTA else b""
        unpacker = zlib.decompressobj(-15, base) if base else zlib.decompressobj(-15)
        try:
            self._state = unpacker.decompress(payload[1:], wire.LARGEST)
        except zlib.error as error:
            raise CarryError(f"a state cannot be unpacked: {error}") from error
        return self._state

    def write_state(self, text: bytes) -> None:
        """Let the supervisor see it.

        Raises:
            OSError: It could not be written.
        """
        if not self.removed:
            write_atomic(self._paths.state, text)

    def missing(self, sizes: dict[str, int]) -> dict[str, int]:
        """From where on the node must send files again: they are not here in this size."""
        resend: dict[str, int] = {}
        for path, size in () if self.removed else sizes.items():
            kind = carried(path)
            if not kind:
                continue
            try:
                here = os.stat(f"{self._root}/{path}", follow_symlinks=False).st_size
            except OSError:
                here = 0
                if not size and kind == APPEND:
                    self._append(path, memoryview(b""), 0, reset=False)
            # more than the node has: after a power cut its disk has lost the last of it
            if here == size or (here > size and kind == APPEND):
                continue
            resend[path] = 0 if kind == WHOLE else here
        return resend

    def _append(self, path: str, data: memoryview, offset: int, *, reset: bool) -> None:
        fd = os.open(f"{self._root}/{path}", _FLAGS | os.O_APPEND, 0o600)
        try:
            if reset:
                os.ftruncate(fd, 0)
            here = os.fstat(fd).st_size
            if here < offset:
                raise CarryError(f"{path}: {offset - here} bytes are missing")
            rest = data[here - offset :]
            while rest:
                rest = rest[os.write(fd, rest) :]
        finally:
            os.close(fd)

    def _replace(self, path: str, data: memoryview, offset: int, *, last: bool) -> None:
        folder, slash, name = path.rpartition("/")
        temporary = f"{self._root}/{folder}{slash}.{name}.carry"
        fd = os.open(temporary, _FLAGS | (0 if offset else os.O_TRUNC), 0o600)
        try:
            done = 0
            while done < len(data):
                done += os.pwrite(fd, data[done:], offset + done)
        finally:
            os.close(fd)
        if last:
            os.replace(temporary, f"{self._root}/{path}")

    def _attempts(self) -> list[str]:
        try:
            return [name for name in os.listdir(self._root) if is_attempt(name)]
        except FileNotFoundError:
            return []
