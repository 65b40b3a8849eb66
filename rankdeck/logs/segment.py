"""Segment: what several ranks wrote between two places of each of their logs, in order of time.

The order depends on nothing but those places and the times, so a segment can be dropped and built
again. Its lines have positions one behind the other, from that of its begin.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from itertools import accumulate, pairwise, repeat
from operator import itemgetter
from typing import TYPE_CHECKING

from rankdeck.logs.entries import Entry, entry_of
from rankdeck.logs.file import look_at
from rankdeck.logs.lines import MAX_LINE, whole_line
from rankdeck.logs.merge import Glue, goes_on, has_openings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from rankdeck.logs.lines import LogLine
    from rankdeck.logs.rank_files import RankFiles

HELD = 1 << 20
"""A part of one log that is larger is read again when a line of it is wanted."""
_HEAD = 512
"""Bytes of a line that tell whether it belongs to the one before."""


class Segment:
    """Lines of several ranks, with their positions."""

    def __init__(
        self,
        files: RankFiles,
        base: int,
        begins: Sequence[int],
        ends: Sequence[int],
        *,
        dates: Callable[[int, Sequence[int]], Sequence[float]],
        breaks: Callable[[int, int, int], Sequence[int]],
    ) -> None:
        """Read and order the lines.

        Args:
            files: The logs.
            base: The position of the first line.
            begins: Where to begin in each log; the begin of a line.
            ends: Where to end in each log; the end of a line.
            dates: When these bytes of a log were written; in order of place.
            breaks: Where between two places of a log a line counts as ended without a newline.

        Raises:
            OSError: A log cannot be read.
        """
        self.base = base
        self.begins = begins
        self.ends = ends
        self._files = files
        self._parts: dict[int, bytes] = {}
        self._numbers: dict[int, list[int]] = {}
        entries: list[tuple[float, int, int, int]] = []
        for index, (begin, end) in enumerate(zip(begins, ends, strict=True)):
            if end > begin:
                entries += self._dated_lines(index, begin, end, dates, breaks(index, begin, end))
        # sorting is stable, and each rank's times never go back: it keeps its order
        entries.sort(key=itemgetter(0))
        self._times = array("d", [entry[0] for entry in entries])
        self._owners = array("I", [entry[1] for entry in entries])
        self._offsets = array("Q", [entry[2] for entry in entries])
        self.positions = array("Q")
        """Where each line begins."""
        at = base
        for entry in entries:
            self.positions.append(at)
            at += entry[3]
        self.end = at
        """The position behind the last line."""

    def __len__(self) -> int:
        return len(self.positions)

    def _dated_lines(
        self,
        index: int,
        begin: int,
        end: int,
        dates: Callable[[int, Sequence[int]], Sequence[float]],
        breaks: Sequence[int],
    ) -> Iterator[tuple[float, int, int, int]]:
        """Time, log, place and size of each line."""
        offsets: list[int] = []
        sizes: list[int] = []
        own: list[int] = []
        for offset, size, held in self._line_places(index, begin, end, breaks):
            if not held or not own:
                own.append(offset)
            offsets.append(offset)
            sizes.append(size)
        known = list(accumulate(dates(index, own), max))
        if len(own) < len(offsets):
            known = _spread(known, own, offsets)
        return zip(known, repeat(index), offsets, sizes)

    def _line_places(
        self, index: int, begin: int, end: int, breaks: Sequence[int]
    ) -> Iterator[tuple[int, int, bool]]:
        """Place and size of each line, and whether it belongs to the one before."""
        spans = list(pairwise((begin, *breaks, end)))
        keep = not breaks and end - begin <= HELD
        if keep:
            data = self._parts[index] = self._whole(index, begin, end)
            if not has_openings(data):
                for line in _lines(data):
                    yield begin, len(line), goes_on(line)
                    begin += len(line)
                return
        glue = Glue()
        for span in spans:
            for size, head in self._heads(index, *span):
                yield begin, size, glue.holds(head.rstrip(b"\n"))
                begin += size

    def _heads(self, index: int, begin: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Size and first bytes of each line of a log between two places."""
        if end - begin <= HELD:
            data = self._whole(index, begin, end)
            yield from ((len(line), line[:_HEAD]) for line in _lines(data))
            return
        size, head = 0, b""
        place = begin
        while place < end:
            data = self._files.read(index, place, min(HELD, end - place)) or b" " * (end - place)
            place += len(data)
            for line in _lines(data):
                head = head or line[:_HEAD]
                size += len(line)
                if line.endswith(b"\n") or begin + size >= end:
                    yield size, head
                    begin += size
                    size, head = 0, b""

    def _whole(self, index: int, begin: int, end: int) -> bytes:
        # what cannot be read any more still takes its room
        return self._files.read(index, begin, end - begin).ljust(end - begin)

    def number_from(self, position: int) -> int:
        """The number in here of the first line at this position or later."""
        return bisect_left(self.positions, position)

    def line(self, number: int) -> LogLine:
        """One of the lines.

        Raises:
            OSError: Its log cannot be read.
        """
        index, offset = self._owners[number], self._offsets[number]
        position = self.positions[number]
        following = number + 1
        end = self.positions[following] if following < len(self.positions) else self.end
        size = end - position
        part = self._parts.get(index)
        rank = self._files.logs[index].rank
        if part is not None:
            begin = offset - self.begins[index]
            raw = part[begin : begin + size]
            ended = raw[-1:] == b"\n"
            line = whole_line(position, raw[: size - ended], ended=ended)
        else:
            ended = self._files.read(index, offset + size - 1, 1) == b"\n"

            def read(at: int, length: int) -> bytes:
                return self._files.read(index, at, length)

            line = look_at(read, offset, size - ended, ended=ended)
        return line._replace(offset=position, rank=rank)

    def entries(self, first: int, last: int) -> Iterator[Entry]:
        """Some of the lines, by number, with their times."""
        positions, logs = self.positions, self._files.logs
        for number in range(first, last):
            index, position = self._owners[number], positions[number]
            end = positions[number + 1] if number + 1 < len(positions) else self.end
            part = self._parts.get(index)
            if part is not None and end - position <= MAX_LINE:
                begin = self._offsets[number] - self.begins[index]
                data = part[begin : begin + end - position]
                if b"\r" not in data:
                    data = data[:-1] if data[-1:] == b"\n" else data
                    yield Entry(position, end, logs[index].rank, data, self._times[number])
                    continue
            yield entry_of(self.line(number), self._times[number])

    def origin(self, number: int) -> tuple[int, int]:
        """Which log a line is from, by index, and where in it."""
        return self._owners[number], self._offsets[number]

    def time(self, number: int) -> float:
        """When a line was written."""
        return self._times[number]

    def first_at(self, time: float) -> int:
        """The number of the first line written at `time` or later."""
        return bisect_left(self._times, time)

    def number_of(self, index: int, offset: int) -> int | None:
        """The number of the line of a log that this place lies in."""
        if not self.begins[index] <= offset < self.ends[index]:
            return None
        numbers = self._numbers.get(index)
        if numbers is None:
            numbers = [number for number, owner in enumerate(self._owners) if owner == index]
            self._numbers[index] = numbers
        return numbers[bisect_right(numbers, offset, key=self._offsets.__getitem__) - 1]


def _lines(data: bytes) -> Iterable[bytes]:
    return data.splitlines(keepends=True) if b"\r" not in data else _split(data)


def _split(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        end = data.find(b"\n", at) + 1 or len(data)
        yield data[at:end]
        at = end


def _spread(times: Sequence[float], begins: Sequence[int], offsets: Iterable[int]) -> list[float]:
    """To each place the time of the last one of `begins` that is not behind it."""
    found: list[float] = []
    number = 0
    for offset in offsets:
        while number + 1 < len(begins) and begins[number + 1] <= offset:
            number += 1
        found.append(times[number])
    return found
