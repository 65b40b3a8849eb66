"""MergedSource: the logs of several ranks as one, by time, anywhere in it, while they grow.

What is there when it is opened is in the order of time; what comes later is appended as it comes,
a moment late so that it is in order too, and keeps its place. Positions count the bytes of all
logs. Of logs of any size only the segments looked at are read, in few open files.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from rankdeck.logs.arrivals import Arrivals
from rankdeck.logs.cuts import Cuts
from rankdeck.logs.entries import Entries
from rankdeck.logs.handle import Change
from rankdeck.logs.lines import Lines
from rankdeck.logs.merged_lines import LineCounter
from rankdeck.logs.merged_search import search_merged
from rankdeck.logs.rank_files import RankFiles
from rankdeck.logs.segment import Segment
from rankdeck.logs.source import Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rankdeck.logs.cuts import Cut
    from rankdeck.logs.entries import Entry
    from rankdeck.logs.lines import LogLine
    from rankdeck.logs.search import Query, Step
    from rankdeck.logs.sources import RankLog

SETTLE = 0.7
"""Seconds after which what was written is shown, whether or not its time is known."""
_LIMIT = 256 * 1024
_KEPT = 8 << 20
_BUDGET = 0.1
_ROUNDING = 1e-5
"""Seconds; clocks are made up for by adding, which is not exact."""
_LOOKS = 1024
"""Logs that one refresh looks at, in turn."""


class MergedSource:
    """A `LogSource` of several ranks' logs; its lines say whose they are."""

    def __init__(
        self,
        logs: Sequence[RankLog],
        *,
        settle: float = SETTLE,
        limit: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Look at what is there.

        Args:
            logs: Whose logs; they need not be there yet.
            settle: Seconds that lines may wait for those of other ranks.
            limit: Bytes that are read and ordered at once; None: as suits the number of ranks.
            clock: What the time is.

        Raises:
            OSError: A log is there but cannot be read.
        """
        self.files = RankFiles(logs)
        self._limit = limit or max(_LIMIT, 512 * len(self.files.logs))
        self._settle = settle
        self._clock = clock
        self._lock = threading.RLock()
        self._turn = 0
        for index in range(len(self.files.logs)):
            self.files.look(index)
        self._start()

    @property
    def ranks(self) -> tuple[int, ...]:
        """Whose logs these are."""
        return tuple(log.rank for log in self.files.logs)

    @property
    def exists(self) -> bool:
        """Whether any log has ever been there."""
        return any(self.files.seen(index) for index in range(len(self.files.logs)))

    @property
    def size(self) -> int:
        """Bytes of all logs that are shown."""
        return self._cuts.end.base

    @property
    def line_count(self) -> int:
        """Lines counted so far."""
        return self._counter.count

    @property
    def indexed(self) -> bool:
        """Whether all lines have been counted."""
        return self._counter.complete

    @property
    def indexed_part(self) -> float:
        """How much has been looked through to count lines."""
        return self._counter.part

    def refresh(self) -> Change:
        """Look for news; with very many logs, at some of them in turn.

        Raises:
            OSError: A log is there but cannot be read.
        """
        total = len(self.files.logs)
        looked = range(self._turn, self._turn + min(total, _LOOKS))
        self._turn = (self._turn + len(looked)) % max(1, total)
        changes = [(index % total, self.files.look(index % total)) for index in looked]
        with self._lock:
            if any(change is Change.RESET for _, change in changes):
                self._start()
                return Change.RESET
            grown = [index for index, change in changes if change is Change.GREW]
            end = self._arrivals.settled(grown, self._clock())
            if end is None:
                return Change.SAME
            if not self._arrivals.goes_on or not self._fits(end):
                self._cuts.append(end)
            else:
                self._cuts.replace_end(end)
            self._counter.ends = end.places
        return Change.GREW

    def index_some(self, budget: int = 8 << 20) -> bool:
        """Count the lines in up to `budget` more bytes; whether all have been."""
        return self._counter.count_some(budget)

    def after(self, position: int, count: int) -> Lines:
        """Up to `count` lines from `position` on."""
        found: list[LogLine] = []

        def take(segment: Segment, first: int, last: int) -> None:
            found.extend(segment.line(number) for number in range(first, last))

        looked_to = self._walk(position, count, take)
        return Lines(found, looked_to=looked_to, more=looked_to < self.size)

    def entries(self, position: int, count: int) -> Entries:
        """Up to `count` lines from `position` on, with their times."""
        found: list[Entry] = []

        def take(segment: Segment, first: int, last: int) -> None:
            found.extend(segment.entries(first, last))

        looked_to = self._walk(position, count, take)
        return Entries(found, looked_to=looked_to, more=looked_to < self.size)

    def _walk(self, position: int, count: int, take: Callable[[Segment, int, int], None]) -> int:
        """Take up to `count` lines from a position on; up to where."""
        end = self.size
        position = max(0, position)
        deadline = self._clock() + _BUDGET
        while position < end and count > 0:
            segment = self.segment(position)
            first = segment.number_from(position)
            last = min(len(segment), first + count)
            take(segment, first, last)
            count -= last - first
            position = segment.positions[last] if last < len(segment) else segment.end
            if self._clock() > deadline:
                break
        return min(position, end) if end else position

    def line(self, position: int) -> LogLine:
        """The line at this position; there must be one."""
        segment = self.segment(position)
        return segment.line(segment.number_from(position))

    def before(self, position: int, count: int) -> Lines:
        """Up to `count` lines before `position`."""
        found: list[LogLine] = []
        position = min(position, self.size)
        deadline = self._clock() + _BUDGET
        while position > 0 and len(found) < count:
            segment = self.segment(position - 1)
            last = segment.number_from(position)
            first = max(0, last - (count - len(found)))
            found = [segment.line(number) for number in range(first, last)] + found
            position = segment.positions[first] if first < len(segment) else segment.base
            if self._clock() > deadline:
                break
        return Lines(found, looked_to=position, more=position > 0)

    def line_at(self, position: int) -> int | None:
        """The number of the line in the merged log; None: not all have been counted yet."""
        if not self._counter.complete:
            return None
        if position >= self.size:
            return self._counter.count
        segment = self.segment(position)
        return self._counter.before(segment.begins) + segment.number_from(position)

    def offset_of(self, line: int) -> int:
        """The position of a line by its number in the merged log.

        Raises:
            IndexError: There is no such line, or not all have been counted yet.
        """
        if not 0 <= line < self.line_count or not self.indexed:
            raise IndexError(f"line {line} of the merged log is not counted")
        low, high = 0, self.size
        while True:
            segment = self.segment((low + high) // 2)
            first = self._counter.before(segment.begins)
            if line < first:
                high = segment.base
            elif line >= first + len(segment):
                low = segment.end
            else:
                return segment.positions[line - first]
            if low >= high:
                raise IndexError(f"line {line} of the merged log is not counted")

    def position_near(self, fraction: float) -> int:
        """The position of a line about this far into all logs."""
        wanted = int(self.size * min(1.0, max(0.0, fraction)))
        if not 0 < wanted < self.size:
            return wanted
        segment = self.segment(wanted)
        return segment.positions[max(0, segment.number_from(wanted + 1) - 1)]

    def origin(self, position: int) -> Origin | None:
        """Whose log the line at this position is from, and where it is there."""
        if not 0 <= position < self.size:
            return None
        segment = self.segment(position)
        index, offset = segment.origin(min(segment.number_from(position), len(segment) - 1))
        log = self.files.logs[index]
        return Origin(log.path, log.rank, offset)

    def position_of(self, rank: int, offset: int) -> int | None:
        """Where the line of a rank's log at this place is shown; None: it is not shown yet."""
        index = next((n for n, log in enumerate(self.files.logs) if log.rank == rank), None)
        if index is None or not 0 <= offset < self._cuts.end.places[index]:
            return None
        low, high = 0, self.size
        while low < high:
            segment = self.segment((low + high) // 2)
            number = segment.number_of(index, offset)
            if number is not None:
                return segment.positions[number]
            if offset < segment.begins[index]:
                high = segment.base
            else:
                low = segment.end
        return None

    def time_at(self, position: int) -> float | None:
        """When the line at this position was written."""
        if not self.size:
            return None
        segment = self.segment(min(max(0, position), self.size - 1))
        return segment.time(min(segment.number_from(position), len(segment) - 1))

    def position_at(self, time: float) -> int | None:
        """The position of the first line written at `time` or later."""
        if not self.size:
            return None
        with self._lock:
            position = self._cuts.position_at(time - _ROUNDING)
        while position < self.size:
            segment = self.segment(position)
            number = segment.first_at(time)
            if number < len(segment):
                return segment.positions[number]
            position = segment.end
        return self.size

    def search(
        self, query: Query, begin: int, end: int, *, backward: bool = False
    ) -> Iterator[Step]:
        """Look for lines that match between two positions, in steps of bounded size."""
        return search_merged(self, query, max(0, begin), min(end, self.size), backward=backward)

    def close(self) -> None:
        """Let go of all files."""
        self.files.close()

    def around(self, position: int) -> tuple[Cut, Cut]:
        """The cuts of the segment that a position lies in."""
        with self._lock:
            return self._cuts.around(position)

    def segment(self, position: int) -> Segment:
        """The segment that a position lies in; there must be something there.

        Raises:
            OSError: A log cannot be read.
        """
        with self._lock:
            begin, end = self._cuts.around(position)
            key = (begin.base, end.base)
            segment = self._segments.get(key)
            if segment is not None:
                self._segments.move_to_end(key)
                return segment
            arrivals = self._arrivals
            segment = Segment(
                self.files,
                begin.base,
                begin.places,
                end.places,
                dates=arrivals.times_at,
                breaks=arrivals.breaks,
            )
            self._segments[key] = segment
            room = sum(high - low for low, high in self._segments)
            while room > _KEPT and len(self._segments) > 2:
                low, high = self._segments.popitem(last=False)[0]
                room -= high - low
            return segment

    def _fits(self, end: Cut) -> bool:
        begin = self._cuts.last_begin
        return begin is not None and end.base - begin.base <= self._limit

    def _start(self) -> None:
        """Begin from what is there now."""
        with self._lock:
            self._segments: OrderedDict[tuple[int, int], Segment] = OrderedDict()
            self._arrivals = Arrivals(self.files, self._settle)
            end = self._arrivals.begin(self._clock())
            self._cuts = Cuts(self.files, self._arrivals.first_time, end, self._limit)
            self._counter = LineCounter(self.files, self._arrivals, end.places)
