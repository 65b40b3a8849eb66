"""Templates: lines of the commonest shapes, read many at a time.

A shape that a `Reader` knows becomes an expression whose groups are the step and the values. One
search then takes a whole block apart: lines of these shapes into their digits, others as they are.
What a template tells of a line is what the reader would have told.
"""

from __future__ import annotations

import re
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from rankdeck.metrics.extract import Said
from rankdeck.metrics.grammar import INVERSE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rankdeck.metrics.extract import Plan

Row = tuple[bytes, ...]
"""One line: the digits of the groups of its template, in their places; else all of it, last."""

MOST = 4
"""Templates at a time; each makes every row longer."""
_LONGEST_LINE = 4096
_LONGEST = 24
_WHOLE = ((15,), (5, 17), (2, 16, 3))
"""Digits that the parts of a number may have; with more it is left to the reader."""
_STAMPS = ("time", "now", "t", "start", "end")


class Slot(NamedTuple):
    """A value of a template."""

    key: str
    group: int
    scale: float


class Template:
    """How lines of one shape are taken apart."""

    def __init__(self, shape: Sequence[str], plan: Plan) -> None:
        """Prepare; `plan` must be one that `can_be_template` allows."""
        self.shape = tuple(shape)
        # by where each begins among the parts, where it ends
        captured = {at: at + 1 for at in _wholes(plan)}
        captured |= {first: end for _, first, end, _ in plan.slots}
        groups = {first: group for group, first in enumerate(sorted(captured))}
        fixed = dict(plan.fixed)
        pieces: list[str] = []
        index, parts = 0, 2 * len(shape) - 1
        while index < parts:
            end = captured.get(index, index + 1)
            piece = _piece(shape, index, end, fixed)
            pieces.append(f"({piece})" if index in captured else piece)
            index = end
        self.source = "".join(pieces)
        self.groups = len(groups)
        self.step = groups[plan.step_at]
        self.total = groups.get(plan.total_at, -1)
        self.epoch = groups.get(plan.epoch_at, -1)
        self.slots = tuple(Slot(key, groups[first], scale) for key, first, _, scale in plan.slots)

    def said(self, row: Row, first: int) -> Said:
        """What a line tells whose groups begin at `first` in its row."""
        values = {}
        for key, group, scale in self.slots:
            value = scaled(float(row[first + group]), scale)
            if value is not None:
                values[key] = value
        return Said(
            int(row[first + self.step]),
            int(row[first + self.total]) if self.total >= 0 else None,
            int(row[first + self.epoch]) if self.epoch >= 0 else None,
            within=False,
            side=False,
            values=values,
        )


def can_be_template(shape: Sequence[str], plan: Plan) -> bool:
    """Whether every line of this shape tells a step of the training, and finite values."""
    step = plan.step
    if step is None or plan.step_at < 0 or step.within or step.side or step.bar:
        return False
    text = "".join(shape)
    if "\ufffd" in text or "\n" in text or len(text.encode()) > _LONGEST_LINE // 2:
        return False
    # a value may well be the epoch itself, but nothing else twice
    taken = [at for at in _wholes(plan) if at != plan.epoch_at]
    for key, first, end, _ in plan.slots:
        if first < 0 or key.rsplit("/", 1)[-1] in _STAMPS:
            return False
        parts = (end - first + 1) // 2
        room = sum(len(shape[at // 2]) for at in range(first + 1, end, 2))
        if parts > len(_WHOLE) or (parts > 1 and sum(_WHOLE[parts - 1]) + room > _LONGEST):
            return False
        taken += range(first, end, 2)
        if first < plan.epoch_at < end and first != plan.epoch_at:
            return False
    return len(taken) == len(set(taken)) and len(shape) <= 64


def _wholes(plan: Plan) -> list[int]:
    """Where the whole numbers are that say which step it is."""
    return [at for at in (plan.step_at, plan.total_at, plan.epoch_at) if at >= 0]


def scaled(value: float, scale: float) -> float | None:
    """A value in its unit; None: it cannot be."""
    if scale == INVERSE:
        return 1.0 / value if value else None
    return value * scale if scale != 1.0 else value


def _piece(shape: Sequence[str], begin: int, end: int, fixed: dict[int, str]) -> str:
    """The expression for some parts of a line: between digits at even places, digits at odd."""
    pieces = []
    most = _WHOLE[min((end - begin) // 2, len(_WHOLE) - 1)]
    for index in range(begin, end):
        if index % 2 == 0:
            pieces.append(re.escape(shape[index // 2]))
        elif index in fixed:
            pieces.append(fixed[index])
        else:
            pieces.append(rf"[0-9]{{1,{most[(index - begin) // 2]}}}")
    return "".join(pieces)


class Templates:
    """Some templates, and the expression that takes a block apart by them."""

    def __init__(self, templates: Sequence[Template] = ()) -> None:
        self.templates = tuple(templates)
        self.firsts: list[int] = []
        """Where in a row the groups of each begin."""
        at = 0
        for template in self.templates:
            self.firsts.append(at)
            at += template.groups
        branches = "|".join((*(template.source for template in self.templates), r"([^\n]*)"))
        self._pattern = re.compile(rf"(?:{branches})\n".encode())

    def rows(self, block: bytes) -> list[Row]:
        """The lines of a block that ends with a newline, in order, one row each."""
        rows: list[Row] = self._pattern.findall(block)
        return rows

    def matched(self, rows: Sequence[Row]) -> int:
        """How many of these lines are of one of the templates."""
        empty = sum(list(map(itemgetter(first), rows)).count(b"") for first in self.firsts)
        return len(self.firsts) * len(rows) - empty
