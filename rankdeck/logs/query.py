"""Query: what lines to look for, and the quickest way through a log that finds them.

Case is folded by letters: those of ASCII among themselves, others as Unicode has them.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rankdeck.errors import UserError
from rankdeck.logs.dialect import dialect_of, quoted
from rankdeck.logs.engine import Re2Finder, fast_finder, judge_of, run_finder, slowness
from rankdeck.logs.scan import LineScan, SieveScan, cheapest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rankdeck.logs.dialect import Dialect
    from rankdeck.logs.engine import Finder, Span
    from rankdeck.logs.scan import Scan

_LARGEST_AT_ONCE = 500
"""Steps of an automaton; a byte costs at most about 3 ns for each."""


class Query(ABC):
    """What to look for."""

    text: str
    """As the user knows it."""

    @abstractmethod
    def find_all(self, lines: Sequence[bytes]) -> list[Span | None]:
        """Where the first match in each line is, None if there is none.

        Raises:
            UserError: It takes too long.
        """

    @abstractmethod
    def scan(self, sample: bytes) -> Scan:
        """How to go through a log that looks like this."""

    def find(self, line: bytes) -> Span | None:
        """Where the first match in one line is; as `find_all`."""
        return self.find_all((line,))[0]


@dataclass(frozen=True, slots=True)
class Expression(Query):
    """A text or a regular expression; made by `literal` or `expression`."""

    text: str
    dialect: Dialect
    own: bool = False
    """Whether it is one of ours, of which is known that `re` does not go astray with it."""

    @property
    def slow(self) -> str:
        """What makes it slow, in a word or two; empty: it is not."""
        return "" if self.own else slowness(self.dialect)

    def find_all(self, lines: Sequence[bytes]) -> list[Span | None]:
        """Where the first match in each line is.

        Raises:
            UserError: It takes too long.
        """
        first = fast_finder(self.dialect).first
        found = [first(line, 0, len(line)) for line in lines]
        if not slowness(self.dialect):
            return found
        likely = [number for number, span in enumerate(found) if span is not None]
        judge = judge_of(self.dialect, self.text, self.own)
        for number, span in zip(likely, judge.judge([lines[n] for n in likely]), strict=True):
            found[number] = span
        return found

    def scan(self, sample: bytes) -> Scan:
        """How to go through a log that looks like this."""
        return LineScan(cheapest(self.dialect, sample), judge_of(self.dialect, self.text, self.own))

    def spans(self, text: str) -> Iterator[Span]:
        """What to mark in a text on the screen; if the expression is slow, perhaps more."""
        raw = text.encode("utf-8", "surrogatepass")
        finder = fast_finder(self.dialect)
        at = done = told = 0
        while at <= len(raw) and (span := finder.first(raw, at, len(raw))) is not None:
            begin, end = span
            if end > begin:
                # bytes to characters, each byte looked at once
                told += _characters(raw, done, begin)
                first, told, done = told, told + _characters(raw, begin, end), end
                yield first, told
            at = end + (end == begin)


def _characters(raw: bytes, begin: int, end: int) -> int:
    """How many characters begin between two places."""
    part = raw[begin:end]
    return len(part) if part.isascii() else sum(byte & 0xC0 != 0x80 for byte in part)


@dataclass(frozen=True, slots=True)
class Sieve(Query):
    """Lines that may match all of some expressions and none of others.

    Of lines with states that are written over, and of slow expressions, it finds too many.
    """

    wanted: tuple[Expression, ...]
    unwanted: tuple[Expression, ...]

    @property
    def text(self) -> str:  # type: ignore[override]
        """As the user knows it."""
        return " & ".join(query.text for query in self.wanted)

    @property
    def useful(self) -> bool:
        """Whether it can tell more than that every line may match."""
        return bool(self.wanted) or self._run is not None

    def find_all(self, lines: Sequence[bytes]) -> list[Span | None]:
        """Where matching lines begin."""
        return [(0, 0) for _ in lines]

    def scan(self, sample: bytes) -> Scan:
        """How to go through a log that looks like this."""
        wanted = [cheapest(query.dialect, sample, loose=True) for query in self.wanted]
        return SieveScan(wanted, self._run)

    @property
    def _run(self) -> Finder | None:
        return run_finder(query.dialect for query in self.unwanted)


def literal(text: str, *, ignore_case: bool = False) -> Expression:
    """Look for a text as it is."""
    return Expression(text, quoted(text, ignore_case=ignore_case))


def expression(text: str, *, ignore_case: bool = False, own: bool = False) -> Expression:
    """Look for a regular expression, within single lines.

    Args:
        text: As Python's `re` has them.
        ignore_case: Whether case does not count.
        own: See `Expression.own`.

    Raises:
        UserError: It is not a valid expression.
    """
    try:
        return Expression(text, dialect_of(text, ignore_case=ignore_case), own)
    except (re.error, OverflowError, RecursionError) as error:
        raise UserError(
            f"{text!r} is not a valid regular expression: {error}",
            "search for it as plain text, or escape it with a backslash",
        ) from None


def linear(text: str, *, ignore_case: bool = False) -> Expression:
    """Look for a regular expression that RE2 knows all of: in time in proportion to the text.

    Raises:
        UserError: It is not a valid expression, or not such a one.
    """
    query = expression(text, ignore_case=ignore_case)
    if query.slow:
        raise _too_long(text, query.slow)
    return query


def at_once(text: str, *, ignore_case: bool = False) -> Finder:
    """What finds an expression without a wait in any short text: for what is filtered as one types.

    Raises:
        UserError: It is not a valid expression, or may take long.
    """
    found = fast_finder(linear(text, ignore_case=ignore_case).dialect)
    if isinstance(found, Re2Finder) and found.size > _LARGEST_AT_ONCE:
        raise _too_long(text, "a big expression")
    return found


def _too_long(text: str, why: str) -> UserError:
    return UserError(f"{text!r} may take too long to look for here: {why}", "write it without")
