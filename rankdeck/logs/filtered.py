"""FilteredSource: the lines of another source that match some queries and not others.

What is matched is what is shown: of a line written over with carriage returns its last state; a
clipped line is looked through whole. Nothing is read before it is asked for, and no call looks
for longer than its budget, so the end of a log of any size is there at once.
"""

from __future__ import annotations

import threading
import time
from array import array
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rankdeck.logs.handle import Change
from rankdeck.logs.lines import Lines
from rankdeck.logs.query import Sieve
from rankdeck.logs.view import SourceView

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Sequence

    from rankdeck.logs.lines import LogLine
    from rankdeck.logs.query import Expression, Query
    from rankdeck.logs.search import Step
    from rankdeck.logs.source import LogSource, Origin

_BUDGET = 0.05
"""Seconds that one call may look."""
_BATCH = 256
_FAR = 64 << 20
_MOST_KNOWN = 1 << 20
_MANY = 64
"""So many hits in a step, and reading all lines of it is cheaper than fetching each hit."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which lines to show."""

    wanted: tuple[Expression, ...] = ()
    """All of these must match."""
    unwanted: tuple[Expression, ...] = ()
    """None of these may match."""

    def passing(self, texts: Sequence[bytes]) -> list[bool]:
        """Whether lines with these texts are shown.

        Raises:
            UserError: To find out takes too long.
        """
        shown = [True] * len(texts)
        rules = [(query, True) for query in self.wanted]
        rules += [(query, False) for query in self.unwanted]
        for query, right in rules:
            left = [number for number, so_far in enumerate(shown) if so_far]
            spans = query.find_all([texts[number] for number in left])
            for number, span in zip(left, spans, strict=True):
                shown[number] = (span is not None) is right
        return shown

    @property
    def sieve(self) -> Sieve | None:
        """What finds all candidates quickly, and others too; None: every line must be read."""
        sieve = Sieve(self.wanted, self.unwanted)
        return sieve if sieve.useful else None


class _Known:
    """The places of all lines that pass between two positions."""

    def __init__(self, position: int) -> None:
        self.begin = position
        self.end = position
        self.places = array("Q")

    def add_before(self, piece: Lines) -> bool:
        """Take what was found just before; False: it cannot be remembered."""
        self.places[:0] = array("Q", [line.offset for line in piece])
        self.begin = piece.looked_to
        return self._fits(piece)

    def add_behind(self, piece: Lines) -> bool:
        """Take what was found just behind, but not a line that may go on; False: as above."""
        self.places.extend(line.offset for line in piece if line.offset < piece.looked_to)
        self.end = max(self.end, piece.looked_to)
        return self._fits(piece)

    def _fits(self, piece: Lines) -> bool:
        return len(self.places) <= _MOST_KNOWN and all(line.exact for line in piece)


class FilteredSource(SourceView):
    """A `LogSource` of some lines of another one; positions and line numbers are the other's."""

    def __init__(
        self,
        base: LogSource,
        filters: Filters,
        *,
        budget: float = _BUDGET,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Show the lines of `base` that pass; it is refreshed and closed with this source.

        Args:
            base: The whole log.
            filters: Which lines.
            budget: Seconds that one call may look before it gives what it has found.
            clock: What the time is.
        """
        super().__init__(base)
        self.filters = filters
        self._sieve = filters.sieve
        self._known: _Known | None = None
        self._lock = threading.Lock()
        self._budget = budget
        self._clock = clock

    def refresh(self) -> Change:
        """Look for news.

        Raises:
            OSError: The log is there but cannot be read.
        """
        change = self.base.refresh()
        if change is Change.RESET:
            self._known = None
        return change

    def after(self, position: int, count: int) -> Lines:
        """Up to `count` lines that pass, the first at `position` or later, within the budget."""
        found: list[LogLine] = []
        piece = Lines(looked_to=position, more=position < self.size)
        deadline = self._clock() + self._budget
        pieces = self._pieces_onward(position) if count > 0 else iter(())
        with self._lock:
            for piece in pieces:
                found += piece
                if len(found) > count:
                    found = found[:count]
                    return Lines(found, looked_to=found[-1].end, more=True)
                if len(found) == count or self._clock() >= deadline:
                    break
        return Lines(found, looked_to=piece.looked_to, more=piece.more)

    def before(self, position: int, count: int) -> Lines:
        """Up to `count` lines that pass, the last before `position`, within the budget."""
        found: list[LogLine] = []
        piece = Lines(looked_to=position, more=position > 0)
        deadline = self._clock() + self._budget
        pieces = self._pieces_back(position) if count > 0 else iter(())
        with self._lock:
            for piece in pieces:
                found = piece + found
                if len(found) > count:
                    found = found[-count:]
                    return Lines(found, looked_to=found[0].offset, more=True)
                if len(found) == count or self._clock() >= deadline:
                    break
        return Lines(found, looked_to=piece.looked_to, more=piece.more)

    def line_at(self, position: int) -> int | None:
        """The number of the line in the whole log; None: not counted yet."""
        return self.base.line_at(position)

    def offset_of(self, line: int) -> int:
        """The position of a line of the whole log; the first that passes is there or later.

        Raises:
            IndexError: There is no such line, or it has not been counted yet.
        """
        return self.base.offset_of(line)

    def position_near(self, fraction: float) -> int:
        """A position about this far into the whole log."""
        return self.base.position_near(fraction)

    def origin(self, position: int) -> Origin | None:
        """Which file the line at this position is from."""
        return self.base.origin(position)

    def time_at(self, position: int) -> float | None:
        """When the line at this position was written."""
        return self.base.time_at(position)

    def position_at(self, time: float) -> int | None:
        """The first position in the whole log of that time or later."""
        return self.base.position_at(time)

    def search(
        self, query: Query, begin: int, end: int, *, backward: bool = False
    ) -> Iterator[Step]:
        """Look for lines that match among those that pass."""
        for step in self.base.search(query, begin, end, backward=backward):
            shown = {line.offset for line in self._fetch(step)}
            yield step._replace(hits=tuple(hit for hit in step.hits if hit.offset in shown))

    def close(self) -> None:
        """Let go of all files."""
        self.base.close()

    def _pieces_onward(self, position: int) -> Iterator[Lines]:
        """What passes from a position on, piece by piece."""
        known = self._known
        if known is None or not known.begin <= position <= known.end:
            yield from self._onward(position)
            return
        first = bisect_left(known.places, position)
        for at in range(first, len(known.places), _MANY):
            lines = self._lines_at(known.places[at : at + _MANY])
            position = lines[-1].end if lines else position
            yield Lines(lines, looked_to=position, more=position < self.size)
        if position < known.end:
            yield Lines(looked_to=known.end, more=known.end < self.size)
        yield from self._catch_up(known)

    def _pieces_back(self, position: int) -> Iterator[Lines]:
        """What passes before a position, piece by piece."""
        known = self._known
        if known is None or position > known.end + _FAR:
            end = self._resume(position, self.size)
            known = self._known = _Known(end)
        if position < known.begin:
            yield from self._back(position)
            return
        tail: list[LogLine] = []
        if position > known.end:
            for piece in self._catch_up(known):
                tail = [line for line in piece if known.end <= line.offset < position]
                if piece.more:
                    # nothing can be told yet, but the next call goes on from here
                    yield Lines(looked_to=position, more=True)
        if position > known.end:
            position = known.end
            yield Lines(tail, looked_to=position, more=position > 0)
        stop = bisect_left(known.places, position)
        for at in range(stop, 0, -_MANY):
            lines = self._lines_at(known.places[max(0, at - _MANY) : at])
            position = lines[0].offset if lines else position
            yield Lines(lines, looked_to=position, more=position > 0)
        if position > known.begin:
            yield Lines(looked_to=known.begin, more=known.begin > 0)
        for piece in self._back(known.begin):
            if self._known is known and not known.add_before(piece):
                self._known = None
            yield piece

    def _catch_up(self, known: _Known) -> Iterator[Lines]:
        """What passes behind what is known, which it is from then on."""
        for piece in self._onward(known.end):
            if self._known is known and not known.add_behind(piece):
                self._known = None
            yield piece

    def _lines_at(self, places: Iterable[int]) -> list[LogLine]:
        return [line for place in places for line in self.base.after(place, 1)]

    def _onward(self, position: int) -> Iterator[Lines]:
        end = self.size
        if self._sieve is None:
            yield from self._read_onward(position, end, None)
            return
        for step in self.base.search(self._sieve, position, end):
            if len(step.hits) > _MANY:
                yield from self._read_onward(position, step.searched, _places(step))
            else:
                position = self._resume(step.searched, end)
                yield Lines(self._fetch(step), looked_to=position, more=step.searched < end)
            position = step.searched

    def _back(self, position: int) -> Iterator[Lines]:
        if self._sieve is None:
            yield from self._read_back(position, 0, None)
            return
        for step in self.base.search(self._sieve, 0, position, backward=True):
            if len(step.hits) > _MANY:
                yield from self._read_back(position, step.searched, _places(step))
            else:
                yield Lines(self._fetch(step), looked_to=step.searched, more=step.searched > 0)
            position = step.searched

    def _read_onward(
        self, position: int, end: int, likely: Container[int] | None
    ) -> Iterator[Lines]:
        while position < end:
            lines = self.base.after(position, _BATCH)
            inside = [line for line in lines if line.offset < end]
            position = lines.looked_to
            shown = self._passing(inside, likely)
            yield Lines(shown, looked_to=min(position, end), more=lines.more)
            if not lines.more:
                return

    def _read_back(
        self, position: int, begin: int, likely: Container[int] | None
    ) -> Iterator[Lines]:
        while position > begin:
            lines = self.base.before(position, _BATCH)
            inside = [line for line in lines if line.offset >= begin]
            position = max(begin, lines.looked_to)
            shown = self._passing(inside, likely)
            yield Lines(shown, looked_to=position, more=position > 0)
            if not lines.more:
                return

    def _resume(self, searched: int, end: int) -> int:
        """Where to go on after a step; a last line that is not ended is looked at again."""
        if searched < end:
            return searched
        last = self.base.before(end, 1)
        return searched if not last or last[-1].ended else last[-1].offset

    def _fetch(self, step: Step) -> list[LogLine]:
        return self._passing(self._lines_at(hit.offset for hit in step.hits))

    def _passing(
        self, lines: Sequence[LogLine], likely: Container[int] | None = None
    ) -> list[LogLine]:
        """Those of the lines that pass; `likely`: where all of them are."""
        if likely is not None:
            lines = [line for line in lines if line.offset in likely or not line.exact]
        whole = iter(self.filters.passing([line.data for line in lines if not line.clipped]))
        return [
            line for line in lines if (self._passes_clipped(line) if line.clipped else next(whole))
        ]

    def _passes_clipped(self, line: LogLine) -> bool:
        return all(self._within(line, query) for query in self.filters.wanted) and not any(
            self._within(line, query) for query in self.filters.unwanted
        )

    def _within(self, line: LogLine, query: Query) -> bool:
        if query.find(line.data) is not None:
            return True
        return any(step.hits for step in self.base.search(query, line.offset, line.end))


def _places(step: Step) -> frozenset[int]:
    return frozenset(hit.offset for hit in step.hits)
