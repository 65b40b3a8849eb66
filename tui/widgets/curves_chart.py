"""One chart as lines of text: title, scale, curves, marks. Pure; names are hostile text."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from rankdeck.metrics.series import smooth
from rankdeck.text import duration, figure
from tui.looks import Line, Piece, fit, line_width, safe
from tui.widgets.canvas import Canvas, Column, Peaks, Window, columns, peaks_of, ticks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rankdeck.metrics.series import Series

_SCALE = 8
"""Cells left of the plot."""
_LONG = 200_000
LEAST_WIDTH, LEAST_HEIGHT = 28, 6
LETTERS = "ABCDEFGHIJ"
_RAW, _SMOOTH, _CURSOR, _ODD = 0, 100, 200, 201


@dataclass(frozen=True, slots=True)
class Curve:
    """One run's (or rank's) series in a chart."""

    label: str
    """Hostile text."""
    number: int
    """Its place among the runs: decides letter, colour and pattern."""
    series: Series
    start: float = math.nan
    """What times count from."""
    dim: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """How curves are looked at."""

    log: bool = False
    weight: float = 0.0
    """Of the moving average; 0: none."""
    by_time: bool = False
    left: float | None = None
    """None: everything."""
    right: float | None = None
    cursor: float | None = None
    """The step or time that is inspected."""


class Drawn(NamedTuple):
    """A chart."""

    lines: tuple[Line, ...]
    left: float
    right: float
    readout: Line
    """What is under the cursor."""


@dataclass(slots=True)
class Shapes:
    """What of a series is worth keeping between two drawings."""

    xs: dict[tuple[int, bool, float], tuple[Series, array[float]]] = field(default_factory=dict)
    smoothed: dict[tuple[int, float], tuple[Series, array[float]]] = field(default_factory=dict)
    peaks: dict[int, tuple[Series, Peaks]] = field(default_factory=dict)

    def places(self, curve: Curve, by_time: bool) -> array[float]:
        """Where the values are on the axis."""
        series = curve.series
        if not by_time:
            return series.steps
        key = (id(series), by_time, curve.start)
        held = self.xs.get(key)
        if held is None or held[0] is not series:
            if len(self.xs) > 64:
                self.xs.clear()
            held = self.xs[key] = (series, _elapsed(series.times, curve.start))
        return held[1]

    def peaks_of(self, series: Series) -> Peaks | None:
        """Its peaks, where it is so long that they save more than they cost."""
        if len(series) < _LONG:
            return None
        held = self.peaks.get(id(series))
        if held is None or held[0] is not series:
            if len(self.peaks) > 64:
                self.peaks.clear()
            held = self.peaks[id(series)] = (series, peaks_of(series.values))
        return held[1]

    def average(self, series: Series, weight: float) -> array[float]:
        """The moving average."""
        key = (id(series), weight)
        held = self.smoothed.get(key)
        if held is None or held[0] is not series:
            if len(self.smoothed) > 64:
                self.smoothed.clear()
            held = self.smoothed[key] = (series, smooth(series.values, weight))
        return held[1]


def _elapsed(times: array[float], start: float) -> array[float]:
    """Seconds since the start, never going back; unknown ones are as the one before."""
    begin = 0.0 if math.isnan(start) else start

    def later(before: float, time: float) -> float:
        return time if time > before else before

    elapsed = [0.0 if math.isnan(time) else time - begin for time in times]
    return array("d", accumulate(elapsed, later))


def extent(curves: Sequence[Curve], view: View, shapes: Shapes) -> tuple[float, float]:
    """The first and the last place of any curve."""
    lows, highs = [], []
    for curve in curves:
        xs = shapes.places(curve, view.by_time)
        if len(xs):
            lows.append(xs[0])
            highs.append(xs[-1])
        if not view.by_time and curve.series.odd:
            lows.append(curve.series.odd[0].step)
            highs.append(curve.series.odd[-1].step)
    return min(lows, default=0.0), max(highs, default=1.0)


def draw_chart(
    title: str,
    curves: Sequence[Curve],
    view: View,
    width: int,
    height: int,
    shapes: Shapes,
    *,
    selected: bool = False,
    braille: bool = True,
    note: Piece = ("", ""),
) -> Drawn:
    """The chart in exactly `height` lines of `width` cells."""
    first, last = extent(curves, view, shapes)
    left = first if view.left is None else view.left
    right = last if view.right is None else view.right
    plot_width, plot_height = max(1, width - _SCALE), max(1, height - 2)
    drawn: list[tuple[Curve, list[Column], list[Column]]] = []
    for curve in curves:
        xs = shapes.places(curve, view.by_time)
        peaks = shapes.peaks_of(curve.series)
        raw = columns(xs, curve.series.values, left, right, plot_width * 2, peaks)
        soft: list[Column] = []
        if view.weight and len(curve.series):
            average = shapes.average(curve.series, view.weight)
            soft = columns(xs, average, left, right, plot_width * 2)
        drawn.append((curve, raw, soft))
    log = view.log and any(c.high > 0 for _, raw, _ in drawn for c in raw)
    window = _window([raw for _, raw, _ in drawn], left, right, log=log)
    canvas = Canvas(plot_width, plot_height, braille=braille)
    for curve, raw, soft in drawn:
        canvas.curve(raw, window, _RAW + curve.number, curve.number)
        if soft:
            canvas.curve(soft, window, _SMOOTH + curve.number, curve.number)
    _mark_odd(canvas, curves, view, window, braille=braille)
    if len(curves) > 1:
        for curve, raw, soft in drawn:
            if raw:
                end = (soft or raw)[-1]
                _, row = canvas.cell(right, end.last, window)
                letter = LETTERS[curve.number % len(LETTERS)]
                canvas.text(min(plot_width - 1, end.at // 2), row, letter, _SMOOTH + curve.number)
    readout: Line = ()
    if view.cursor is not None:
        readout = _inspect(canvas, curves, view, window, shapes, braille=braille)
    softened = bool(view.weight)
    body = [
        (label, *((text, _style(layer, softened)) for text, layer in runs))
        for label, runs in zip(_scale(window, plot_height), canvas.rows(), strict=True)
    ]
    head = _title(title, curves, width, window, selected=selected, note=note)
    foot = _axis(window, view, plot_width)
    return Drawn((head, *body, foot), left, right, readout)


def _window(shapes: list[list[Column]], left: float, right: float, *, log: bool) -> Window:
    lows = [c.low for shape in shapes for c in shape if not log or c.low > 0]
    highs = [c.high for shape in shapes for c in shape]
    if log and not lows:
        lows = [c.high for shape in shapes for c in shape if c.high > 0]
    low, high = min(lows, default=0.0), max(highs, default=1.0)
    if high <= low:
        room = abs(low) * 0.1 or 1.0
        low, high = (low / 2, low * 2) if log else (low - room, low + room)
    return Window(left, right, low, high, log)


def _style(layer: int, softened: bool) -> str:
    if layer < 0:
        return ""
    if layer == _CURSOR:
        return "cursor"
    if layer == _ODD:
        return "error"
    if layer >= _SMOOTH:
        return f"curve{(layer - _SMOOTH) % len(LETTERS)}-bold"
    return f"curve{layer % len(LETTERS)}" + ("-dim" if softened else "")


def _mark_odd(
    canvas: Canvas, curves: Sequence[Curve], view: View, window: Window, *, braille: bool
) -> None:
    for curve in curves:
        for odd in curve.series.odd:
            x = odd.step
            if view.by_time:
                x = odd.time - (0.0 if math.isnan(curve.start) else curve.start)
            if not window.left <= x <= window.right:
                continue
            column, _ = canvas.cell(x, window.low, window)
            if math.isnan(odd.value):
                canvas.text(column, canvas.height - 1, "✕" if braille else "x", _ODD)
            elif odd.value > 0:
                canvas.text(column, 0, "▲" if braille else "^", _ODD)
            else:
                canvas.text(column, canvas.height - 1, "▼" if braille else "v", _ODD)


def _inspect(
    canvas: Canvas,
    curves: Sequence[Curve],
    view: View,
    window: Window,
    shapes: Shapes,
    *,
    braille: bool,
) -> Line:
    assert view.cursor is not None
    if window.left <= view.cursor <= window.right:
        canvas.line(canvas.cell(view.cursor, window.low, window)[0], _CURSOR)
    pieces: list[Piece] = []
    for curve in curves:
        near = nearest(curve, view, shapes)
        if near is None:
            continue
        x, index = near
        value = curve.series.values[index]
        column, row = canvas.cell(x, value, window)
        canvas.text(column, row, "●" if braille else "@", _CURSOR)
        if not pieces:
            pieces += [(" step ", "dim"), (f"{curve.series.steps[index]:,.0f}", "bold")]
            time = curve.series.times[index]
            if not math.isnan(time):
                begin = curve.start
                if not math.isnan(begin):
                    pieces += [("  after ", "dim"), (duration(time - begin), "")]
                pieces += [("  at ", "dim"), (_clock(time), "")]
        letter = f"  {LETTERS[curve.number % len(LETTERS)]} " if len(curves) > 1 else "  "
        pieces += [(letter, f"curve{curve.number % len(LETTERS)}-bold"), (f"{value:.6g}", "bold")]
        if view.weight:
            average = shapes.average(curve.series, view.weight)[index]
            pieces += [(f" ~{average:.5g}", "dim")]
    return tuple(pieces)


def nearest(curve: Curve, view: View, shapes: Shapes) -> tuple[float, int] | None:
    """The place and index of the point next to the cursor."""
    from bisect import bisect_left

    xs = shapes.places(curve, view.by_time)
    if not len(xs) or view.cursor is None:
        return None
    at = min(bisect_left(xs, view.cursor), len(xs) - 1)
    if at and view.cursor - xs[at - 1] <= xs[at] - view.cursor:
        at -= 1
    return xs[at], at


def _clock(time: float) -> str:
    from time import localtime, strftime

    return strftime("%H:%M:%S", localtime(time))


def _title(
    title: str,
    curves: Sequence[Curve],
    width: int,
    seen: Window,
    *,
    selected: bool,
    note: Piece,
) -> Line:
    style = "selected" if selected else "title"
    pieces: list[Piece] = [("▸" if selected else " ", style), (safe(title), style)]
    if len(curves) == 1:
        series = curves[0].series
        last = series.last
        if last is not None:
            odd = not math.isfinite(last)
            pieces.append((f"  {_value(last)}", "error" if odd else "bold"))
        if seen.low < seen.high:
            pieces.append((f"  {figure(seen.low)}…{figure(seen.high)}", "dim"))
        if series.odd_count:
            pieces.append((f"  ✕{series.odd_count} not a number", "error"))
    if seen.log:
        pieces.append(("  log", "dim"))
    if note[0]:
        pieces.append(note)
    return clip(tuple(pieces), width)


def _value(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return ("∞" if value > 0 else "-∞") if math.isinf(value) else figure(value)


def clip(line: Line, width: int) -> Line:
    """The line in exactly `width` cells."""
    found: list[Piece] = []
    room = width
    for text, style in line:
        cells = line_width(((text, style),))
        if cells > room:
            if room > 0:
                found.append((fit(text, room), style))
            room = 0
            break
        found.append((text, style))
        room -= cells
    return (*found, (" " * room, "")) if room > 0 else tuple(found)


def _scale(window: Window, height: int) -> list[Piece]:
    """What stands left of the plot: a value at each tick."""
    labels = [" " * (_SCALE - 1) + "│"] * height
    for value in ticks(window.low, window.high, max(2, height // 3), log=window.log):
        row = height - 1 - round(window.height_of(value) * (height - 1))
        if 0 <= row < height:
            labels[row] = f"{_label(value):>{_SCALE - 1}}┤"
    return [(label, "dim") for label in labels]


@lru_cache(maxsize=512)
def _label(value: float) -> str:
    if abs(value) < 1e-12:
        return "0"
    text = figure(value)
    return text if len(text) <= _SCALE - 1 else f"{value:.1e}"


def _axis(window: Window, view: View, width: int) -> Line:
    """What stands below the plot."""
    cells = [" "] * (width + _SCALE)
    span = window.right - window.left
    count = max(2, width // 14)
    for value in ticks(window.left, window.right, count):
        if view.by_time:
            label = duration(value)
        elif span < 5 and value != int(value):
            label = f"{value:.4g}"
        else:
            label = f"{value:,.0f}"
        at = _SCALE + round(window.part_of(value) * (width - 1)) - len(label) // 2
        at = max(_SCALE - 1, min(at, width + _SCALE - len(label)))
        if all(cell == " " for cell in cells[max(0, at - 1) : at + len(label) + 1]):
            cells[at : at + len(label)] = label
    return (("".join(cells), "dim"),)
