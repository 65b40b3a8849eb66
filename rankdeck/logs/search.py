"""Search: lines of a log that contain a text or match an expression, in bounded steps.

A search is an iterator of steps: take the next one to go on, drop it to cancel. Literals are
looked for with `bytes.find`, so a GiB takes less than a second, and so are the texts that an
expression must contain: only lines with one of them are matched. Case is folded for ASCII only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

from rankdeck.errors import UserError
from rankdeck.logs.lines import MAX_LINE, clip, last_state
from rankdeck.logs.needles import best, lowered, required

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rankdeck.logs.needles import Required

_STEP = 256 * 1024
_LONGEST = 1 << 20
"""A longer line is searched in pieces of this size that overlap."""
_OVERLAP = 4096
_SAMPLE = 64 * 1024
_DENSE = 1024
"""Bytes of the log for each needle, with fewer of which needles are no help."""
_NEEDS_SINGLE_LINES = re.compile(
    # assertions about what is around a match, and all that could run on over many lines
    r"\\[AZDW]|\(\?<?[=!]|\(\?>|[*+?}]\+|\[\^|\(\?[a-z]*s"
)


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for; made by `literal` or `expression`."""

    text: str
    needles: tuple[bytes, ...]
    """A line that matches contains one of these; empty: nothing is known, or see `required`."""
    pattern: re.Pattern[bytes]
    folded: bool
    """Whether `needles` are lower case and text is folded before it is compared."""
    by_line: bool
    """Whether the expression may look beyond a line, and so must be given one at a time."""
    required: Required | None = None
    """From what to choose `needles`, once it is known what the log looks like."""

    scan: re.Pattern[bytes] | None = None
    """Finds the candidates in folded text faster than `pattern`; it must not be `by_line`."""

    def suited(self, sample: bytes) -> Query:
        """The query as it is fastest in a log that looks like this."""
        if self.required is None:
            return self
        sample = sample.lower() if self.folded else sample
        needles = best(self.required, sample)
        many = sum(map(sample.count, needles)) > len(sample) // _DENSE
        if many and not self.by_line and (self.scan is not None or not self.folded):
            # stopping at each needle would cost more than the expression does
            return replace(self, needles=(), required=None)
        return replace(self, needles=needles)

    def find(self, line: bytes) -> tuple[int, int] | None:
        """Where the first match in one line is, None if there is none."""
        match = self.pattern.search(line)
        return match.span() if match else None


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


def literal(text: str, *, ignore_case: bool = False) -> Query:
    """Look for a text as it is."""
    flags = re.IGNORECASE if ignore_case else 0
    raw = text.encode("utf-8", "surrogateescape")
    needle = raw.lower() if ignore_case else raw
    return Query(text, (needle,), re.compile(re.escape(raw), flags), ignore_case, False)


def expression(text: str, *, ignore_case: bool = False) -> Query:
    """Look for a regular expression, within single lines.

    Raises:
        UserError: It is not a valid expression.
    """
    raw = text.encode("utf-8", "surrogateescape")
    try:
        pattern = re.compile(raw, re.MULTILINE | (re.IGNORECASE if ignore_case else 0))
    except re.error as error:
        raise UserError(
            f"{text!r} is not a valid regular expression: {error}",
            "search for it as plain text, or escape it with a backslash",
        ) from None
    wanted = required(pattern)
    # without knowing the log, the longest texts are the best guess
    needles = () if wanted is None else best(wanted, b"")
    by_line = bool(_NEEDS_SINGLE_LINES.search(text))
    scan = None if by_line else lowered(pattern)
    folded = bool(pattern.flags & re.IGNORECASE) and (wanted is not None or scan is not None)
    return Query(text, needles, pattern, folded, by_line, wanted, scan)


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
    query = query.suited(file.read(start, min(_SAMPLE, end - start)))
    at, size = start, _STEP
    while at < end:
        text = file.read(at, min(size, end - at))
        if not text:
            break
        # whole lines only: what is cut off is read again with the next piece
        cut = len(text) if at + len(text) >= end else text.rfind(b"\n") + 1
        if cut:
            hits, number = _search_lines(file, query, text, cut, at, number)
            at, size = at + cut, _STEP
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
    end, size = min(stop, file.size), _STEP
    begin = max(start, end - _SAMPLE)
    query = query.suited(file.read(begin, end - begin))
    while end > start:
        begin = max(start, end - size)
        text = file.read(begin, end - begin)
        if len(text) < end - begin:
            return
        # whole lines only: the one that is cut off is read again with the piece before
        cut = 0 if begin == start else text.find(b"\n", 0, len(text) - 1) + 1
        if cut or begin == start:
            hits, _ = _search_lines(file, query, text[cut:], len(text) - cut, begin + cut, None)
            end, size = begin + cut, _STEP
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
    while at < offset and (data := file.read(at, min(_STEP, offset - at))):
        number += data.count(b"\n")
        at += len(data)
    return number


def _known(number: int | None) -> int:
    return -1 if number is None else number


def _search_lines(
    file: Searchable, query: Query, text: bytes, stop: int, base: int, number: int | None
) -> tuple[list[Hit], int | None]:
    """The hits in `text` up to `stop`, where a line ends; and the number of the line there.

    Args:
        file: The log; its index gives the numbers if `number` is None.
        query: What to look for.
        text: A piece of the log.
        stop: Where to end in it.
        base: Where it lies in the log.
        number: Of its first line.
    """
    hits: list[Hit] = []
    counting, counted = number is not None, 0
    for begin, end, at, last in _matching_lines(text, stop, query):
        if number is None:
            number = _known(file.line_at(base + begin))
        else:
            number += text.count(b"\n", counted, begin)
        counted = begin
        data = _excerpt(text[begin:end], at - begin, last - begin)
        hits.append(Hit(number, base + begin, base + at, data))
    if number is None or not counting:
        return hits, None
    return hits, number + text.count(b"\n", counted, stop)


def _matching_lines(text: bytes, stop: int, query: Query) -> Iterator[tuple[int, int, int, int]]:
    """Begin and end of each matching line, and of the first match in it."""
    if query.by_line and not query.needles:
        yield from _line_by_line(text, stop, query)
        return
    folded = text.lower() if query.folded else text
    scan = query.scan or query.pattern
    nexts = {needle: folded.find(needle, 0, stop) for needle in query.needles}
    position = 0
    while True:
        if nexts:
            at = min((found for found in nexts.values() if found >= 0), default=-1)
        else:
            match = scan.search(folded, position, stop)
            at = match.start() if match else -1
        if not 0 <= at < stop:
            return
        begin = text.rfind(b"\n", 0, at) + 1
        end = text.find(b"\n", at, stop)
        end = stop if end < 0 else end
        # the expression itself says what matches, within this line alone
        span = query.find(text[begin:end])
        if span is not None:
            yield begin, end, begin + span[0], begin + span[1]
        position = end + 1
        for needle, found in nexts.items():
            if 0 <= found < position:
                nexts[needle] = folded.find(needle, position, stop)


def _line_by_line(text: bytes, stop: int, query: Query) -> Iterator[tuple[int, int, int, int]]:
    begin = 0
    while begin < stop:
        end = text.find(b"\n", begin, stop)
        end = stop if end < 0 else end
        span = query.find(text[begin:end])
        if span is not None:
            yield begin, end, begin + span[0], begin + span[1]
        begin = end + 1


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
