"""BlockIndex: how many newlines lie before each 64 KiB block of a file.

Eight bytes a block, so 128 KiB for a GiB, however many lines that is. It grows with the file and
can be built in pieces; it never touches the file itself.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right

BLOCK = 64 * 1024
"""Bytes of a block."""


class BlockIndex:
    """Newlines counted block by block, for the bytes that were fed so far."""

    __slots__ = ("_open_line", "_totals", "size")

    def __init__(self) -> None:
        self.size = 0
        """Bytes counted: the file's content from 0 up to here."""
        self._totals = array("Q")
        self._open_line = False

    @property
    def newlines(self) -> int:
        """Newlines among the bytes counted."""
        return self._totals[-1] if self._totals else 0

    @property
    def lines(self) -> int:
        """Lines among the bytes counted; a last one without a newline counts."""
        return self.newlines + self._open_line

    def feed(self, data: bytes | bytearray, length: int | None = None) -> None:
        """Count the next bytes of the file: the first `length` of `data`."""
        length = len(data) if length is None else length
        at = 0
        while at < length:
            filled = self.size % BLOCK
            end = min(length, at + BLOCK - filled)
            total = self.newlines + data.count(b"\n", at, end)
            if filled:
                self._totals[-1] = total
            else:
                self._totals.append(total)
            self.size += end - at
            at = end
        if length:
            self._open_line = data[length - 1] != 0x0A

    def before(self, block: int) -> int:
        """Newlines before a block."""
        return self._totals[min(block, len(self._totals)) - 1] if block and self._totals else 0

    def block_of_newline(self, number: int) -> int:
        """The block that holds the newline with this number; the first one is number 1."""
        return bisect_left(self._totals, number)

    def next_with_newline(self, block: int) -> int | None:
        """The first block at or after `block` with a newline, None if none is known."""
        found = bisect_right(self._totals, self.before(block))
        return found if found < len(self._totals) else None

    def previous_with_newline(self, block: int) -> int | None:
        """The last block at or before `block` with a newline, None if there is none."""
        total = self._totals[min(block, len(self._totals) - 1)] if self._totals else 0
        return bisect_left(self._totals, total) if total else None
