"""What a node did over a run, as rows of blocks: made from its kept samples. Pure.

Percent from the bottom (0) to the top (100) of a cell, whatever the largest value is: nodes and
figures can be compared by eye. What is not known is left blank.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rankdeck.text import clock, duration
from tui.node_gpus import BARS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rankdeck.run.load_history import LoadSample
    from tui.looks import Line

CELLS = 48
"""Values of a curve."""
_FIRST = 10.0
"""Seconds that the first sample of an attempt stands for."""
_GPUS_TOLD = 16
_ASIDE = 0.01
"""Cells by which a sample may miss the border of one."""

Curve = tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class NodePast:
    """A node over the run."""

    begin: float
    end: float
    curves: tuple[tuple[str, Curve], ...] = ()
    """By name, `CELLS` values each: `CPU`, `memory`, `GPUs`, `GPU mem`, `gpu 0` …"""

    def curve(self, name: str) -> Curve:
        """One of them; nothing where there is none."""
        return next((curve for told, curve in self.curves if told == name), ())

    @property
    def busy(self) -> Curve:
        """How busy its GPUs were; without any that tell, its processors."""
        return self.curve("GPUs") or self.curve("CPU")


def past_of(
    samples: Sequence[LoadSample], began: float | None, ended: float | None
) -> NodePast | None:
    """The curves of a node's samples; None without any.

    Args:
        samples: Oldest first.
        began: When the run did, as far as is known.
        ended: When the run did; the time, for one that lives.
    """
    if not samples:
        return None
    first, last = samples[0].t - _FIRST, samples[-1].t
    begin = first if began is None else min(began, first)
    end = last if ended is None else max(ended, last)
    indexes = sorted({gpu.index for sample in samples for gpu in sample.gpus})
    wanted: list[tuple[str, Callable[[LoadSample], float | None], bool]] = [
        ("CPU", lambda sample: sample.cpu_percent, False),
        ("memory", lambda sample: sample.mem_percent, True),
        ("GPUs", _gpu_mean, False),
        ("GPU mem", _gpu_fullest, True),
    ]
    for index in indexes[:_GPUS_TOLD] if len(indexes) > 1 else ():
        wanted.append((f"gpu {index}", _gpu_reader(index), False))
    places = _places(samples, begin, end)
    curves = []
    for name, value_of, peaks in wanted:
        curve = _curve(map(value_of, samples), places, peaks=peaks)
        if any(value is not None for value in curve):
            curves.append((name, curve))
    return NodePast(begin, end, tuple(curves))


def _gpu_mean(sample: LoadSample) -> float | None:
    known = [gpu.util for gpu in sample.gpus if gpu.util is not None]
    return sum(known) / len(known) if known else None


def _gpu_fullest(sample: LoadSample) -> float | None:
    parts = [
        100.0 * gpu.mem_used / gpu.mem_total
        for gpu in sample.gpus
        if gpu.mem_total and gpu.mem_used is not None
    ]
    return max(parts, default=None)


def _gpu_reader(index: int) -> Callable[[LoadSample], float | None]:
    def util(sample: LoadSample) -> float | None:
        return next((gpu.util for gpu in sample.gpus if gpu.index == index), None)

    return util


def _places(samples: Sequence[LoadSample], begin: float, end: float) -> list[range]:
    """The cells that each sample reaches into."""
    scale = CELLS / max(end - begin, 1e-9)
    places = []
    before: LoadSample | None = None
    for sample in samples:
        since = sample.t - _FIRST
        if before is not None and before.attempt == sample.attempt:
            since = min(before.t, sample.t)
        before = sample
        # one that ends where a cell does is not of the next one
        first = int((since - begin) * scale + _ASIDE)
        last = int((sample.t - begin) * scale - _ASIDE)
        places.append(range(max(0, first), min(CELLS - 1, last) + 1))
    return places


def _curve(values: Iterable[float | None], places: Sequence[range], *, peaks: bool) -> Curve:
    """A value a cell: of all samples that reach into it the mean, or the most."""
    found: list[list[float]] = [[] for _ in range(CELLS)]
    for value, cells in zip(values, places, strict=True):
        if value is not None:
            for cell in cells:
                found[cell].append(value)
    return tuple(_together(several, peaks=peaks) for several in found)


def _together(values: Sequence[float], *, peaks: bool) -> float | None:
    if not values:
        return None
    return max(values) if peaks else sum(values) / len(values)


def sparkline(curve: Curve, width: int, *, peaks: bool = False) -> str:
    """The curve in at most `width` cells.

    Args:
        curve: Percents; None is left blank.
        width: Cells there are.
        peaks: Whether the most of several values counts, else their mean.
    """
    count = min(width, len(curve))
    told = []
    for cell in range(count):
        part = curve[cell * len(curve) // count : (cell + 1) * len(curve) // count]
        value = _together([one for one in part if one is not None], peaks=peaks)
        told.append(" " if value is None else BARS[max(0, min(7, int(value / 12.5)))])
    return "".join(told)


def past_lines(past: NodePast) -> list[Line]:
    """The curves under each other, with their means, extremes and ends."""
    lines: list[Line] = []
    for name, curve in past.curves:
        known = [value for value in curve if value is not None]
        figures = f"{sum(known) / len(known):4.0f}%{max(known):5.0f}%{known[-1]:5.0f}%"
        row = sparkline(curve, CELLS, peaks="mem" in name)
        lines.append(((f"{name:<9}", "dim"), (row, ""), (figures, "")))
    if not lines:
        return []
    first, last = clock(past.begin), f"{duration(past.end - past.begin)} {clock(past.end)}"
    axis = f"{first}{last:>{CELLS - len(first)}}"
    head: Line = ((f"{'':<9}{'over the run':<{CELLS}}", "dim"), (" MEAN MOST LAST", "dim"))
    return [head, *lines, ((f"{'':<9}{axis}", "dim"),)]
