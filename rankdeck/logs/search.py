"""Search: lines of a log that match a query, in bounded steps.

A search is an iterator of steps: take the next one to go on, drop it to cancel. Where every byte
costs, the pieces of a step are gone through side by side: the engine lets other threads run.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

from rankdeck.logs.lines import MAX_LINE, clip, last_state
from rankdeck.logs.query import Expression, Query, expression, literal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import ThreadPoolExecutor

    from rankdeck.logs.scan import Found, Scan

__all__ = [
    "Expression",
    "Hit",
    "Query",
    "Searchable",
    "Step",
    "expression",
    "literal",
    "search",
    "search_backward",
]

_SMALLEST = 32 * 1024
_LARGEST = 256 * 1024
"""Bytes of a piece that stay in the processor's cache while it is gone through several times."""
_LONGEST = 1 << 20
"""A longer line is searched in pieces of this size that overlap."""
_OVERLAP = 4096
_SAMPLE = 64 * 1024
_FEW, _MANY = 8, 64
"""With fewer hits in a piece the next one is larger, with more it is smaller."""
_WORTH = 128 * 1024.0
"""Nanoseconds, beyond one for each byte, that are worth another thread's help."""
_MOST_HELPERS = 3


class Searchable(Protocol):
    """What can be searched: usually a LogFile."""

    @property
    def size(self) -> int:
        """Bytes there are."""

    @property
    def indexed_bytes(self) -> int:
        """Bytes in which lines have been counted."""

    def read(self, offset: int, size: int) -> bytes:
        """Bytes from an offset on; fewer at the end."""

    def line_at(self, offset: int) -> int | None:
        """The number of the line there, None where lines have not been counted."""


class Hit(NamedTuple):
    """One line that matches."""

    line: int
    """Its number, from 0; -1: nobody has counted so far yet."""
    offset: int
    """Where the line begins in the file."""
    at: int
    """Where in the file its first match is."""
    data: bytes
    """What to show: the line without its newline, clipped around the match; of a line written
    over with carriage returns, the state that matches."""


class Step(NamedTuple):
    """A piece of a search."""

    hits: tuple[Hit, ...]
    searched: int
    """Up to where in the file everything has been looked at."""


def search(
    file: Searchable,
    query: Query,
    start: int = 0,
    stop: int | None = None,
    *,
    numbered: bool = True,
) -> Iterator[Step]:
    """Every matching line that begins from `start` on, in order, a step for each 256 KiB or so.

    Args:
        file: The log; what is appended meanwhile is not searched.
        query: What to look for.
        start: The begin of a line.
        stop: Where to end; None: at the size of the file now.
        numbered: Whether to count the lines before `start` where the index has not come yet;
            otherwise hits have no number there.
    """
    end = file.size if stop is None else min(stop, file.size)
    counted = file.indexed_bytes >= end or not numbered
    number = None if counted else _number_of(file, start)
    scan = query.scan(file.read(start, min(_SAMPLE, end - start)))
    at, size = start, _SMALLEST
    while at < end:
        text = file.read(at, min(size, end - at))
        if not text:
            break
        # whole lines only: what is cut off is read again with the next piece
        cut = len(text) if at + len(text) >= end else text.rfind(b"\n") + 1
        if cut:
            hits, number = _search_lines(file, scan, text, 0, cut, at, number)
            at, size = at + cut, _next_size(size, hits)
        elif size < _LONGEST:
            size = _LONGEST
            continue
        else:
            hits, number, at = _search_long_line(file, query, at, end, number)
        yield Step(tuple(hits), at)


def search_backward(file: Searchable, query: Query, start: int, stop: int) -> Iterator[Step]:
    """Every matching line from `stop` down to `start`, a step for each 256 KiB or so.

    Each step's hits are in order; the next step's are before them. Lines have numbers where the
    index has come already.

    Args:
        file: The log.
        query: What to look for.
        start: The begin of a line, the first that is searched.
        stop: The end of a line, the last that is searched.
    """
    end, size = min(stop, file.size), _SMALLEST
    begin = max(start, end - _SAMPLE)
    scan = query.scan(file.read(begin, end - begin))
    while end > start:
        begin = max(start, end - size)
        text = file.read(begin, end - begin)
        if len(text) < end - begin:
            return
        # whole lines only: the one that is cut off is read again with the piece before
        cut = 0 if begin == start else text.find(b"\n", 0, len(text) - 1) + 1
        if cut or begin == start:
            hits, _ = _search_lines(file, scan, text, cut, len(text), begin, None)
            end, size = begin + cut, _next_size(size, hits)
        elif size < _LONGEST:
            size = _LONGEST
            continue
        else:
            begin = _line_begin(file, start, end)
            hits, _, _ = _search_long_line(file, query, begin, end, None)
            end = begin
        yield Step(tuple(hits), end)


def _line_begin(file: Searchable, start: int, end: int) -> int:
    """Where the line that ends at `end` begins, not before `start`."""
    end -= 1
    while end > start:
        begin = max(start, end - _LONGEST)
        found = file.read(begin, end - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return start


def _number_of(file: Searchable, offset: int) -> int:
    known = file.line_at(offset)
    if known is not None:
        return known
    number = at = 0
    while at < offset and (data := file.read(at, min(_LONGEST, offset - at))):
        number += data.count(b"\n")
        at += len(data)
    return number


def _known(number: int | None) -> int:
    return -1 if number is None else number


def _next_size(size: int, hits: list[Hit]) -> int:
    """How large a piece to take next."""
    if len(hits) > _MANY:
        return max(_SMALLEST, size // 2)
    return min(_LARGEST, size * 2) if len(hits) < _FEW else size


def _search_lines(
    file: Searchable,
    scan: Scan,
    text: bytes,
    start: int,
    stop: int,
    base: int,
    number: int | None,
) -> tuple[list[Hit], int | None]:
    """Search whole lines; also the number of the line after them.

    Args:
        file: Where they are from.
        scan: How to go through them.
        text: A piece of the log.
        start: The begin of the first line in it.
        stop: The end of the last one.
        base: Where the piece lies in the log.
        number: Of the first line.
    """
    hits: list[Hit] = []
    counting, counted = number is not None, start
    for begin, end, at, last in _matching_lines(scan, text, start, stop):
        if number is None or number < 0:
            number = _known(file.line_at(base + begin))
        else:
            number += text.count(b"\n", counted, begin)
        counted = begin
        data = _excerpt(text[begin:end], at - begin, last - begin)
        hits.append(Hit(number, base + begin, base + at, data))
    if number is None or not counting:
        return hits, None
    return hits, number + text.count(b"\n", counted, stop)


def _matching_lines(scan: Scan, text: bytes, start: int, stop: int) -> list[Found]:
    """Every matching line of a piece, its parts looked through side by side if that is worth it."""
    helpers, pool = _helpers()
    helpers = min(helpers, int((stop - start) * (scan.cost - 1) / _WORTH))
    cuts = [start]
    for part in range(1, helpers + 1):
        about = start + (stop - start) * part // (helpers + 1)
        cuts.append(max(cuts[-1], text.rfind(b"\n", cuts[-1], about) + 1))
    parts = [part for part in zip(cuts, [*cuts[1:], stop], strict=True) if part[0] < part[1]]
    asked = [pool.submit(_found, scan, text, begin, end) for begin, end in parts[1:]]
    found = _found(scan, text, *parts[0]) if parts else []
    for answer in asked:
        found += answer.result()
    return found


def _found(scan: Scan, text: bytes, begin: int, stop: int) -> list[Found]:
    return list(scan.lines(text, begin, stop))


@lru_cache(maxsize=1)
def _helpers() -> tuple[int, ThreadPoolExecutor]:
    """How many threads may help, and those."""
    from concurrent.futures import ThreadPoolExecutor

    count = min(_MOST_HELPERS, len(os.sched_getaffinity(0)) - 1)
    return count, ThreadPoolExecutor(max(1, count), thread_name_prefix="log-scan")


def _search_long_line(
    file: Searchable, query: Query, begin: int, stop: int, number: int | None
) -> tuple[list[Hit], int | None, int]:
    """Search the line at `begin` piece by piece; also the number and begin of the next line."""
    hits: list[Hit] = []
    at = begin
    while at < stop:
        piece = file.read(at, min(_LONGEST, stop - at))
        end = piece.find(b"\n")
        line = piece if end < 0 else piece[:end]
        if not hits and (span := query.find(line)) is not None:
            known = number if number is not None else _known(file.line_at(begin))
            hits.append(Hit(known, begin, at + span[0], _excerpt(line, *span)))
        if end >= 0:
            return hits, None if number is None else number + 1, at + end + 1
        if len(piece) < _LONGEST:
            break
        at += len(piece) - _OVERLAP
    return hits, number, stop


def _excerpt(line: bytes, at: int, last: int) -> bytes:
    """The state of the line that holds the match, clipped around it."""
    if b"\r" in line:
        begin = line.rfind(b"\r", 0, at) + 1
        end = line.find(b"\r", last)
        line, at = line[begin : len(line) if end < 0 else end], at - begin
        line = line if at >= 0 else last_state(line)
    if len(line) <= MAX_LINE:
        return line
    begin = max(0, at - MAX_LINE // 4)
    while begin and line[begin] & 0xC0 == 0x80:
        begin -= 1
    return clip(line[begin:])
