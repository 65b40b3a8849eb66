"""LogFile: random access to the lines of a log of any size, while it is written.

Opening costs nothing; reading at an offset or at the end costs what is read. Line *numbers* need
the index, which is built in bounded steps (`index_some`). No line is too long: it is clipped, and
looked through in pieces. Reading is safe while another thread indexes.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from rankdeck.logs.handle import Change, GrowingFile
from rankdeck.logs.index import BLOCK, BlockIndex
from rankdeck.logs.lines import MAX_LINE, LogLine, clip, last_state, whole_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Change", "LogFile"]

_STEP = 1 << 20
_PIECE = 256 * 1024
_SCAN_LIMIT = 32 << 20
"""Bytes one call looks through, beyond the index, for the begin or the end of a line."""


class LogFile:
    """The lines of one log file; the file may not be there yet."""

    def __init__(self, path: Path) -> None:
        """Open the file if it is there.

        Raises:
            OSError: It is there but cannot be read.
        """
        self.path = path
        self._file = GrowingFile(path)
        self._index = BlockIndex()
        self._indexing = threading.Lock()
        self._file.refresh()

    @property
    def exists(self) -> bool:
        """Whether the file has ever been seen."""
        return self._file.handle is not None

    @property
    def size(self) -> int:
        """Bytes, as of the last `refresh`."""
        return self._file.size

    @property
    def line_count(self) -> int:
        """Lines counted so far; all of them when `indexed`."""
        return self._index.lines

    @property
    def indexed(self) -> bool:
        """Whether the index covers everything seen so far."""
        return self._index.size >= self._file.size

    @property
    def indexed_bytes(self) -> int:
        """How far the index has come."""
        return self._index.size

    def refresh(self) -> Change:
        """Look whether the file has grown, or is another one now; cheap enough for every tick.

        Raises:
            OSError: The file is there but cannot be read.
        """
        change = self._file.refresh()
        if change is Change.RESET:
            self._index = BlockIndex()
        return change

    def close(self) -> None:
        """Let go of the file."""
        self._file.handle = None

    def read(self, offset: int, size: int) -> bytes:
        """Raw bytes; fewer at the end of the file."""
        handle = self._file.handle
        return handle.read(offset, size) if handle is not None else b""

    def index_some(self, budget: int = 8 << 20) -> bool:
        """Count the lines in up to `budget` more bytes; whether the index is complete."""
        with self._indexing:
            index, handle = self._index, self._file.handle
            end = min(self._file.size, index.size + budget)
            while handle is not None and index.size < end:
                data = handle.read(index.size, min(_STEP, end - index.size))
                if not data:
                    break
                index.feed(data)
        return self.indexed

    def lines(self, start: int, count: int) -> list[LogLine]:
        """Lines by number, the first one is 0; indexes as far as that needs."""
        while self._index.newlines < start + count and not self.indexed:
            before = self._index.size
            self.index_some()
            if self._index.size == before:
                break
        if not 0 <= start < self.line_count or count <= 0:
            return []
        return self.after(self.offset_of(start), min(count, self.line_count - start))

    def tail(self, count: int) -> list[LogLine]:
        """The last lines, without need of the index."""
        return self.before(self.size, count)

    def after(self, offset: int, count: int) -> list[LogLine]:
        """Up to `count` lines from the one that begins at `offset`."""
        found: list[LogLine] = []
        while len(found) < count and offset < self.size:
            data = self.read(offset, min(BLOCK, self.size - offset))
            if not data:
                break
            at = 0
            while len(found) < count and (end := data.find(b"\n", at)) >= 0:
                found.append(whole_line(offset + at, data[at:end]))
                at = end + 1
            if at == 0 or (len(found) < count and offset + len(data) >= self.size > offset + at):
                line = self._long_line(offset + at)
                found.append(line)
                if not line.exact:
                    break
                offset = line.end
            else:
                offset += at
        return found

    def before(self, offset: int, count: int) -> list[LogLine]:
        """Up to `count` lines that end before `offset`, in file order.

        `offset` is the begin of a line, or the size. Where a line is too long to find its begin,
        it is the first one given, not `exact`, and there may be more before it.
        """
        if count <= 0 or offset <= 0:
            return []
        start, found, limit = self._start_of(offset, count)
        lines = self.after(start, found) if found else []
        if limit is None:
            return lines
        ended = self.read(start - 1, 1) == b"\n"
        return [self._look(limit, start - ended - limit, ended=ended, exact=False), *lines]

    def line_at(self, offset: int) -> int | None:
        """The number of the line that `offset` lies in, None where the index has not come yet."""
        if offset > self._index.size:
            return None
        block = offset // BLOCK
        inside = self.read(block * BLOCK, offset - block * BLOCK).count(b"\n")
        return self._index.before(block) + inside

    def offset_of(self, line: int) -> int:
        """Where an indexed line begins.

        Raises:
            IndexError: There is no such line, or the index has not come so far.
        """
        if line == 0:
            return 0
        if not 0 < line <= self._index.newlines:
            raise IndexError(f"line {line} of {self.path} is not indexed")
        block = self._index.block_of_newline(line)
        data = self.read(block * BLOCK, BLOCK)
        at = -1
        for _ in range(line - self._index.before(block)):
            at = data.find(b"\n", at + 1)
        return block * BLOCK + at + 1

    def _long_line(self, offset: int) -> LogLine:
        """The line at `offset`, of which the end is not within the next block."""
        end, exact = self._newline_after(offset)
        return self._look(offset, end - offset, ended=exact and end < self.size, exact=exact)

    def _look(self, offset: int, length: int, *, ended: bool, exact: bool) -> LogLine:
        return look_at(self.read, offset, length, ended=ended, exact=exact)

    def _newline_after(self, offset: int) -> tuple[int, bool]:
        """Where the next newline (or the end) is; False: further than we are ready to look."""
        looked = 0
        while offset < self.size:
            block = self._index.next_with_newline(offset // BLOCK + 1)
            known = self._index.size
            data = self.read(offset, min(BLOCK - offset % BLOCK, self.size - offset))
            if not data:
                return offset, True
            if (found := data.find(b"\n")) >= 0:
                return offset + found, True
            offset += len(data)
            if offset < known:
                offset = block * BLOCK if block is not None else max(offset, known)
            else:
                looked += len(data)
                if looked >= _SCAN_LIMIT:
                    return offset, False
        return self.size, True

    def _start_of(self, offset: int, count: int) -> tuple[int, int, int | None]:
        """Where the `count`th line before `offset` begins, and how many lines that are.

        Fewer lines, and how far we have looked, where the one before them is too long.
        """
        start, found, looked = offset, 0, 0
        end = offset - (self.read(offset - 1, 1) == b"\n")
        while end > 0:
            begin = (end - 1) // BLOCK * BLOCK
            data = self.read(begin, end - begin)
            here = data.count(b"\n")
            if found + here >= count:
                at = len(data)
                for _ in range(count - found):
                    at = data.rfind(b"\n", 0, at)
                return begin + at + 1, count, None
            if here:
                found += here
                start = begin + data.find(b"\n") + 1
            end = begin
            if end > self._index.size:
                looked += len(data)
                if looked >= _SCAN_LIMIT:
                    return start, found, end
            elif end > 0 and not here:
                block = self._index.previous_with_newline(end // BLOCK - 1)
                end = 0 if block is None else (block + 1) * BLOCK
        return 0, found + 1, None


def look_at(
    read: Callable[[int, int], bytes], offset: int, length: int, *, ended: bool, exact: bool = True
) -> LogLine:
    """The line with this place and length, read in bounded pieces.

    Args:
        read: Gives the bytes from an offset on, so many of them.
        offset: Where the line begins.
        length: How long it is, without its newline.
        ended: Whether it has one.
        exact: Whether place and length are known for sure.
    """
    if length <= _PIECE:
        line = whole_line(offset, read(offset, length), ended=ended)
        return line._replace(length=length, exact=exact, clipped=line.clipped or not exact)
    tail = read(offset + length - _PIECE, _PIECE).rstrip(b"\r")
    if b"\r" in tail:
        shown = last_state(tail)
        data = clip(shown)
        return LogLine(offset, length, data, ended, exact, len(data) < len(shown))
    data = clip(read(offset, MAX_LINE + 4))
    return LogLine(offset, length, data, ended, exact, clipped=True)
