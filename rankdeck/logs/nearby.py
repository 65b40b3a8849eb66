"""Nearby: the piece of each of many files that was read last, so that most reads open none.

What is asked for next mostly lies beside what was asked for before. Bounded in bytes; pieces of
files that have not been asked about for longest go first.
"""

from __future__ import annotations

from collections import OrderedDict

_MEMORY = 8 << 20
_LEAST, _MOST = 1024, 16 * 1024


class Nearby:
    """Pieces of files by number; to be used by one thread at a time."""

    def __init__(self, files: int) -> None:
        """Prepare for this many files."""
        self.piece = min(_MOST, max(_LEAST, _MEMORY // max(1, files)))
        """Bytes to read at a time."""
        self._room = _MEMORY // self.piece
        self._pieces: OrderedDict[int, tuple[int, bytes]] = OrderedDict()

    def get(self, number: int, offset: int, size: int) -> bytes | None:
        """These bytes of a file; None: they are not all known."""
        known = self._pieces.get(number)
        if known is None:
            return None
        begin = offset - known[0]
        if begin < 0 or begin + size > len(known[1]):
            return None
        return known[1][begin : begin + size]

    def around(self, offset: int, size: int) -> int | None:
        """From where on to read a piece with these bytes in it; None: they are too many."""
        # mostly it goes forward from here, after a look at what is just before
        return None if 2 * size > self.piece else max(0, offset - self.piece // 8)

    def keep(self, number: int, begin: int, data: bytes) -> None:
        """Remember what a file has from a place on."""
        self._pieces[number] = begin, data
        self._pieces.move_to_end(number)
        if len(self._pieces) > self._room:
            self._pieces.popitem(last=False)

    def forget(self, number: int) -> None:
        """A file is another one now."""
        self._pieces.pop(number, None)

    def clear(self) -> None:
        """Forget all."""
        self._pieces.clear()
