"""FoldedSource: a merged log in which a line that several ranks wrote is told once.

Lines are folded in chunks that begin where nothing was written for a moment, or where they become
too long: where a chunk begins depends only on what is before, so lines keep their places while
logs grow. In the minority report what half of the ranks or more wrote is left out.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from typing import TYPE_CHECKING

from rankdeck.logs.fold import WINDOW, Folder, Sameness, minority, said_near
from rankdeck.logs.handle import Change
from rankdeck.logs.lines import Lines
from rankdeck.logs.view import SourceView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rankdeck.logs.fold import Group
    from rankdeck.logs.lines import LogLine
    from rankdeck.logs.search import Query, Step
    from rankdeck.logs.source import LogSource, Origin

_BUDGET = 0.1
_CHUNK = 256 * 1024
_CHUNK_PER_RANK = 384
_BATCH = 512
_GAP = 0.25
"""Seconds without a line that end a chunk where it may end."""
_KEPT = 16


class _Chunk:
    """Some consecutive lines, folded as far as they have been read."""

    def __init__(self, begin: int) -> None:
        self.begin = begin
        self.read_to = begin
        self.end: int | None = None
        """Where the next chunk begins; None: not known yet."""
        self.whole = False
        """Whether all has been read that there is of it so far."""
        self.last_time: float | None = None
        """When the last line that has been read was written."""
        self.folder = Folder()


class FoldedSource(SourceView):
    """A `LogSource` of the lines of another one, each with all ranks that wrote it.

    The other one must tell ranks and times, and take any position: a `MergedSource`, or a
    `FilteredSource` of one.
    """

    def __init__(
        self,
        base: LogSource,
        local_ranks: Mapping[int, int],
        *,
        loose: bool = False,
        only_minority: bool = False,
        chunk: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Fold the lines of `base`; it is refreshed and closed with this source.

        Args:
            base: The merged log.
            local_ranks: The local rank of each rank that may have written.
            loose: See `Sameness`.
            only_minority: Whether to leave out what half of the ranks or more wrote.
            chunk: Bytes that are folded at once; None: as suits the number of ranks.
            clock: What the time is.
        """
        super().__init__(base)
        self._local_ranks = local_ranks
        self._sameness = Sameness(loose)
        self._only_minority = only_minority
        self._chunk_size = chunk or max(_CHUNK, _CHUNK_PER_RANK * len(local_ranks))
        self._clock = clock
        self._lock = threading.RLock()
        self._forget()
        self._size = base.size

    @property
    def size(self) -> int:
        """The position behind the last line; in a minority report, of what others had time for."""
        return self._size

    def refresh(self) -> Change:
        """Look for news.

        Raises:
            OSError: A log is there but cannot be read.
        """
        change = self.base.refresh()
        if change is Change.RESET:
            with self._lock:
                self._forget()
                self._size = self.base.size
            return change
        if not self._only_minority:
            self._size = self.base.size
            return change
        now = self._clock()
        self._sizes.append((now, self.base.size))
        before = self._size
        while self._sizes and self._sizes[0][0] <= now - WINDOW:
            self._size = self._sizes.popleft()[1]
        return Change.GREW if self._size > before else Change.SAME

    def after(self, position: int, count: int) -> Lines:
        """Up to `count` folded lines, the first at `position` or later, within a budget."""
        found: list[LogLine] = []
        end = self._size
        deadline = self._clock() + _BUDGET
        while position < end and len(found) < count:
            with self._lock:
                chunk = self._chunk_at(position)
                shown = [line for line in self._shown(chunk) if position <= line.offset < end]
            if not chunk.whole:
                break
            found += shown
            position = end if chunk.end is None else min(chunk.end, end)
            if self._clock() > deadline:
                break
        if len(found) > count:
            found = found[:count]
            return Lines(found, looked_to=found[-1].end if found else position, more=True)
        return Lines(found, looked_to=position, more=position < end)

    def before(self, position: int, count: int) -> Lines:
        """Up to `count` folded lines, the last before `position`, within a budget."""
        found: list[LogLine] = []
        position = min(position, self._size)
        deadline = self._clock() + _BUDGET
        while position > 0 and len(found) < count:
            with self._lock:
                chunk = self._chunk_at(position - 1)
                shown = [line for line in self._shown(chunk) if line.offset < position]
            if not chunk.whole:
                break
            found = shown + found
            position = chunk.begin
            if self._clock() > deadline:
                break
        if len(found) > count:
            found = found[len(found) - count :]
            return Lines(found, looked_to=found[0].offset if found else position, more=True)
        return Lines(found, looked_to=position, more=position > 0)

    def line_at(self, position: int) -> int | None:
        """The number of the line in the merged log; None: not counted yet."""
        return self.base.line_at(position)

    def offset_of(self, line: int) -> int:
        """The position of a line of the merged log.

        Raises:
            IndexError: There is no such line, or it has not been counted yet.
        """
        return self.base.offset_of(line)

    def position_near(self, fraction: float) -> int:
        """A position about this far into the merged log."""
        return min(self.base.position_near(fraction), self._size)

    def origin(self, position: int) -> Origin | None:
        """Which file the line at this position is from."""
        return self.base.origin(position)

    def time_at(self, position: int) -> float | None:
        """When the line at this position was written."""
        return self.base.time_at(position)

    def position_at(self, time: float) -> int | None:
        """The first position in the merged log of that time or later."""
        position = self.base.position_at(time)
        return None if position is None else min(position, self._size)

    def search(
        self, query: Query, begin: int, end: int, *, backward: bool = False
    ) -> Iterator[Step]:
        """Look for folded lines that match."""
        for step in self.base.search(query, begin, min(end, self._size), backward=backward):
            hits = tuple(hit for hit in step.hits if self._shows(hit.offset))
            yield step._replace(hits=hits)

    def close(self) -> None:
        """Let go of all files."""
        self.base.close()

    def _forget(self) -> None:
        self._chunks: OrderedDict[int, _Chunk] = OrderedDict()
        self._sizes: deque[tuple[float, int]] = deque()

    def _shows(self, position: int) -> bool:
        with self._lock:
            chunk = self._chunk_at(position)
            return any(line.offset == position for line in self._shown(chunk))

    def _shown(self, chunk: _Chunk) -> list[LogLine]:
        """What is shown of a chunk."""
        groups = chunk.folder.groups
        if not self._only_minority:
            return [group.shown for group in groups]
        total = len(self._local_ranks)
        return [
            group.shown
            for group in groups
            if group.text.words
            and minority(len(group.ranks), total)
            and minority(len(group.ranks | self._said_beside(chunk, group)), total)
        ]

    def _said_beside(self, chunk: _Chunk, group: Group) -> set[int]:
        """Who said the same just before or after the chunk."""
        found: set[int] = set()
        if chunk.begin > 0 and group.time - chunk.folder.groups[0].time <= WINDOW:
            earlier = self._chunk_at(chunk.begin - 1)
            found |= said_near(earlier.folder.groups, group.text, group.time)
        if chunk.end is not None and chunk.end < self.base.size:
            later = self._chunk_at(chunk.end)
            if later.folder.groups and later.folder.groups[0].time - group.time <= WINDOW:
                found |= said_near(later.folder.groups, group.text, group.time)
        return found

    def _chunk_at(self, position: int) -> _Chunk:
        """The chunk that a position lies in, as far as it goes by now."""
        number = position // self._chunk_size
        while number > 0:
            chunk = self._chunk(number)
            if chunk is not None and chunk.begin <= position:
                return chunk
            number -= 1
        first = self._chunk(0)
        assert first is not None
        return first

    def _chunk(self, number: int) -> _Chunk | None:
        """A chunk by its number; None: it has not begun yet."""
        chunk = self._chunks.get(number)
        if chunk is None:
            earlier = self._chunks.get(number - 1)
            if earlier is not None and earlier.end is None:
                self._read_on(earlier, number - 1)
            begin = self._begin_of(number) if earlier is None else earlier.end
            if begin is None:
                return None
            chunk = self._chunks[number] = _Chunk(begin)
            if len(self._chunks) > _KEPT:
                self._chunks.popitem(last=False)
        else:
            self._chunks.move_to_end(number)
        if chunk.end is None:
            self._read_on(chunk, number)
        return chunk

    def _begin_of(self, number: int) -> int | None:
        """Where a chunk begins: where something was written after a silence, or late enough."""
        at = number * self._chunk_size
        if number == 0 or at >= self.base.size:
            return 0 if number == 0 else None
        earlier = self.base.before(at, 1)
        while not earlier and earlier.more:
            earlier = self.base.before(earlier.looked_to, 1)
        before = self.base.time_at(earlier[0].offset) if earlier else None
        while True:
            lines = self.base.after(at, _BATCH)
            for line in lines:
                now = self.base.time_at(line.offset)
                if self._begins(line.offset, number, now, before):
                    return line.offset
                before = now
            if not lines.more:
                return None
            at = lines.looked_to

    def _begins(self, position: int, number: int, now: float | None, before: float | None) -> bool:
        if position < number * self._chunk_size:
            return False
        if position >= number * self._chunk_size + self._chunk_size // 2:
            return True
        return now is not None and before is not None and now - before >= _GAP

    def _read_on(self, chunk: _Chunk, number: int) -> None:
        """Fold what has come since, up to where the next chunk begins."""
        size = self.base.size
        before = chunk.last_time
        deadline = self._clock() + _BUDGET
        while chunk.read_to < size:
            lines = self.base.after(chunk.read_to, _BATCH)
            for line in lines:
                now = self.base.time_at(line.offset)
                if line.offset > chunk.begin and self._begins(line.offset, number + 1, now, before):
                    chunk.end = line.offset
                    chunk.whole = True
                    return
                text = self._sameness.text(
                    line.data, line.rank, self._local_ranks.get(line.rank, -1)
                )
                chunk.folder.add(line, text, now or 0.0)
                before = chunk.last_time = now
                chunk.read_to = line.end
            chunk.read_to = lines.looked_to
            if not lines.more:
                break
            if self._clock() > deadline:
                chunk.whole = False
                return
        chunk.whole = True
