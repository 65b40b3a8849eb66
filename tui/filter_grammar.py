"""The grammar of filters of tables: of runs, of nodes. Pure; knows no widget.

    filter = term*                    all of them must match; blanks separate them
    term   = ["!"] what               `!`: must not match
    what   = word | "words" | re:EXPRESSION | /EXPRESSION/ | field:value
    value  = text ("," text)*         any of them; `*` and `?` stand for anything, `=` for exactly
           | /EXPRESSION/
           | ["<" | "<=" | ">" | ">=" | "="] number, or first..last

Letters are compared without case, in expressions too unless they hold a capital one. Expressions
are those of logs (`rankdeck.logs.dialect`), but for what may take long.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from rankdeck.errors import UserError
from rankdeck.globs import compile_glob

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_T = TypeVar("_T")

_COMPARED = re.compile(r"(<=|>=|<|>|=)?(.+)")
_TIME = re.compile(r"([0-9]+(?:\.[0-9]+)?)(s|m|h|d|w)?")
_MOST_TEXT = 2000
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class RowText(NamedTuple):
    """What plain words and expressions are looked for in."""

    text: str
    small: str
    """The same without capital letters: every key that is typed looks into thousands of these."""


def row_text(*parts: str) -> RowText:
    """The text of a record, from what it consists of."""
    text = "\n".join(parts)[:_MOST_TEXT]
    return RowText(text, text.lower())


class FilterError(ValueError):
    """What is wrong with a filter, as a sentence."""


@dataclass(frozen=True, slots=True)
class Filter(Generic[_T]):
    """A filter that has been understood."""

    tests: tuple[Callable[[_T, float, RowText], bool], ...] = ()

    def matches(self, row: _T, now: float, text: RowText) -> bool:
        """Whether the row is to be shown.

        Args:
            row: The record.
            now: Seconds since the epoch, for ages.
            text: What plain words are looked for in; given, because making it costs more than
                looking into it.
        """
        return all(test(row, now, text) for test in self.tests)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields(Generic[_T]):
    """What a kind of record can be asked for by `field:value`."""

    words: Mapping[str, tuple[Mapping[str, frozenset[str]], Callable[[_T], str]]]
    """Fields of a few fixed words: what may be written for which words, and the record's word."""
    texts: Mapping[str, Callable[[_T], tuple[str, ...]]]
    numbers: Mapping[str, Callable[[_T], float | None]]
    times: Mapping[str, Callable[[_T, float], float | None]]
    """Spans up to now, in seconds."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every field, as it is written before the colon."""
        return (*self.words, *self.texts, *self.numbers, *self.times)


def parse_filter(text: str, fields: Fields[_T]) -> Filter[_T]:
    """Understand a filter.

    Raises:
        FilterError: It is not one (yet).
    """
    return Filter(tuple(_term(word, fields) for word in _words(text)))


# -- words --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Word:
    """One term as it was written."""

    text: str
    negated: bool
    field: str
    kind: str
    """`text`, `quoted` or `expression`."""


def _words(text: str) -> list[_Word]:
    words = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        word, at = _word(text, at)
        words.append(word)
    return words


def _word(text: str, at: int) -> tuple[_Word, int]:
    negated = text[at] == "!"
    at += negated
    field = ""
    if match := re.compile(r"([A-Za-z][A-Za-z_]*):").match(text, at):
        field, at = match[1].lower(), match.end()
    mark = text[at : at + 1]
    if mark in ('"', "'", "/") and mark:
        end = _closing(text, at + 1, mark)
        if end < 0 and mark == "/" and not field:
            # a path is a word, too: /scratch/me
            return _plain(text, at, field, negated=negated)
        if end < 0:
            raise FilterError(f"{mark} is not closed")
        after = text[end + 1 : end + 2]
        if after and not after.isspace():
            if mark != "/":
                raise FilterError(f"a blank is missing behind {text[at : end + 1]}")
            return _plain(text, at, field, negated=negated)
        inner = text[at + 1 : end]
        kind = "expression" if mark == "/" or field == "re" else "quoted"
        if mark == "/":
            inner = inner.replace("\\/", "/")
        return _Word(inner, negated, "" if field == "re" else field, kind), end + 1
    return _plain(text, at, field, negated=negated)


def _closing(text: str, at: int, mark: str) -> int:
    while at < len(text):
        if text[at] == "\\" and mark == "/":
            at += 1
        elif text[at] == mark:
            return at
        at += 1
    return -1


def _plain(text: str, at: int, field: str, *, negated: bool) -> tuple[_Word, int]:
    end = at
    while end < len(text) and not text[end].isspace():
        end += 1
    if field == "re":
        return _Word(text[at:end], negated, "", "expression"), end
    return _Word(text[at:end], negated, field, "text"), end


# -- terms --------------------------------------------------------------------------------------


def _term(word: _Word, fields: Fields[_T]) -> Callable[[_T, float, RowText], bool]:
    test = _positive(word, fields)
    if not word.negated:
        return test
    return lambda row, now, text: not test(row, now, text)


def _positive(word: _Word, fields: Fields[_T]) -> Callable[[_T, float, RowText], bool]:
    if not word.text:
        if word.field:
            raise FilterError(f"{word.field}: what? {_example(word.field, fields)}".rstrip())
        raise FilterError("! and what must not be there" if word.negated else "nothing to look for")
    if word.field:
        return _of_field(word, fields)
    if word.kind == "expression":
        found = _expression(word.text)
        return lambda row, now, text: found(text.text)
    plain = word.text.lower()
    return lambda row, now, text: plain in text.small


def _of_field(word: _Word, fields: Fields[_T]) -> Callable[[_T, float, RowText], bool]:
    field = word.field
    if field in fields.words:
        known, said = fields.words[field]
        allowed = _allowed(field, word.text, known)
        return lambda row, now, text: said(row) in allowed
    if field in fields.texts:
        read = fields.texts[field]
        matches = _matcher(word)
        # thousands of rows say the same
        found = cache(lambda said: any(map(matches, said)))
        return lambda row, now, text: found(read(row))
    if field in fields.numbers:
        value = fields.numbers[field]
        compare = _comparison(field, word.text, _number, "=", _example(field, fields))
        return lambda row, now, text: _met(compare, value(row))
    if field in fields.times:
        seconds = fields.times[field]
        compare = _comparison(field, word.text, _duration, "<=", _example(field, fields))
        return lambda row, now, text: _met(compare, seconds(row, now))
    near = get_close_matches(field, fields.names, 1)
    hint = f"did you mean {near[0]}:?" if near else f"there are {', '.join(fields.names)}"
    raise FilterError(f"there is no field {field}: ({hint}); quote it to look for the text")


def _met(compare: Callable[[float], bool], value: float | None) -> bool:
    return value is not None and compare(value)


def _allowed(field: str, text: str, known: Mapping[str, frozenset[str]]) -> frozenset[str]:
    found: set[str] = set()
    for part in text.lower().split(","):
        meant = [words for name, words in known.items() if name == part] or [
            words for name, words in known.items() if name.startswith(part)
        ]
        if not part or not meant:
            raise FilterError(f"there is no {field} {part!r}: {', '.join(known)}")
        found.update(*meant)
    return frozenset(found)


def _matcher(word: _Word) -> Callable[[str], bool]:
    if word.kind == "expression":
        return _expression(word.text)
    parts = [word.text] if word.kind == "quoted" else [p for p in word.text.split(",") if p]
    tests = [_part(part.lower(), plain=word.kind == "quoted") for part in parts]
    return lambda text: any(test(text.lower()) for test in tests)


def _part(part: str, *, plain: bool) -> Callable[[str], bool]:
    if not plain and part.startswith("="):
        exact = part[1:]
        return lambda text: text == exact
    if not plain and any(char in part for char in "*?"):
        glob = compile_glob(part, ignore_case=True)
        return lambda text: glob.match(text) is not None
    return lambda text: part in text


def _expression(text: str) -> Callable[[str], bool]:
    from rankdeck.logs.query import at_once

    capital = any(char.isupper() for char in re.sub(r"\\.", "", text))
    try:
        first = at_once(text, ignore_case=not capital).first
    except UserError as error:
        raise FilterError(error.message) from None

    def found(text: str) -> bool:
        raw = text.encode("utf-8", "surrogatepass")
        return first(raw, 0, len(raw)) is not None

    return found


def _comparison(
    field: str, text: str, read: Callable[[str], float | None], plain: str, example: str
) -> Callable[[float], bool]:
    first, dots, last = text.partition("..")
    if dots:
        low, high = read(first), read(last)
        if low is None or high is None:
            raise FilterError(f"{field}: {text!r} is no range; {example}")
        return lambda value: low <= value <= high
    match = _COMPARED.fullmatch(text)
    bound = read(match[2]) if match else None
    if match is None or bound is None:
        raise FilterError(f"{field}: {text!r} cannot be compared; {example}")
    limit = bound
    return {
        "<": lambda value: value < limit,
        "<=": lambda value: value <= limit,
        ">": lambda value: value > limit,
        ">=": lambda value: value >= limit,
        "=": lambda value: value == limit,
    }[match[1] or plain]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _duration(text: str) -> float | None:
    match = _TIME.fullmatch(text)
    return None if match is None else float(match[1]) * _SECONDS[match[2] or "s"]


def _example(field: str, fields: Fields[_T]) -> str:
    if field in fields.times:
        return f"for example {field}:<2d or {field}:1h..3h"
    if field in fields.numbers:
        return f"for example {field}:>=64"
    if field in fields.words:
        return f"one of {', '.join(fields.words[field][0])}"
    return f"for example {field}:llama*" if field in fields.texts else ""
