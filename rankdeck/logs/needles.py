"""Texts that any match of an expression must contain, so that most of a log is gone over fast.

`required` reads what Python's parser made of an expression; `best` picks, by what the log looks
like, the texts that cost least to look for. What cannot be understood requires nothing. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHORTEST = 2
_MOST_BRANCHES = 16

# Nanoseconds on one machine; only how they compare matters.
EXACT_PASS = 0.1
"""For each byte, where one text is looked for, or an expression begins with one."""
FOLDED_PASS = 0.5
"""The same, and case does not count."""
FULL_PASS = 1.6
"""For each byte that goes through the automaton."""
FOLDING = 0.4
"""For each byte that is made lower case first, so that texts are looked for exactly."""
STOP = 2500.0
"""For each time that a search is interrupted for a closer look."""
HEAD = 10.0
"""For each time that an expression's first text is there and the rest is not."""


@dataclass(frozen=True, slots=True)
class Required:
    """What a match must contain: one of the `texts`, or what the `parts` say."""

    text: bytes = b""
    all_of: tuple[Required, ...] = ()
    """Every one of these."""
    any_of: tuple[Required, ...] = ()
    """One of these."""


def required(items: Iterable[tuple[Any, Any]], folded: bool) -> Required | None:
    """What any match contains, as bytes of UTF-8, in lower case if case does not count.

    None if there is nothing that it must contain.

    Args:
        items: A sequence as Python's parser of expressions makes it.
        folded: Whether case does not count.
    """
    found: list[Required] = []
    run = bytearray()

    def end_run() -> None:
        if len(run) >= _SHORTEST:
            found.append(Required(bytes(run)))
        run.clear()

    for kind, value in items:
        name = str(kind)
        if name == "LITERAL" and (text := _text(value, folded)):
            run += text
            continue
        if name == "AT":
            continue
        end_run()
        part = _part(name, value, folded)
        if part is not None:
            found.append(part)
    end_run()
    if not found:
        return None
    return found[0] if len(found) == 1 else Required(all_of=tuple(found))


def best(wanted: Required, sample: bytes, *, folded: bool) -> tuple[float, tuple[bytes, ...]]:
    """The texts of which any match contains one, and what it costs to look for them.

    Args:
        wanted: From `required`.
        sample: A piece of the log, in lower case if case does not count.
        folded: Whether case does not count.

    Returns:
        Nanoseconds for each byte, and the texts.
    """
    if wanted.text:
        letters = folded and wanted.text.upper() != wanted.text
        stops = sample.count(wanted.text) / max(1, len(sample))
        # of two equally rare ones the longer is the safer guess
        cost = (FOLDED_PASS if letters else EXACT_PASS) + stops * STOP
        return cost + 0.01 / len(wanted.text), (wanted.text,)
    if wanted.all_of:
        told = [best(part, sample, folded=folded) for part in wanted.all_of]
        return min(told, key=lambda one: one[0])
    told = [best(part, sample, folded=folded) for part in wanted.any_of]
    texts = tuple(dict.fromkeys(text for _, some in told for text in some))
    return sum(cost for cost, _ in told), texts


def _text(code: int, folded: bool) -> bytes:
    """A character that stands for itself; empty: it has several forms, or never matches."""
    char = chr(code)
    if code in (10, 13) or (folded and code > 127 and char.lower() != char.upper()):
        return b""
    raw = char.encode("utf-8", "surrogateescape" if 0xDC80 <= code <= 0xDCFF else "surrogatepass")
    return raw.lower() if folded else raw


def _part(name: str, value: Any, folded: bool) -> Required | None:
    """What one part that is not a literal requires."""
    if name == "SUBPATTERN":
        _, added, removed, items = value
        return None if (added | removed) & re.IGNORECASE else required(items, folded)
    if name == "ATOMIC_GROUP":
        return required(value, folded)
    if name == "ASSERT":
        return required(value[1], folded)
    if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        least, _, items = value
        return required(items, folded) if least > 0 else None
    if name == "BRANCH":
        branches = [required(branch, folded) for branch in value[1]]
        several = [branch for branch in branches if branch is not None]
        if len(several) == len(branches) <= _MOST_BRANCHES:
            return Required(any_of=tuple(several))
    return None
