"""Search: lines of a log that contain a text or match an expression, in bounded steps.

A search is an iterator of steps: take the next one to go on, drop it to cancel. Literals are
looked for with `bytes.find`, so a GiB takes less than a second; case is folded for ASCII only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rankdeck.errors import UserError
from rankdeck.logs.lines import MAX_LINE, clip, last_state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rankdeck.logs.file import LogFile

_STEP = 1 << 20
_LONGEST = 1 << 20
"""A longer line is searched in pieces of this size that overlap."""
_OVERLAP = 4096
_PLAIN_WORDS = re.compile(r"[\w \-:=/,@%&~;<>\"'!#]+(?:\|[\w \-:=/,@%&~;<>\"'!#]+)*", re.ASCII)
_NEEDS_SINGLE_LINES = re.compile(
    # assertions about what is around a match, and all that could run on over many lines
    r"\\[AZDW]|\(\?<?[=!]|\(\?>|[*+?}]\+|\[\^|\(\?[a-z]*s"
)


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for; made by `literal` or `expression`."""

    text: str
    needles: tuple[bytes, ...]
    """Any of these is a match; empty: the expression decides."""
    pattern: re.Pattern[bytes]
    folded: bool
    """Whether `needles` are lower case and text is folded before it is compared."""
    by_line: bool
    """Whether the expression may look beyond a line, and so must be given one at a time."""

    def find(self, line: bytes) -> tuple[int, int] | None:
        """Where the first match in one line is, None if there is none."""
        match = self.pattern.search(line)
        return match.span() if match else None


class Hit(NamedTuple):
    """One line that matches."""

    line: int
    """Its number, from 0."""
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
    needles: tuple[bytes, ...] = ()
    if _PLAIN_WORDS.fullmatch(text):
        needles = tuple((raw.lower() if ignore_case else raw).split(b"|"))
    by_line = bool(_NEEDS_SINGLE_LINES.search(text))
    return Query(text, needles, pattern, ignore_case and bool(needles), by_line)


def search(file: LogFile, query: Query, start: int = 0, stop: int | None = None) -> Iterator[Step]:
    """Every matching line that begins from `start` on, in order, a step for each MiB or so.

    Args:
        file: The log; what is appended meanwhile is not searched.
        query: What to look for.
        start: The begin of a line.
        stop: Where to end; None: at the size of the file now.
    """
    end = file.size if stop is None else min(stop, file.size)
    number = _number_of(file, start)
    at = start
    rest = b""
    while at < end:
        data = file.read(at, min(_STEP, end - at))
        if not data:
            break
        at += len(data)
        text = rest + data
        cut = text.rfind(b"\n") + 1 if at < end else len(text)
        if cut == 0 and len(text) <= _LONGEST:
            rest = text
            continue
        if cut == 0:
            hits, number, at = _search_long_line(file, query, at - len(text), end, number)
            rest = b""
        else:
            begin = at - len(text)
            hits, number = _search_lines(text[:cut], query, begin, number)
            rest = text[cut:]
        yield Step(tuple(hits), at - len(rest))


def _number_of(file: LogFile, offset: int) -> int:
    known = file.line_at(offset)
    if known is not None:
        return known
    number = at = 0
    while at < offset and (data := file.read(at, min(_STEP, offset - at))):
        number += data.count(b"\n")
        at += len(data)
    return number


def _search_lines(text: bytes, query: Query, base: int, number: int) -> tuple[list[Hit], int]:
    """The hits in `text`, which holds whole lines, and the number of the line after it."""
    hits: list[Hit] = []
    counted = 0
    for begin, end, at, last in _matching_lines(text, query):
        number += text.count(b"\n", counted, begin)
        counted = begin
        data = _excerpt(text[begin:end], at - begin, last - begin)
        hits.append(Hit(number, base + begin, base + at, data))
    return hits, number + text.count(b"\n", counted)


def _matching_lines(text: bytes, query: Query) -> Iterator[tuple[int, int, int, int]]:
    """Begin and end of each matching line, and of the first match in it."""
    if query.by_line and not query.needles:
        yield from _line_by_line(text, query)
        return
    folded = text.lower() if query.folded else text
    nexts = {needle: folded.find(needle) for needle in query.needles}
    position = 0
    while True:
        if nexts:
            at = min((found for found in nexts.values() if found >= 0), default=-1)
        else:
            match = query.pattern.search(text, position)
            at = match.start() if match else -1
        if at < 0 or at >= len(text):
            return
        begin = text.rfind(b"\n", 0, at) + 1
        end = text.find(b"\n", at)
        end = len(text) if end < 0 else end
        # the expression itself says what matches, within this line alone
        span = query.find(text[begin:end])
        if span is not None:
            yield begin, end, begin + span[0], begin + span[1]
        position = end + 1
        for needle, found in nexts.items():
            if 0 <= found < position:
                nexts[needle] = folded.find(needle, position)


def _line_by_line(text: bytes, query: Query) -> Iterator[tuple[int, int, int, int]]:
    begin = 0
    while begin < len(text):
        end = text.find(b"\n", begin)
        end = len(text) if end < 0 else end
        span = query.find(text[begin:end])
        if span is not None:
            yield begin, end, begin + span[0], begin + span[1]
        begin = end + 1


def _search_long_line(
    file: LogFile, query: Query, begin: int, stop: int, number: int
) -> tuple[list[Hit], int, int]:
    """Search the line at `begin` piece by piece; also the number and begin of the next line."""
    hits: list[Hit] = []
    at = begin
    while at < stop:
        piece = file.read(at, min(_LONGEST, stop - at))
        end = piece.find(b"\n")
        line = piece if end < 0 else piece[:end]
        if not hits and (span := query.find(line)) is not None:
            hits.append(Hit(number, begin, at + span[0], _excerpt(line, *span)))
        if end >= 0:
            return hits, number + 1, at + end + 1
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
