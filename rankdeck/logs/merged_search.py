"""Searching the merged logs of many ranks: each log for itself, in windows of the merged one.

A window without a hit is never put in order, so looking through it costs what reading costs.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from rankdeck.logs.search import Step, search

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rankdeck.logs.cuts import Cut
    from rankdeck.logs.merged import MergedSource
    from rankdeck.logs.rank_files import RankFiles
    from rankdeck.logs.search import Hit, Query
    from rankdeck.logs.segment import Segment

_SMALLEST = 512 * 1024
_LARGEST = 32 << 20


class _OneLog:
    """One of the logs, to be searched up to a place."""

    def __init__(self, files: RankFiles, index: int, size: int) -> None:
        self._files = files
        self._index = index
        self.size = size
        self.indexed_bytes = 0

    def read(self, offset: int, size: int) -> bytes:
        return self._files.read(self._index, offset, min(size, self.size - offset))

    def line_at(self, offset: int) -> int | None:
        return None


def search_merged(
    source: MergedSource, query: Query, begin: int, end: int, *, backward: bool
) -> Iterator[Step]:
    """The lines that match between two positions."""
    window = _SMALLEST
    while begin < end:
        if backward:
            high = source.around(end - 1)[1]
            low = source.around(max(begin, end - window))[0]
        else:
            low = source.around(begin)[0]
            high = source.around(min(begin + window, end) - 1)[1]
        window = min(_LARGEST, window * 2)
        yield from _window(source, query, low, high, begin, end, backward)
        if backward:
            end = low.base
        else:
            begin = high.base


def _window(
    source: MergedSource,
    query: Query,
    low: Cut,
    high: Cut,
    begin: int,
    end: int,
    backward: bool,
) -> Iterator[Step]:
    """The steps of one window: one, or one for each of its segments with a hit."""
    found: dict[int, list[Hit]] = {}
    for index, (start, stop) in enumerate(zip(low.places, high.places, strict=True)):
        if start < stop:
            log = _OneLog(source.files, index, stop)
            steps = search(log, query, start, stop, numbered=False)
            if hits := [hit for step in steps for hit in step.hits]:
                found[index] = hits
    at = high.base if backward else low.base
    while found and (low.base < at if backward else at < high.base):
        first, last = source.around(at - 1 if backward else at)
        inside = {index: _between(hits, first, last, index) for index, hits in found.items()}
        at = first.base if backward else last.base
        told: list[Hit] = []
        if any(inside.values()):
            told = _placed(source.segment(first.base), inside)
        yield Step(
            tuple(hit for hit in told if begin <= hit.offset < end),
            max(begin, at) if backward else min(at, end),
        )
    if not found:
        yield Step((), max(begin, low.base) if backward else min(high.base, end))


def _between(hits: list[Hit], first: Cut, last: Cut, index: int) -> list[Hit]:
    begin = bisect_left(hits, first.places[index], key=lambda hit: hit.offset)
    end = bisect_left(hits, last.places[index], key=lambda hit: hit.offset)
    return hits[begin:end]


def _placed(segment: Segment, found: dict[int, list[Hit]]) -> list[Hit]:
    """The hits with their positions."""
    told: dict[int, Hit] = {}
    for index, hits in found.items():
        for hit in hits:
            number = segment.number_of(index, hit.offset)
            if number is not None:
                position = segment.positions[number]
                told[position] = hit._replace(offset=position, at=position + hit.at - hit.offset)
    return [told[position] for position in sorted(told)]
