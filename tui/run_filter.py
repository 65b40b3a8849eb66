"""The grammar of the filter of runs. Pure; knows no widget.

    filter = term*                    all of them must match; blanks separate them
    term   = ["!"] what               `!`: must not match
    what   = word | "words" | re:EXPRESSION | /EXPRESSION/ | field:value
    value  = text ("," text)*         any of them; `*` and `?` stand for anything, `=` for exactly
           | /EXPRESSION/
           | ["<" | "<=" | ">" | ">=" | "="] number, or first..last

Letters are compared without case, in expressions too unless they hold a capital one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import translate
from functools import lru_cache
from typing import TYPE_CHECKING

from rankdeck.run.state import RunPhase

if TYPE_CHECKING:
    from collections.abc import Callable

    from rankdeck.run.summary import RunSummary

    Test = Callable[[RunSummary, float, str], bool]
    """A run, the time, and the run's text as `run_text` gives it."""

_COMPARED = re.compile(r"(<=|>=|<|>|=)?(.+)")
_TIME = re.compile(r"([0-9]+(?:\.[0-9]+)?)(s|m|h|d|w)?")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_GROUPS = {
    "live": frozenset(phase for phase in RunPhase if not phase.final),
    "ended": frozenset(phase for phase in RunPhase if phase.final),
}
_MOST_TEXT = 2000


class FilterError(ValueError):
    """What is wrong with a filter, as a sentence."""


@dataclass(frozen=True, slots=True)
class RunFilter:
    """A filter that has been understood."""

    tests: tuple[Test, ...] = ()

    def matches(self, run: RunSummary, now: float, text: str) -> bool:
        """Whether the run is to be shown.

        Args:
            run: The run.
            now: Seconds since the epoch, for ages.
            text: `run_text(run)`; given, because making it costs more than looking into it.
        """
        return all(test(run, now, text) for test in self.tests)


def parse_filter(text: str) -> RunFilter:
    """Understand a filter.

    Raises:
        FilterError: It is not one (yet).
    """
    return RunFilter(tuple(map(_term, _words(text))))


def run_text(run: RunSummary) -> str:
    """Everything of a run that plain words are looked for in."""
    parts = (
        run.id,
        run.name,
        run.state.value,
        run.reason,
        run.backend,
        run.launcher,
        run.project,
        run.failure_node or "",
        run.failure_category,
        run.failure_summary,
        run.nodes,
    )
    return "\n".join(parts)[:_MOST_TEXT]


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


def _term(word: _Word) -> Test:
    test = _positive(word)
    if not word.negated:
        return test
    return lambda run, now, text: not test(run, now, text)


def _positive(word: _Word) -> Test:
    if not word.text:
        if word.field:
            raise FilterError(f"{word.field}: what? {_example(word.field)}".rstrip())
        raise FilterError("! and what must not be there" if word.negated else "nothing to look for")
    if word.field:
        return _of_field(word)
    if word.kind == "expression":
        wanted = _expression(word.text)
        return lambda run, now, text: wanted.search(text) is not None
    plain = word.text.lower()
    return lambda run, now, text: plain in text.lower()


def _of_field(word: _Word) -> Test:
    field = word.field
    if field == "state":
        phases = _phases(word.text)
        return lambda run, now, text: run.state in phases
    if field in _TEXTS:
        read = _TEXTS[field]
        matches = _matcher(word)
        return lambda run, now, text: any(map(matches, read(run)))
    if field in _NUMBERS:
        value = _NUMBERS[field]
        compare = _comparison(field, word.text, _number, plain="=")
        return lambda run, now, text: _met(compare, value(run))
    if field in _TIMES:
        seconds = _TIMES[field]
        compare = _comparison(field, word.text, _duration, plain="<=")
        return lambda run, now, text: _met(compare, seconds(run, now))
    near = get_close_matches(field, FIELDS, 1)
    hint = f"did you mean {near[0]}:?" if near else f"there are {', '.join(FIELDS)}"
    raise FilterError(f"there is no field {field}: ({hint}); quote it to look for the text")


def _met(compare: Callable[[float], bool], value: float | None) -> bool:
    return value is not None and compare(value)


def _phases(text: str) -> frozenset[RunPhase]:
    found: set[RunPhase] = set()
    for part in text.lower().split(","):
        group = _GROUPS.get(part) or {phase for phase in RunPhase if phase.value.startswith(part)}
        if not part or not group:
            known = ", ".join((*(phase.value for phase in RunPhase), *_GROUPS))
            raise FilterError(f"there is no state {part!r}: {known}")
        found |= group
    return frozenset(found)


def _matcher(word: _Word) -> Callable[[str], bool]:
    if word.kind == "expression":
        wanted = _expression(word.text)
        return lambda text: wanted.search(text) is not None
    parts = [word.text] if word.kind == "quoted" else [p for p in word.text.split(",") if p]
    tests = [_part(part.lower(), plain=word.kind == "quoted") for part in parts]
    return lambda text: any(test(text.lower()) for test in tests)


def _part(part: str, *, plain: bool) -> Callable[[str], bool]:
    if not plain and part.startswith("="):
        exact = part[1:]
        return lambda text: text == exact
    if not plain and any(char in part for char in "*?"):
        # a bracket is none of the grammar's: names of nodes have them
        glob = re.compile(translate(part.replace("[", "[[]")), re.IGNORECASE)
        return lambda text: glob.match(text) is not None
    return lambda text: part in text


def _expression(text: str) -> re.Pattern[str]:
    case = 0 if any(char.isupper() for char in re.sub(r"\\.", "", text)) else re.IGNORECASE
    try:
        return re.compile(text, case | re.MULTILINE)
    except (re.error, OverflowError, RecursionError) as error:
        raise FilterError(f"not an expression: {error}") from None


def _comparison(
    field: str, text: str, read: Callable[[str], float | None], *, plain: str
) -> Callable[[float], bool]:
    first, dots, last = text.partition("..")
    if dots:
        low, high = read(first), read(last)
        if low is None or high is None:
            raise FilterError(f"{field}: {text!r} is no range; {_example(field)}")
        return lambda value: low <= value <= high
    match = _COMPARED.fullmatch(text)
    bound = read(match[2]) if match else None
    if match is None or bound is None:
        raise FilterError(f"{field}: {text!r} cannot be compared; {_example(field)}")
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


def _example(field: str) -> str:
    if field in _TIMES:
        return f"for example {field}:<2d or {field}:1h..3h"
    if field in _NUMBERS:
        return f"for example {field}:>=64"
    if field == "state":
        return "for example state:failed"
    return f"for example {field}:llama*" if field in _TEXTS else ""


# -- fields -------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _node_names(folded: str) -> tuple[str, ...]:
    from rankdeck.nodes.slurm_list import expand_nodelist

    try:
        return (*expand_nodelist(folded), folded)
    except ValueError:
        return (folded,)


def _nodes(run: RunSummary) -> tuple[str, ...]:
    names = _node_names(run.nodes) if run.nodes else ()
    return (*names, run.failure_node) if run.failure_node else names


def _elapsed(run: RunSummary, now: float) -> float | None:
    return None if run.started is None else (run.ended or now) - run.started


_TEXTS: dict[str, Callable[[RunSummary], tuple[str, ...]]] = {
    "name": lambda run: (run.name,),
    "id": lambda run: (run.id,),
    "backend": lambda run: (run.backend,),
    "launcher": lambda run: (run.launcher,),
    "project": lambda run: (run.project, run.project.rstrip("/").rpartition("/")[2]),
    "node": _nodes,
    "why": lambda run: (run.reason, run.failure_category, run.failure_summary),
}
_NUMBERS: dict[str, Callable[[RunSummary], float | None]] = {
    "ranks": lambda run: run.world_size,
    "nodes": lambda run: run.nnodes,
    "step": lambda run: run.step,
    "loss": lambda run: run.loss,
    "attempt": lambda run: run.attempt + 1,
    "exit": lambda run: run.exit_code,
}
_TIMES: dict[str, Callable[[RunSummary, float], float | None]] = {
    "age": lambda run, now: now - run.created,
    "elapsed": _elapsed,
}
FIELDS: tuple[str, ...] = ("state", *_TEXTS, *_NUMBERS, *_TIMES)
"""Every field, as it is written before the colon."""
