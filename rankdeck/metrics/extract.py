"""Which numbers a line of a log tells, and of which step. Pure.

Lines of programs have few shapes: what stands between the digits is looked up, and a line of a
shape that has been seen before costs one split. A `Reader` keeps the shapes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rankdeck.metrics import words
from rankdeck.metrics.grammar import (
    COLOUR,
    DIGITS,
    FIELD,
    HINTS,
    INVERSE,
    PAIR,
    RATE,
    SCALES,
    SIGN,
    SLOW,
    TWO_WORDS,
    WORD_BEFORE,
)
from rankdeck.metrics.steps import Step, find_bare_step, find_step

if TYPE_CHECKING:
    import re
    from collections.abc import Sequence

    from rankdeck.metrics.patterns import MetricPattern

_LONGEST_LINE = 4096
_MOST_VALUES = 64
_MOST_SHAPES = 2048


class Said(NamedTuple):
    """What one line tells."""

    step: int | None
    """As the line counts them; see `within`."""
    total: int | None
    epoch: int | None
    within: bool
    """Whether `step` and `total` count inside `epoch`, anew in every one."""
    side: bool
    """Whether it tells of an evaluation, whose steps are not those of the training."""
    values: dict[str, float]
    bar: bool = False
    """Whether it is a progress bar; one with another total is another thing's."""


class _Slot(NamedTuple):
    key: str
    begin: int
    """Where its digits begin in the line; -1: `scale` is the value itself."""
    end: int
    scale: float
    named: tuple[int, int] = (0, 0)
    """Where its name is."""


class _Parsed(NamedTuple):
    step: Step | None
    slots: tuple[_Slot, ...]


class Plan(NamedTuple):
    """A parsed line with places among a line's digits and what is between them."""

    step: Step | None
    step_at: int
    total_at: int
    epoch_at: int
    slots: tuple[tuple[str, int, int, float], ...]
    fixed: tuple[tuple[int, str], ...]
    """Digits that belong to names; with others it is another line."""


class Reader:
    """Reads lines; remembers their shapes, and nothing else."""

    def __init__(self, patterns: Sequence[MetricPattern] = ()) -> None:
        """Prepare.

        Args:
            patterns: Expressions with groups named after metrics (and `step`), tried first.
        """
        self._patterns = tuple(patterns)
        self._shapes: dict[tuple[str, ...], Plan | bool] = {}
        self._seen: dict[tuple[str, ...], int] = {}
        self._silent: set[tuple[str, ...]] = set()

    def read(self, line: str, *, own: bool = True) -> Said | None:
        """What the line tells; None: nothing.

        Args:
            line: The line.
            own: Whether one of the `patterns` may match it.
        """
        if len(line) > _LONGEST_LINE:
            line = line[-_LONGEST_LINE:]
        if "\x1b" in line:
            line = COLOUR.sub("", line)
        said = self._read(line)
        if own and self._patterns:
            return self.with_own(said, line.encode("utf-8", "surrogatepass"))
        return said

    def with_own(self, said: Said | None, line: bytes) -> Said | None:
        """What a line without colours tells, with what the `patterns` find in it."""
        return _with_patterns(said, line, self._patterns)

    def _read(self, line: str) -> Said | None:
        parts = DIGITS.split(line)
        if len(parts) == 1 and "nan" not in line.lower() and "inf" not in line.lower():
            return None
        shape = tuple(parts[::2])
        if shape in self._silent:
            return None
        plan = self._shapes.get(shape, False)
        if isinstance(plan, Plan) and all(parts[at] == text for at, text in plan.fixed):
            self._seen[shape] = self._seen.get(shape, 0) + 1
            return _fill(plan, parts)
        parsed = _parse(line) if _may_tell(line) else None
        if parsed is None:
            if len(self._silent) >= _MOST_SHAPES:
                self._silent.clear()
            self._silent.add(shape)
            return None
        if plan is not True:
            if len(self._shapes) >= _MOST_SHAPES:
                self._shapes.clear()
                self._seen.clear()
            self._shapes[shape] = _plan(parsed, parts) or True
        return _said(parsed, line)

    def commonest(self, least: int) -> list[tuple[tuple[str, ...], Plan, int]]:
        """Shapes that have been seen so often, what is read of each, and how often; most first."""
        often = sorted(self._seen.items(), key=lambda item: -item[1])
        plans = ((shape, self._shapes.get(shape), count) for shape, count in often)
        return [
            (shape, plan, count)
            for shape, plan, count in plans
            if isinstance(plan, Plan) and count >= least
        ]

    def forget_counts(self) -> None:
        """Count from now on how often shapes are seen."""
        self._seen.clear()


def _may_tell(line: str) -> bool:
    """Whether a closer look is worth its time; most lines that tell nothing are seen here."""
    if SIGN.search(line) is not None:
        return True
    lower = line.lower()
    return any(hint in lower for hint in HINTS)


# -- from a line ------------------------------------------------------------------------------


def _parse(line: str) -> _Parsed | None:
    step = find_step(line)
    slots: dict[str, _Slot] = {}
    taken: set[int] = set()
    if line.count("|") > 1 and step is not None and "%|" not in line:
        begin = 0
        for piece in line.split("|"):
            match = FIELD.match(piece)
            if match is not None:
                _take(match, begin, step, slots, taken, line)
            begin += len(piece) + 1
    for match in PAIR.finditer(line):
        _take(match, 0, step, slots, taken, line)
    for match in RATE.finditer(line) if "/s" in line or " per s" in line else ():
        if match.start("num") not in taken:
            key = "it/s" if match["noun"] == "it" else _plural(match["noun"]) + "/s"
            scale = SCALES.get(match["unit"].lower(), 1.0)
            slots.setdefault(key, _Slot(key, match.start("num"), match.end("num"), scale))
    for match in SLOW.finditer(line) if "s/" in line else ():
        key = f"{match['noun']}/s"
        slots.setdefault(key, _Slot(key, match.start("num"), match.end("num"), INVERSE))
    if step is not None and step.foreign and set(slots) <= {"it/s"}:
        return None
    if step is None and slots:
        step = find_bare_step(line)
    found = tuple(slots.values())[:_MOST_VALUES]
    return _Parsed(step, found) if found or step is not None else None


def _take(
    match: re.Match[str],
    offset: int,
    step: Step | None,
    slots: dict[str, _Slot],
    taken: set[int],
    line: str,
) -> None:
    begin = match.start("num") + offset if match["num"] else -1
    if begin in taken or (step is not None and begin >= 0 and step.begin <= begin < step.end):
        return
    if not _is_metric(match, step is not None):
        return
    key, named = match["key"], (match.start("key") + offset, match.end("key") + offset)
    if match.re is PAIR:
        before = WORD_BEFORE.search(line, max(0, named[0] - 12), named[0])
        if before is not None and TWO_WORDS.fullmatch(before[0] + key):
            key, named = before[0] + key, (before.start(), named[1])
    key = words.name(key)
    if step is not None and step.side and not key.startswith(step.side):
        key = f"{step.side}/{key}"
    unit = (match["unit"] or (match["of"] or "").strip(" ()")).lower()
    scale = SCALES.get(unit, 1.0)
    if match["sign"] == "-":
        scale = -scale
    if begin < 0:
        value = float(match["sign"] + match["word"])
        slots.setdefault(key, _Slot(key, -1, -1, value, named))
        return
    taken.add(begin)
    slots.setdefault(key, _Slot(key, begin, match.end("num") + offset, scale, named))


def _is_metric(match: re.Match[str], has_step: bool) -> bool:
    key, sep, number = match["key"], match["sep"], match["num"]
    bare = key.lower()
    if words.never(bare) and not (bare == "error" and number and "." in number):
        return False
    whole = number is not None and number.isdigit()
    if whole and len(number) > 1 and number[0] == "0" and not words.known(bare):
        return False
    if whole and words.constant(bare) and not has_step:
        return False
    if not sep.strip():
        # `key value` is how prose looks too
        if words.strong(bare):
            return True
        fraction = number is not None and not whole
        return has_step and (fraction or words.known(bare))
    if sep.strip() == "is":
        return words.strong(bare)
    if sep == ":" and whole and match.re is PAIR and not words.known(bare):
        # host:29500, file.py:12; a JSON key ends with its quote
        return match.string[match.end("key") : match.end("key") + 1] in "\"'"
    return True


def _plural(noun: str) -> str:
    return {"token": "tokens", "toks": "tok", "imgs": "img", "image": "images"}.get(
        noun, noun if noun in ("tok", "img") or noun.endswith("s") else noun + "s"
    )


def _said(parsed: _Parsed, line: str) -> Said | None:
    values = {}
    for key, begin, end, scale, _ in parsed.slots:
        value = scale if begin < 0 else _number(line[begin:end].replace(",", ""), scale)
        if value is not None and _plausible(key, value):
            values[key] = value
    step = parsed.step
    if step is None:
        return Said(None, None, None, False, False, values) if values else None
    side = bool(step.side)
    return Said(step.number, step.total, step.epoch, step.within, side, values, step.bar)


def _number(digits: str, scale: float) -> float | None:
    if len(digits) > 24 or (digits.isdigit() and len(digits) > 15):
        return None
    value = float(digits)
    if scale == INVERSE:
        return 1.0 / value if value else None
    return value * scale if scale != 1.0 else value


def _plausible(key: str, value: float) -> bool:
    # seconds since the epoch tell when, not how much
    return not (value > 1e9 and key.rsplit("/", 1)[-1] in ("time", "now", "t", "start", "end"))


# -- by shape ---------------------------------------------------------------------------------


def _plan(parsed: _Parsed, parts: list[str]) -> Plan | None:
    """The same for every line of this shape; None where the digits themselves decide."""
    begins, ends, at = {}, {}, 0
    for index, part in enumerate(parts):
        if index % 2:
            begins[at], ends[at + len(part)] = index, index
        at += len(part)
    slots = []
    fixed = []
    for key, begin, end, scale, named in parsed.slots:
        fixed += [
            (index, parts[index]) for at, index in begins.items() if named[0] <= at < named[1]
        ]
        if begin < 0:
            slots.append((key, -1, -1, scale))
            continue
        first, last = begins.get(begin), ends.get(end)
        if first is None or last is None or any("," in part for part in parts[first : last + 1]):
            return None
        slots.append((key, first, last + 1, scale))
    step = parsed.step
    places = [-1, -1, -1]
    if step is not None:
        for index, span in enumerate(step.spans):
            if span is None:
                continue
            first = begins.get(span[0])
            if first is None or ends.get(span[1]) != first:
                return None
            places[index] = first
    return Plan(step, places[0], places[1], places[2], tuple(slots), tuple(fixed))


def _fill(plan: Plan, parts: list[str]) -> Said | None:
    values = {}
    for key, first, end, scale in plan.slots:
        if first < 0:
            values[key] = scale
            continue
        digits = parts[first] if end - first == 1 else "".join(parts[first:end])
        value = _number(digits, scale)
        if value is not None and _plausible(key, value):
            values[key] = value
    step = plan.step
    if step is None:
        return Said(None, None, None, False, False, values) if values else None
    return Said(
        int(parts[plan.step_at][:18]) if plan.step_at >= 0 else None,
        int(parts[plan.total_at][:18]) if plan.total_at >= 0 else None,
        int(parts[plan.epoch_at][:18]) if plan.epoch_at >= 0 else None,
        step.within,
        bool(step.side),
        values,
        step.bar,
    )


# -- the user's own ---------------------------------------------------------------------------


def _with_patterns(
    said: Said | None, line: bytes, patterns: Sequence[MetricPattern]
) -> Said | None:
    values: dict[str, float] = {}
    step = None
    for pattern in patterns:
        for group, text in pattern.told(line):
            value = _told(text)
            if value is None:
                continue
            if group in ("step", "iteration", "iter"):
                step = int(value) if abs(value) < 1e18 else None
            else:
                values[group] = value
    if not values and step is None:
        return said
    old, total, epoch, within, side, known, bar = said or Said(None, None, None, False, False, {})
    if step is not None:
        total, within = None, False
    step = old if step is None else step
    return Said(step, total, epoch, within, side, {**known, **values}, bar)


def _told(text: bytes) -> float | None:
    try:
        return float(text.strip().replace(b",", b"").rstrip(b"%"))
    except ValueError:
        return None
