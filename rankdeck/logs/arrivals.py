"""Arrivals: how far each of many growing logs may be shown, so that what is shown can stay.

Lines wait a moment for those of other ranks, whose times or bytes may come later, and so that
they come as a whole; never longer than a fixed time. What is shown without its time being known,
or as a line without its newline, is remembered, as it must look the same when it is read again.
"""

from __future__ import annotations

import math
import time
from bisect import bisect_left, bisect_right, insort
from collections import deque
from typing import TYPE_CHECKING

from rankdeck.logs.cuts import Cut, cut

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rankdeck.logs.rank_files import RankFiles

_TOGETHER = 0.2
"""Seconds between writing and the note of its time, and between the nodes' clocks."""
_REST = 1.0
"""Seconds after which a line is shown though it has no newline."""
_PROGRESS_REST = 10.0
"""Seconds after which a line that is being written over is shown as it is."""
_SAMPLED = 64
_START_SKEW = 300.0
"""Seconds before the earliest of some ranks' first lines in which the others' may lie."""
_DATED_PENDING = 128
"""With more logs growing at once, nobody asks for their times: all wait the fixed time."""
_UNDATED = 1024


class Arrivals:
    """How far each log is shown."""

    def __init__(self, files: RankFiles, settle: float) -> None:
        """Begin with nothing shown.

        Args:
            files: The logs.
            settle: Seconds that what was written may wait at most.
        """
        self._files = files
        self._settle = settle
        self._ends = [0] * len(files.logs)
        self._pending: dict[int, tuple[float, int]] = {}
        """By log: since when there is more than is shown, and how much there was then."""
        self._breaks: dict[int, list[int]] = {}
        self._undated: dict[int, deque[tuple[int, float]]] = {}
        """By log: from which byte on what time holds, where no time was known."""
        self._latest = -math.inf
        self._live = False
        self.goes_on = False
        """Whether what was told last is ordered right if it is put together with what was told
        before."""
        self.first_time = 0.0
        """Before anything was written."""

    def begin(self, now: float) -> Cut:
        """What there is now: whole lines, and what has rested."""
        files = self._files
        for index in range(len(self._ends)):
            size = files.size(index)
            if size:
                # what has no newline yet may be a line in the making
                resting = time.time() - files.changed_at(index) > _REST
                self._ends[index] = self._whole(index, size, resting=resting)
                self._date(index, 0, self._ends[index], files.time_at(index, 0))
                if self._ends[index] < size:
                    self._pending[index] = (now, size)
        there = [index for index, end in enumerate(self._ends) if end]
        step = max(1, len(there) // _SAMPLED)
        begins = [files.time_at(index, 0) for index in there[::step]]
        slack = 1.0 if step == 1 else _START_SKEW
        self.first_time = min(begins, default=0.0) - slack
        self._latest = max(
            (files.time_at(index, self._ends[index] - 1) for index in there[::step]), default=0.0
        )
        return cut(self._latest, self._ends)

    def settled(self, grown: Iterable[int], now: float) -> Cut | None:
        """What may be shown now; None: nothing more than before.

        Args:
            grown: Which logs have been seen to grow.
            now: By a steady clock.

        Raises:
            OSError: A log cannot be read.
        """
        for index in grown:
            self._pending.setdefault(index, (now, self._files.size(index)))
        if not self._pending:
            return None
        mark = self._water_mark()
        before = list(self._ends)
        for index, (since, size) in list(self._pending.items()):
            rested = now - since >= self._settle
            target = size if rested else self._dated_to(index, mark)
            self._take(index, target, now, rested=rested)
        moved = [index for index, end in enumerate(self._ends) if end > before[index]]
        if not moved:
            return None
        self.goes_on = self._live and self._in_order(moved, before)
        self._live = True
        for index in moved:
            last = self._ends[index]
            of_log = self._files.latest_between(index, before[index], last)
            self._latest = max(self._latest, of_log, self.time_at(index, last - 1))
        return cut(self._latest, self._ends)

    def time_at(self, index: int, offset: int) -> float:
        """When a byte was written, as it was known when it was first shown."""
        undated = self._undated.get(index)
        if undated and offset >= undated[0][0]:
            number = bisect_right(undated, offset, key=lambda entry: entry[0]) - 1
            fixed = undated[number][1]
            if not math.isnan(fixed):
                return fixed
        return self._files.time_at(index, offset)

    def times_at(self, index: int, offsets: Sequence[int]) -> Sequence[float]:
        """When these bytes were written, in order of place."""
        undated = self._undated.get(index)
        if undated and offsets and offsets[-1] >= undated[0][0]:
            return [self.time_at(index, offset) for offset in offsets]
        return self._files.times_at(index, offsets)

    def breaks(self, index: int, begin: int, end: int) -> Sequence[int]:
        """Where between two places a line was shown without a newline."""
        places = self._breaks.get(index)
        if not places:
            return ()
        return places[bisect_right(places, begin) : bisect_left(places, end)]

    def breaks_before(self, index: int, end: int) -> int:
        """How many lines before a place were shown without a newline."""
        return bisect_right(self._breaks.get(index, ()), end)

    def _water_mark(self) -> float:
        """The time up to which nobody needs to wait."""
        if len(self._pending) > _DATED_PENDING:
            return -math.inf
        newest = -math.inf
        for index in self._pending:
            self._files.refresh_times(index)
            dated = self._files.dated(index)
            if dated is not None:
                newest = max(newest, dated[0])
        return newest - _TOGETHER

    def _dated_to(self, index: int, mark: float) -> int:
        """Up to where a log was surely written before `mark`."""
        dated = self._files.dated(index) if mark > -math.inf else None
        if dated is None:
            return 0
        return min(self._files.offset_at(index, mark), dated[1], self._files.size(index))

    def _take(self, index: int, target: int, now: float, *, rested: bool) -> None:
        size = self._files.size(index)
        shown = self._ends[index]
        if target > shown:
            resting = rested and target == size
            waited = now - self._pending[index][0] if resting else 0.0
            end = self._whole(index, target, resting=waited >= _REST, since=shown)
            if end < size and waited >= _PROGRESS_REST:
                end = self._break(index, size)
            self._date(index, shown, end, time.time())
            self._ends[index] = shown = max(shown, end)
        if shown >= size:
            del self._pending[index]
        elif rested and target < size:
            self._pending[index] = (now, size)

    def _whole(self, index: int, target: int, *, resting: bool, since: int = 0) -> int:
        """Where the line that `target` lies in ends, with all lines that belong to it.

        Where it has not ended: where it begins, or its end so far if it is `resting` and is not
        being written over.
        """
        files = self._files
        size = files.size(index)
        end = files.line_from(index, target, size)
        if end is not None:
            whole = files.boundary(index, end, size)
            if whole < size or files.read(index, size - 1, 1) == b"\n":
                return whole
            return end
        begin = files.line_before(index, target, since)
        if resting and b"\r" not in files.read(index, begin, min(size - begin, 4096)):
            return self._break(index, size)
        return begin

    def _break(self, index: int, end: int) -> int:
        places = self._breaks.setdefault(index, [])
        if not places or places[-1] < end:
            insort(places, end)
        return end

    def _date(self, index: int, begin: int, end: int, unknown: float) -> None:
        """Remember the time of what is shown before anybody has noted it.

        Args:
            index: Which log.
            begin: From where on it has not been shown before.
            end: Up to where it is shown.
            unknown: When it was written if nothing about it has ever been noted.
        """
        if end <= begin:
            return
        dated = self._files.dated(index)
        if dated is not None and dated[1] >= end:
            return
        undated = self._undated.setdefault(index, deque(maxlen=_UNDATED))
        if dated is None:
            undated.append((begin, unknown))
        else:
            undated.append((max(begin, dated[1]), dated[0]))
        # from the end on times hold again
        undated.append((end, math.nan))

    def _in_order(self, moved: Sequence[int], before: Sequence[int]) -> bool:
        """Whether all of it was written after all that was told before, and nothing is cut."""
        for index in moved:
            begin = before[index]
            if self.time_at(index, begin) <= self._latest:
                return False
            if begin in self._breaks.get(index, ()):
                return False
            if begin and self._files.boundary(index, begin, self._ends[index]) != begin:
                return False
        return True
