"""KnownLines: a source whose lines are looked for in bounded steps, and kept where found.

A filter that few lines pass may have to look through gigabytes for one screenful; each step goes
on where the one before it stopped, so that the screen fills while the keys go on working.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rankdeck.logs.lines import Lines, LogLine
    from rankdeck.logs.source import LogSource

_MOST_KEPT = 4000
_UNSETTLED = 256 << 10
"""Positions at the end of the known part that are looked at again when the source has grown."""
_NEAR = 4 << 20
"""Positions; what has come behind the known part is looked through up to this much."""


class KnownLines:
    """The lines of one contiguous part of a source; all of them between `low` and `high`."""

    def __init__(self, source: LogSource) -> None:
        self._source = source
        self._lines: list[LogLine] = []
        self._low = self._high = 0
        self.more = False
        """Whether the last answer is not all there is: ask again."""

    @property
    def reach(self) -> int:
        """Positions of which all lines are known."""
        return self._high - self._low

    def forget(self) -> None:
        """The source is another one now."""
        self._lines, self._low, self._high = [], 0, 0

    def forget_end(self) -> None:
        """The last lines may have changed, as ranks add to what others wrote."""
        begin = self._high - _UNSETTLED
        if begin <= self._low:
            self.forget()
            return
        at = self._index(begin)
        if at < len(self._lines):
            self._high = self._lines[at].offset
            del self._lines[at:]

    def after(self, position: int, count: int) -> Sequence[LogLine]:
        """Up to `count` lines from a position on, as far as one step gets."""
        self._go_to(position)
        at = self._index(position)
        self.more = False
        loose: list[LogLine] = []
        if len(self._lines) - at < count:
            found = self._source.after(self._high, count - (len(self._lines) - at))
            loose = self._append(found)
            enough = len(self._lines) - at + len(loose) >= count
            self.more = found.more and not enough
            at = self._index(position)
        lines = [*self._lines[at : at + count], *loose][:count]
        self._trim(front=True)
        return lines

    def before(self, position: int, count: int) -> Sequence[LogLine]:
        """Up to `count` lines that end before a position, as far as one step gets."""
        loose: list[LogLine] = []
        self.more = False
        if position > self._high and 0 < position - self._high < _NEAR and self._lines:
            found = self._source.after(self._high, _MOST_KEPT)
            loose = [line for line in self._append(found) if line.end <= position]
            if found.more and found.looked_to < position:
                self._restart(position)
                loose = []
        self._go_to(position, loose=bool(loose))
        here = self._index(position)
        if here + len(loose) < count:
            found = self._source.before(self._low, count - here - len(loose))
            loose += self._prepend(found)
            here = self._index(position)
            self.more = found.more and here + len(loose) < count
        lines = [*self._lines[:here], *loose][-count:]
        self._trim(front=False)
        return lines

    def _index(self, position: int) -> int:
        return bisect_left(self._lines, position, key=lambda line: line.offset)

    def _go_to(self, position: int, *, loose: bool = False) -> None:
        if not self._low <= position <= self._high and not loose:
            self._restart(position)

    def _restart(self, position: int) -> None:
        self._lines, self._low, self._high = [], position, position

    def _append(self, found: Lines) -> list[LogLine]:
        """Keep what is behind the known part; what may still change is given back."""
        stable = [line for line in found if line.ended and line.offset < found.looked_to]
        self._lines += stable
        self._high = max(self._high, found.looked_to)
        return found[len(stable) :]

    def _prepend(self, found: Lines) -> list[LogLine]:
        loose: list[LogLine] = []
        lines = list(found)
        if lines and not lines[-1].ended:
            loose = [lines.pop()]
            self._high = min(self._high, loose[0].offset)
        self._lines[:0] = lines
        self._low = min(self._low, found.looked_to)
        return loose

    def _trim(self, *, front: bool) -> None:
        over = len(self._lines) - _MOST_KEPT
        if over <= 0:
            return
        if front:
            self._low = self._lines[over].offset
            del self._lines[:over]
        else:
            self._high = self._lines[-over].offset
            del self._lines[-over:]
