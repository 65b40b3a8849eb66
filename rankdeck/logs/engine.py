"""Looking for expressions in bytes, with RE2 and with Python's `re`.

RE2 takes time in proportion to the text alone and lets other threads run meanwhile. `re` has what
RE2 does not know of an expression, in a process of its own; in this one it looks for texts alone,
where RE2 is not built for the machine. RE2 is imported when something is looked for first.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from rankdeck.logs.patient import Patient

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rankdeck.logs.dialect import Dialect

Span = tuple[int, int]
_BEYOND_ASCII = re.compile(rb"\\x[89a-f]")
_MEMORY = 16 << 20
"""Bytes that one expression's automaton may take."""
_STRAIGHT = re.compile(rb"(?:\\x..|\[[^\]]+\]|[0-9A-Za-z])+", re.DOTALL)
"""What `re` goes through without ever coming back: bytes and classes, one after another."""


class Finder(Protocol):
    """One expression, compiled."""

    def first(self, text: bytes, begin: int, stop: int) -> Span | None:
        r"""The first match that begins and ends between two places, where lines begin or end.

        Both are within the text. What is before them counts for `^` and `\b`.
        """

    def end_of(self, text: bytes, begin: int, stop: int) -> int:
        """Where the match that begins here ends; `begin`: there is none."""


class Re2Finder:
    """One expression, compiled by RE2."""

    __slots__ = ("_anchored", "_anywhere", "_match", "size")

    def __init__(self, pattern: bytes) -> None:
        """Compile it.

        Raises:
            ImportError: RE2 is not there.
            ValueError: RE2 does not take it: it needs too much memory.
        """
        compiled = _compiled(pattern)
        self.size: int = compiled.ProgramSize()
        # the module's own `search` takes four times as long as the call that it makes
        self._match = compiled.Match
        anchor = _re2().core.RE2.Anchor
        self._anywhere, self._anchored = anchor.UNANCHORED, anchor.ANCHOR_START

    def first(self, text: bytes, begin: int, stop: int) -> Span | None:
        """The first match between two places."""
        span: Span = self._match(self._anywhere, text, begin, stop)[0]
        return None if span[0] < 0 else span

    def end_of(self, text: bytes, begin: int, stop: int) -> int:
        """Where the match that begins here ends; `begin`: there is none."""
        span: Span = self._match(self._anchored, text, begin, stop)[0]
        return begin if span[0] < 0 else span[1]


class GroupFinder:
    """One expression with groups, compiled by RE2."""

    __slots__ = ("_anchor", "_find", "_match")

    def __init__(self, dialect: Dialect) -> None:
        """Compile it.

        Raises:
            ImportError: RE2 is not there.
            ValueError: RE2 does not take it: it needs too much memory.
        """
        self._find = Re2Finder(dialect.fast).first
        self._match = _compiled(dialect.grouped, groups=True).Match
        self._anchor = _re2().core.RE2.Anchor.ANCHOR_START

    def groups(self, text: bytes) -> list[Span]:
        """Where the first match and its groups are, (-1, -1) for one that is not; empty: none."""
        # the automaton that knows no groups goes through lines that do not match far sooner
        span = self._find(text, 0, len(text))
        if span is None:
            return []
        # what follows counts for `$` and `\b`, so the text is not cut where the match ends
        spans: list[Span] = self._match(self._anchor, text, span[0], len(text))
        return spans


class ReFinder:
    """One expression, compiled by `re`."""

    __slots__ = ("_match", "_search")

    def __init__(self, pattern: bytes) -> None:
        """Compile it."""
        compiled = re.compile(pattern)
        self._search, self._match = compiled.search, compiled.match

    def first(self, text: bytes, begin: int, stop: int) -> Span | None:
        """The first match between two places."""
        match = self._search(text, begin, stop)
        return match.span() if match else None

    def end_of(self, text: bytes, begin: int, stop: int) -> int:
        """Where the match that begins here ends; `begin`: there is none."""
        match = self._match(text, begin, stop)
        return match.end() if match else begin


class _Re2(NamedTuple):
    core: Any
    """The module."""
    options: Any
    with_groups: Any
    """The options for what has groups."""
    sound: bool
    """Whether it finds all that it is asked for."""


@lru_cache(maxsize=1)
def _re2() -> _Re2:
    """RE2 and how it is used.

    Its release of 2023, the last for old C libraries, misses alternatives of which the first bytes
    are the same and not ASCII, unless something stands before them.

    Raises:
        ImportError: It is not there.
    """
    re2: Any = import_module("re2")
    both = re2.Options(), re2.Options()
    for options in both:
        options.encoding = re2.Options.Encoding.LATIN1
        options.never_capture = options is both[0]
        options.log_errors = False
        options.max_mem = _MEMORY
    core = re2._re2
    trial = core.RE2(rb"\xc3\xa4|\xc3\xb6", both[0])
    found = trial.Match(core.RE2.Anchor.UNANCHORED, b"\xc3\xb6", 0, 2)[0]
    return _Re2(core, *both, found == (0, 2))


def _compiled(pattern: bytes, *, groups: bool = False) -> Any:
    core, options, with_groups, sound = _re2()
    if not sound and _BEYOND_ASCII.search(pattern):
        pattern = rb"(?:\b|\B)(?:" + pattern + b")"
    compiled = core.RE2(pattern, with_groups if groups else options)
    if not compiled.ok():
        raise ValueError(str(compiled.error()))
    return compiled


class Judge(Protocol):
    """Decides what an expression means for single lines."""

    def judge(self, lines: Sequence[bytes]) -> list[Span | None]:
        """Where the first match in each line is."""


class _Fast:
    """Nothing of the expression is unknown to RE2."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder

    def judge(self, lines: Sequence[bytes]) -> list[Span | None]:
        first = self._finder.first
        return [first(line, 0, len(line)) for line in lines]


class _Own:
    """An expression of ours, of which is known that `re` does not go astray with it."""

    def __init__(self, pattern: bytes) -> None:
        self._search = re.compile(pattern).search

    def judge(self, lines: Sequence[bytes]) -> list[Span | None]:
        return [match.span() if (match := self._search(line)) else None for line in lines]


@lru_cache(maxsize=256)
def finder(pattern: bytes) -> Finder | None:
    """The finder of an expression; None: RE2 does not take it, or is not there."""
    try:
        return Re2Finder(pattern)
    except ValueError:
        return None
    except ImportError:
        straight = _STRAIGHT.fullmatch(pattern.removeprefix(b"(?m)"))
        return ReFinder(pattern) if straight else None


def fast_finder(dialect: Dialect, *, loose: bool = False) -> Finder:
    """What finds every match, and more where the expression is slow."""
    found = finder(dialect.loose if loose else dialect.fast)
    return found or ReFinder(b"(?m)^")


def text_finder(text: bytes, *, folded: bool) -> Finder:
    """What finds a text, in either case if that does not count."""
    raw = b"".join(
        b"[%c%c]" % (byte, byte - 32) if folded and 97 <= byte <= 122 else b"\\x%02x" % byte
        for byte in text
    )
    return finder(raw) or ReFinder(raw)


def run_finder(dialects: Iterable[Dialect]) -> Finder | None:
    """What finds as many lines as follow each other and all match one of these expressions.

    Lines with states that are written over are not among them, nor one that is not ended, nor
    what only slow expressions match. None: there is nothing to find.
    """
    bodies = [dialect.fast.removeprefix(b"(?m)") for dialect in dialects if not slowness(dialect)]
    if not bodies:
        return None
    body = b"|".join(bodies)
    return finder(rb"(?m)(?:[^\n\r]*(?:" + body + rb")[^\n\r]*\r*\n)+")


def slowness(dialect: Dialect) -> str:
    """What of the expression RE2 does not know, in a word or two; empty: nothing."""
    if dialect.slow or finder(dialect.fast):
        return dialect.slow
    return "a big expression" if _is_there() else "RE2 is not installed"


def _is_there() -> bool:
    try:
        _re2()
    except ImportError:
        return False
    return True


def judge_of(dialect: Dialect, text: str, own: bool) -> Judge:
    """What decides whether a line matches."""
    if not slowness(dialect):
        return _Fast(fast_finder(dialect))
    return _Own(dialect.exact) if own else _patient(dialect.exact, text)


@lru_cache(maxsize=4)
def _patient(pattern: bytes, text: str) -> Patient:
    # each has a process, which ends when it is dropped here and nobody uses it
    return Patient(pattern, text)
