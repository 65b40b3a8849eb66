"""Runs: lines that templates took apart, put together to columns of steps and values.

A run's lines all tell a step of the training and its steps never go back, so a `Joiner` can take
it as a whole. Pure.
"""

from __future__ import annotations

import math
from itertools import pairwise
from operator import gt, itemgetter
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from rankdeck.metrics.grammar import INVERSE
from rankdeck.metrics.templates import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rankdeck.metrics.extract import Said
    from rankdeck.metrics.templates import Row, Template, Templates

_DECODE = msgspec.json.Decoder(list[float]).decode
SHORTEST = 16
"""Lines below which taking them one by one is as fast."""


class Column(NamedTuple):
    """The values of one metric in a run."""

    key: str
    places: Sequence[int]
    """By place in the run: whose values these are."""
    values: list[float]


class Run(NamedTuple):
    """Consecutive lines."""

    numbers: Sequence[int]
    """Each line's number in its block."""
    steps: list[float]
    """As the lines count them."""
    total: int | None
    epoch: int | None
    """The last ones that are told."""
    columns: list[Column]


class Told(NamedTuple):
    """Lines of templates, as they stand in a block."""

    numbers: Sequence[int]
    rows: list[Row]


def runs(templates: Templates, told: Told) -> Iterator[Run | tuple[int, Said]]:
    """What these lines tell, in order: runs, and single lines by their number.

    Before each run the line that it begins with is told by itself, so that what it changes, the
    count of epochs or a step that was done again, has been settled.
    """
    numbers, rows = told
    steps = _steps(templates, rows)
    falls = []
    if any(map(gt, steps, steps[1:])):
        falls = [place + 1 for place, fell in enumerate(map(gt, steps, steps[1:])) if fell]
    for begin, end in pairwise((0, *falls, len(rows))):
        first = end if end - begin < SHORTEST else begin + 1
        run = None
        if first < end:
            run = _run(templates, numbers[first:end], rows[first:end], steps[first:end])
        for place in range(begin, first if run else end):
            yield numbers[place], said(templates, rows[place])
        if run:
            yield run


def said(templates: Templates, row: Row) -> Said:
    """What one line tells."""
    for template, first in zip(templates.templates, templates.firsts, strict=True):
        if row[first]:
            return template.said(row, first)
    raise ValueError("a line of no template")


def _steps(templates: Templates, rows: Sequence[Row]) -> list[float]:
    """The steps that the lines tell; whole numbers that are exact as floats."""
    places = [
        first + template.step
        for template, first in zip(templates.templates, templates.firsts, strict=True)
    ]
    if len(places) == 1:
        place = places[0]
        return _numbers(rows, place)
    return [float(next(filter(None, map(row.__getitem__, places)))) for row in rows]


def _run(
    templates: Templates, numbers: Sequence[int], rows: list[Row], steps: list[float]
) -> Run | None:
    """The lines as columns; None: a value is none, so that they must be looked at one by one."""
    found: dict[str, list[tuple[Sequence[int], list[float]]]] = {}
    total = epoch = None
    newest = {"total": -1, "epoch": -1}
    for template, first in zip(templates.templates, templates.firsts, strict=True):
        places, own = _own(templates, rows, first)
        if not own:
            continue
        for key, group, scale in template.slots:
            values = _values(places, own, first + group, scale)
            if values is None:
                return None
            if values[1]:
                found.setdefault(key, []).append(values)
        told = _last(template, own, first, "total")
        if told and places[-1] > newest["total"]:
            total, newest["total"] = told, places[-1]
        told = _last(template, own, first, "epoch")
        if told is not None and places[-1] > newest["epoch"]:
            epoch, newest["epoch"] = told, places[-1]
    columns = [_column(key, parts) for key, parts in found.items()]
    return Run(numbers, steps, total, epoch, columns)


def _own(templates: Templates, rows: list[Row], first: int) -> tuple[Sequence[int], list[Row]]:
    """The lines of one template, and their places."""
    if len(templates.templates) == 1:
        return range(len(rows)), rows
    places = [place for place, row in enumerate(rows) if row[first]]
    if len(places) == len(rows):
        return range(len(rows)), rows
    return places, [rows[place] for place in places]


def _numbers(rows: Sequence[Row], place: int) -> list[float]:
    """One group of all lines as numbers; several times as fast as one by one."""
    try:
        return _DECODE(b"[" + b",".join(map(itemgetter(place), rows)) + b"]")
    except msgspec.DecodeError:
        # JSON has no 007, and nothing that is too large
        return [float(row[place]) for row in rows]


def _values(
    places: Sequence[int], rows: list[Row], place: int, scale: float
) -> tuple[Sequence[int], list[float]] | None:
    """The values of one group that are any; None: some are no finite numbers."""
    values = _numbers(rows, place)
    if scale == INVERSE and 0.0 in values:
        places = [at for at, value in zip(places, values, strict=True) if value]
        values = [value for value in values if value]
    if scale != 1.0:
        values = [value for each in values if (value := scaled(each, scale)) is not None]
    if values and not (math.isfinite(max(values)) and math.isfinite(min(values))):
        return None
    return places, values


def _last(template: Template, rows: list[Row], first: int, what: str) -> int | None:
    group = template.total if what == "total" else template.epoch
    if group < 0:
        return None
    if what == "epoch":
        return int(rows[-1][first + group])
    return next((total for row in reversed(rows) if (total := int(row[first + group]))), None)


def _column(key: str, parts: list[tuple[Sequence[int], list[float]]]) -> Column:
    if len(parts) == 1:
        return Column(key, *parts[0])
    pairs = sorted(pair for places, values in parts for pair in zip(places, values, strict=True))
    return Column(key, [place for place, _ in pairs], [value for _, value in pairs])
