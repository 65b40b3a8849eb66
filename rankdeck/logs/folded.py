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

from rankdeck.logs.entries import entries_after
from rankdeck.logs.fold import WINDOW, Folder, Sameness, Texts, minority, said_near
from rankdeck.logs.handle import Change
from rankdeck.logs.lines import Lines
from rankdeck.logs.merged import MergedSource
from rankdeck.logs.view import SourceView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rankdeck.logs.entries import Entry
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
_KEPT = 8
_KEPT_GROUPS = 8_000
"""In chunks that are kept, but for the few that are looked at."""


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
        self.shown: tuple[tuple[int, ...], list[LogLine]] | None = None
        """What is shown of it in a minority report, as far as it and those beside it were read."""


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
        self._texts = Texts(Sameness(loose), local_ranks)
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
                shown = self._shown(chunk)
            if shown is None:
                break
            found += [line for line in shown if position <= line.offset < end]
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
                shown = self._shown(chunk)
            if shown is None:
                break
            found = [line for line in shown if line.offset < position] + found
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
            shown = None
            while shown is None:
                shown = self._shown(self._chunk_at(position))
            return any(line.offset == position for line in shown)

    def _shown(self, chunk: _Chunk) -> list[LogLine] | None:
        """What is shown of a chunk; None: it takes longer to know."""
        if not chunk.whole:
            return None
        if not self._only_minority:
            return [group.shown for group in chunk.folder.groups]
        beside = self._beside(chunk)
        if any(not one.whole for one in beside):
            return None
        read = (chunk.read_to, *(one.read_to for one in beside))
        if chunk.shown is None or chunk.shown[0] != read:
            groups = chunk.folder.groups
            chunk.shown = read, [one.shown for one in groups if self._is_minority(one, beside)]
        return chunk.shown[1]

    def _beside(self, chunk: _Chunk) -> list[_Chunk]:
        """The chunks before and behind this one, where they may say the same."""
        found = []
        groups = chunk.folder.groups
        if chunk.begin > 0 and groups:
            found.append(self._chunk_at(chunk.begin - 1))
        if chunk.end is not None and chunk.end < self.base.size:
            found.append(self._chunk_at(chunk.end))
        return found

    def _is_minority(self, group: Group, beside: Sequence[_Chunk]) -> bool:
        total = len(self._local_ranks)
        words = group.text.words
        if not words or not minority(len(group.ranks), total):
            return False
        others = [near for one in beside for near in one.folder.saying(words)]
        said = said_near(others, group.text, group.time) if others else set()
        return minority(len(group.ranks | said), total)

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
            self._drop()
        else:
            self._chunks.move_to_end(number)
        if chunk.end is None:
            self._read_on(chunk, number)
        return chunk

    def _drop(self) -> None:
        """Forget chunks that were looked at long ago."""
        groups = sum(len(chunk.folder.groups) for chunk in self._chunks.values())
        while len(self._chunks) > _KEPT or (len(self._chunks) > 4 and groups > _KEPT_GROUPS):
            _, gone = self._chunks.popitem(last=False)
            groups -= len(gone.folder.groups)

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
            entries = entries_after(self.base, at, _BATCH)
            for entry in entries:
                if self._begins(entry.position, number, entry.time, before):
                    return entry.position
                before = entry.time
            if not entries.more:
                return None
            at = entries.looked_to

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
            entries = entries_after(self.base, chunk.read_to, _BATCH)
            for entry in entries:
                position, now = entry.position, entry.time
                if position > chunk.begin and self._begins(position, number + 1, now, before):
                    chunk.end = position
                    chunk.whole = True
                    return
                self._fold(chunk, entry)
                before = chunk.last_time = now
                chunk.read_to = entry.end
            chunk.read_to = entries.looked_to
            if not entries.more:
                break
            if self._clock() > deadline:
                chunk.whole = False
                return
        chunk.whole = True

    def _fold(self, chunk: _Chunk, entry: Entry) -> None:
        text = self._texts.of(entry.data, entry.rank)
        if chunk.folder.join(entry.rank, text, entry.time):
            return
        line = entry.line
        if line is None:
            assert isinstance(self.base, MergedSource)
            line = self.base.line(entry.position)
        chunk.folder.begin(line, text, entry.time)
