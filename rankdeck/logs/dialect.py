r"""Expressions in a form that means the same to RE2 and to Python's `re`, on bytes, in one line.

What a user writes is read by Python's own parser and written anew, on bytes: text beyond ASCII as
UTF-8, letters in both cases where case does not count, and every class without the ends of lines
and of the states of a line written over (`\n`, `\r`), so that no match goes on over one. `\w`,
`\d`, `\s` and `\b` know ASCII only; `.` and `[^…]` stand for a character, or a byte that is not
UTF-8; `$` is also before the `\r` of a line that ends with `\r\n`. What RE2 cannot express is
named, and left out of `fast`.
"""

from __future__ import annotations

import re
import sys
import warnings
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rankdeck.logs.byte_classes import NOTHING, class_of, letter
from rankdeck.logs.needles import required

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rankdeck.logs.needles import Required

if sys.version_info >= (3, 11):
    from re import _parser as sre_parse
else:
    import sre_parse

_MOST_REPEATS = 1000
"""Beyond so many, repetitions in one another multiplied, RE2 takes no expression."""
_TWICE = 2
_CLASSES = ("ANY", "IN", "NOT_LITERAL")
_REST = rb"[^\n\r]*"
_SINGLE = re.compile(rb"[0-9A-Za-z]|\\x..|\[[^\]]+\]")


@dataclass(frozen=True, slots=True)
class Dialect:
    """One expression, in the forms that a search needs."""

    exact: bytes
    """For `re`: what it means."""
    fast: bytes
    """For RE2: the same if nothing is `slow`, otherwise what matches there and more."""
    loose: bytes
    """`fast`, but the begin of a state that is written over the one before counts as a begin."""
    slow: str
    """What RE2 cannot express, in a word or two; empty: nothing."""
    folded: bool
    """Whether case does not count (for ASCII letters in `required` and `head`)."""
    required: Required | None
    """What every match contains."""
    head: bytes
    """The text that every match begins with."""
    branches: tuple[Dialect, ...] = ()
    """The alternatives that it consists of; none: it is not made of such."""
    grouped: bytes = b""
    """`fast`, with the groups that it has."""
    names: tuple[tuple[str, int], ...] = ()
    """What groups are called, and their numbers."""


@lru_cache(maxsize=256)
def dialect_of(text: str, *, ignore_case: bool) -> Dialect:
    """Understand a regular expression.

    Raises:
        re.error: It is not valid.
        OverflowError: A number in it is too big.
        RecursionError: It is nested too deeply.
    """
    flags = re.MULTILINE | (re.IGNORECASE if ignore_case else 0)
    parse: Any = sre_parse.parse
    with warnings.catch_warnings():
        # what the parser will refuse one day is not the user's concern
        warnings.simplefilter("ignore")
        re.compile(text, flags)
        tree = parse(text, flags)
    dialect = _dialect(tree, tree.state.groups > 1, bool(tree.state.flags & re.IGNORECASE))
    if names := tuple(tree.state.groupdict.items()):
        grouped = b"(?m)" + _Grouped().sequence(tree, dialect.folded)
        dialect = replace(dialect, grouped=grouped, names=names)
    # a lookbehind may have one width in characters and several in bytes
    re.compile(dialect.exact)
    if dialect.slow or len(tree) != 1 or str(tree[0][0]) != "BRANCH":
        return dialect
    branches = (_dialect(branch, False, dialect.folded) for branch in tree[0][1][1])
    return replace(dialect, branches=tuple(branches))


def _dialect(items: Any, numbered: bool, folded: bool) -> Dialect:
    """One expression, without its alternatives.

    Args:
        items: A sequence as the parser makes it.
        numbered: Whether groups have numbers.
        folded: Whether case does not count.
    """
    exact, fast, loose = _Exact(numbered), _Writer(), _Loose()
    forms = [b"(?m)" + writer.whole(items, folded) for writer in (exact, fast, loose)]
    head = _head(items, folded)
    return Dialect(forms[0], forms[1], forms[2], fast.slow, folded, required(items, folded), head)


def quoted(text: str, *, ignore_case: bool) -> Dialect:
    """The expression that matches a text as it is."""
    return dialect_of(re.escape(text), ignore_case=ignore_case)


def _head(items: Any, folded: bool) -> bytes:
    head = bytearray()
    for kind, value in items:
        if str(kind) != "LITERAL" or value > 127:
            break
        head.append(value)
    return bytes(head).lower() if folded else bytes(head)


def _class_items(name: str, value: Any) -> list[tuple[str, Any]]:
    """A class as `class_of` takes it."""
    if name == "NOT_LITERAL":
        return [("NEGATE", None), ("LITERAL", value)]
    return [(str(kind), what) for kind, what in value] if name == "IN" else []


class _Writer:
    """Writes an expression for RE2, leaving out what that does not know."""

    def __init__(self) -> None:
        self.slow = ""
        self._repeats = 1

    def whole(self, items: Any, folded: bool) -> bytes:
        """An expression with nothing before it or behind it.

        There a lookbehind at the begin, or a lookahead at the end, is what a line must hold next
        to the rest: too much is matched then, but no line too few.
        """
        if len(items) == 1 and str(items[0][0]) == "BRANCH":
            return b"(?:" + b"|".join(self.whole(one, folded) for one in items[0][1][1]) + b")"
        parts = []
        for number, (kind, value) in enumerate(items):
            parts.append(self._part(str(kind), value, folded))
            if str(kind) == "ASSERT" and number == (0 if value[0] < 0 else len(items) - 1):
                parts[-1] = self.sequence(value[1], folded)
        return b"".join(parts)

    def sequence(self, items: Iterable[tuple[Any, Any]], folded: bool) -> bytes:
        """One part after another."""
        return b"".join(self._part(str(kind), value, folded) for kind, value in items)

    def _part(self, name: str, value: Any, folded: bool) -> bytes:
        if name == "LITERAL":
            return letter(value, folded)
        if name in _CLASSES:
            return class_of(_class_items(name, value), folded)
        if name == "AT":
            return self._place(str(value))
        if name == "FAILURE":
            return NOTHING
        return self._group(name, value, folded)

    def _place(self, name: str) -> bytes:
        if name in ("AT_BEGINNING", "AT_BEGINNING_STRING"):
            return b"^"
        if name in ("AT_END", "AT_END_STRING"):
            return rb"\r*$"
        return rb"\b" if name == "AT_BOUNDARY" else rb"\B"

    def _group(self, name: str, value: Any, folded: bool) -> bytes:
        if name == "SUBPATTERN":
            _, added, removed, items = value
            inner = (folded or bool(added & re.IGNORECASE)) and not removed & re.IGNORECASE
            return self._captured(value[0], self.sequence(items, inner))
        if name == "BRANCH":
            return b"(?:" + b"|".join(self.sequence(one, folded) for one in value[1]) + b")"
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            return self._repeat(name, value, folded)
        return self._special(name, value, folded)

    def _captured(self, number: int | None, body: bytes) -> bytes:
        return b"(?:" + body + b")"

    def _repeat(self, name: str, value: Any, folded: bool) -> bytes:
        least, most, items = value
        endless = most == sre_parse.MAXREPEAT
        times = max(1, int(least), 1 if endless else int(most))
        before = self._repeats
        self._repeats = before * times
        if self._repeats > _MOST_REPEATS:
            self._is_slow("a long repetition")
            least, endless, self._repeats = min(int(least), 1), True, before
        body = self._repeated(items, folded, endless and least < _TWICE)
        self._repeats = before
        if not _SINGLE.fullmatch(body):
            body = b"(?:" + body + b")"
        return body + self._times(int(least), None if endless else int(most)) + self._mode(name)

    def _repeated(self, items: Any, folded: bool, freely: bool) -> bytes:
        """What is repeated; `freely`: any number of times."""
        kind, value = items[0] if len(items) == 1 else ("", None)
        if freely and str(kind) in _CLASSES:
            return class_of(_class_items(str(kind), value), folded, repeated=True)
        return self.sequence(items, folded)

    def _times(self, least: int, most: int | None) -> bytes:
        short = {(0, None): b"*", (1, None): b"+", (0, 1): b"?"}.get((least, most))
        if short is not None:
            return short
        return b"{%d,%s}" % (least, b"" if most is None else b"%d" % most)

    def _mode(self, name: str) -> bytes:
        if name == "POSSESSIVE_REPEAT":
            self._is_slow("possessive repetition")
        return b"?" if name == "MIN_REPEAT" else b""

    def _special(self, name: str, value: Any, folded: bool) -> bytes:
        if name in ("ASSERT", "ASSERT_NOT"):
            self._is_slow("lookahead" if value[0] > 0 else "lookbehind")
            return b""
        if name == "GROUPREF":
            self._is_slow("backreference")
            return _REST
        if name == "GROUPREF_EXISTS":
            self._is_slow("condition")
            _, yes, no = value
            other = b"" if no is None else self.sequence(no, folded)
            return b"(?:" + self.sequence(yes, folded) + b"|" + other + b")"
        if name == "ATOMIC_GROUP":
            self._is_slow("atomic group")
            return b"(?:" + self.sequence(value, folded) + b")"
        raise re.error(f"{name.lower()} is not known here")

    def _is_slow(self, what: str) -> None:
        self.slow = self.slow or what


class _Grouped(_Writer):
    """Keeps groups."""

    def _captured(self, number: int | None, body: bytes) -> bytes:
        return (b"(?:" if number is None else b"(") + body + b")"


class _Loose(_Writer):
    """Takes the begin of each state of a line for a begin."""

    def _place(self, name: str) -> bytes:
        return rb"(?:^|\r)" if "BEGINNING" in name else super()._place(name)


class _Exact(_Writer):
    """Writes everything, for `re`."""

    def __init__(self, numbered: bool) -> None:
        super().__init__()
        self._behind = False
        self._numbered = numbered

    def whole(self, items: Any, folded: bool) -> bytes:
        """An expression with nothing before it or behind it."""
        return self.sequence(items, folded)

    def _place(self, name: str) -> bytes:
        # in a lookbehind everything has one width
        return b"$" if self._behind and "END" in name else super()._place(name)

    def _captured(self, number: int | None, body: bytes) -> bytes:
        numbered = self._numbered and number is not None
        return (b"(" if numbered else b"(?:") + body + b")"

    def _repeat(self, name: str, value: Any, folded: bool) -> bytes:
        least, most, items = value
        end = None if most == sre_parse.MAXREPEAT else int(most)
        body = self._repeated(items, folded, end is None and least < _TWICE)
        body = b"(?:" + body + b")"
        mode = {"MIN_REPEAT": b"?", "POSSESSIVE_REPEAT": b"+"}.get(name, b"")
        return body + self._times(int(least), end) + mode

    def _special(self, name: str, value: Any, folded: bool) -> bytes:
        if name in ("ASSERT", "ASSERT_NOT"):
            direction, items = value
            before, self._behind = self._behind, self._behind or direction < 0
            body = self.sequence(items, folded)
            self._behind = before
            mark = b"=" if name == "ASSERT" else b"!"
            return b"(?" + (b"<" if direction < 0 else b"") + mark + body + b")"
        if name == "GROUPREF":
            return b"(?%s:\\%d)" % (b"i" if folded else b"", value)
        if name == "GROUPREF_EXISTS":
            number, yes, no = value
            other = b"" if no is None else self.sequence(no, folded)
            return b"(?(%d)%s|%s)" % (number, self.sequence(yes, folded), other)
        if name == "ATOMIC_GROUP":
            return b"(?>" + self.sequence(value, folded) + b")"
        return super()._special(name, value, folded)
