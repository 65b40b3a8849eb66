"""Texts that any match of an expression must contain, so that most of a log is gone over fast.

`required` reads the expression as `re` itself does; `best` picks, by what the log looks like, the
texts that are rarest in it. What cannot be understood requires nothing. Pure.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

if sys.version_info >= (3, 11):
    from re import _parser as sre_parse
else:
    import sre_parse

_SHORTEST = 2
_MOST_BRANCHES = 12
_ESCAPE_OR_LETTERS = re.compile(rb"\\.|[^\\]+", re.DOTALL)
_CASE_MATTERS = re.compile(
    # characters by number, ranges over both cases or of other characters, groups with names or
    # with flags of their own
    rb"\\[xuUN0-9]|[^a-zA-Z0-9]-[^\]]|[A-Z]-[^A-Z\]]|[^]A-Z[]-[A-Z]|\(\?[^:=!]"
)


@dataclass(frozen=True, slots=True)
class Required:
    """What a match must contain: one of the `texts`, or what the `parts` say."""

    text: bytes = b""
    all_of: tuple[Required, ...] = ()
    """Every one of these."""
    any_of: tuple[Required, ...] = ()
    """One of these."""


def required(pattern: re.Pattern[bytes]) -> Required | None:
    """What any match of this pattern contains; lower case if the pattern ignores case.

    None if there is nothing that it must contain.
    """
    try:
        parse: Any = sre_parse.parse
        tree = parse(pattern.pattern, pattern.flags & ~re.UNICODE)
        return _sequence(tree, bool(pattern.flags & re.IGNORECASE))
    except (AttributeError, TypeError, ValueError, RecursionError):
        # the parser is not public: whatever it has become, a search without needles is right
        return None


def best(wanted: Required, sample: bytes) -> tuple[bytes, ...]:
    """The texts of which any match contains one, chosen to be rare in this sample.

    Args:
        wanted: From `required`.
        sample: A piece of the log, in lower case if the pattern ignores case.
    """
    return _cheapest(wanted, sample)[1]


def lowered(pattern: re.Pattern[bytes]) -> re.Pattern[bytes] | None:
    """A pattern that finds in lower-case text what this one finds ignoring case, much faster.

    None where writing it in lower case might change what it means.
    """
    if not pattern.flags & re.IGNORECASE or _CASE_MATTERS.search(pattern.pattern):
        return None
    text = _ESCAPE_OR_LETTERS.sub(
        lambda match: match[0] if match[0][:1] == b"\\" else match[0].lower(), pattern.pattern
    )
    try:
        return re.compile(text, pattern.flags & ~(re.IGNORECASE | re.UNICODE))
    except re.error:
        return None


def _cheapest(wanted: Required, sample: bytes) -> tuple[float, tuple[bytes, ...]]:
    if wanted.text:
        # each text costs a pass of its own; a longer one is the safer guess
        cost = 1.0 + sample.count(wanted.text) + 1.0 / len(wanted.text)
        return cost, (wanted.text,)
    if wanted.all_of:
        return min((_cheapest(part, sample) for part in wanted.all_of), key=lambda told: told[0])
    told = [_cheapest(part, sample) for part in wanted.any_of]
    return sum(cost for cost, _ in told), tuple(dict.fromkeys(n for _, some in told for n in some))


def _sequence(items: Iterable[tuple[Any, Any]], folded: bool) -> Required | None:
    """What a sequence of parts requires."""
    found: list[Required] = []
    run = bytearray()

    def end_run() -> None:
        if len(run) >= _SHORTEST:
            found.append(Required(bytes(run)))
        run.clear()

    for kind, value in items:
        name = str(kind)
        if name == "LITERAL" and value < 256:
            run += bytes([value]).lower() if folded else bytes([value])
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


def _part(name: str, value: Any, folded: bool) -> Required | None:
    """What one part that is not a literal requires."""
    if name == "SUBPATTERN":
        _, added, removed, items = value
        if (added | removed) & re.IGNORECASE:
            return None
        return _sequence(items, folded)
    if name == "ATOMIC_GROUP":
        return _sequence(value, folded)
    if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        least, _, items = value
        return _sequence(items, folded) if least > 0 else None
    if name == "BRANCH":
        branches = [_sequence(branch, folded) for branch in value[1]]
        several = [branch for branch in branches if branch is not None]
        if len(several) == len(branches) <= _MOST_BRANCHES:
            return Required(any_of=tuple(several))
    return None
