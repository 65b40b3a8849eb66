"""The whole curves pane as lines: the line above, then charts, one chart, or a list. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tui.widgets.curves_chart import clip, draw_chart
from tui.widgets.curves_layout import (
    alert_lines,
    empty_lines,
    grid_of,
    header,
    legend,
    metric_lines,
    run_line,
)
from tui.widgets.curves_state import ALERTS, CurvesState

if TYPE_CHECKING:
    from tui.looks import Line

_LIST_WIDTH = 30
_LIST_FROM = 90
"""A pane this wide has the list of metrics beside one chart."""


def draw_page(
    state: CurvesState, width: int, height: int, *, focused: bool, braille: bool = True
) -> list[Line]:
    """At most `height` lines; sets in `state` what was seen, for the keys."""
    state.settle()
    if not state.pictures:
        return []
    picture = state.pictures[0][1]
    options = _options(state)
    lines: list[Line] = [
        header(picture, len(state.metrics), state.selected, state.how, options, width)
    ]
    room = height - 1
    if state.list:
        lines += _list(state, width, room)
    elif not state.metrics:
        lines += empty_lines(picture, state.filter)
    elif state.alone:
        lines += _one(state, width, room, braille=braille)
    else:
        lines += _charts(state, width, room, focused=focused, braille=braille)
    return lines[:height]


def _options(state: CurvesState) -> list[str]:
    view, options = state.view, []
    if state.filter:
        options.append(f"only {state.filter!r}")
    if view.weight:
        options.append(f"smooth {view.weight:g}")
    if view.log:
        options.append("log")
    if view.by_time:
        options.append("by time")
    if view.left is not None:
        options.append("zoomed")
    return options


def _charts(
    state: CurvesState, width: int, height: int, *, focused: bool, braille: bool
) -> list[Line]:
    several = len(state.curves()) > 1
    room = height - several
    state.grid = grid = grid_of(len(state.metrics), width, room)
    first = state.selected // grid.places * grid.places
    shown = state.metrics[first : first + grid.places]
    view = replace(state.view, cursor=None)
    lines: list[Line] = []
    spare = room - grid.height * grid.rows
    for number, begin in enumerate(range(0, len(shown), grid.columns)):
        # lines that are left over go to the charts at the top
        tall = grid.height + (number < spare)
        cells = [
            draw_chart(
                key,
                state.curves(key),
                view,
                grid.width - 1,
                tall,
                state.shapes,
                selected=focused and key == state.metric,
                braille=braille,
            ).lines
            for key in shown[begin : begin + grid.columns]
        ]
        for parts in zip(*cells, strict=True):
            lines.append(tuple(piece for part in parts for piece in (*part, (" ", ""))))
    if several:
        lines.append(legend(state.curves(), width))
    return lines


def _one(state: CurvesState, width: int, height: int, *, braille: bool) -> list[Line]:
    side = _LIST_WIDTH if width >= _LIST_FROM else 0
    curves = state.curves()
    several = len(curves) > 1
    tall = max(3, height - 1 - several)
    drawn = draw_chart(
        state.metric,
        curves,
        state.view,
        width - side,
        tall,
        state.shapes,
        selected=not side,
        braille=braille,
    )
    state.seen = (drawn.left, drawn.right)
    state.cells = width - side
    lines: list[Line] = list(drawn.lines)
    if side:
        names = metric_lines(state.metrics, state.selected, state.pictures[0][1], side, tall)
        lines = [(*name, *line) for name, line in zip(names, lines, strict=True)]
    if several:
        lines.append(legend(curves, width))
    hint: Line = ((" ←→ inspect  h l pan  + - zoom  0 all  ↑↓ other metric", "dim"),)
    lines.append(clip(drawn.readout or hint, width))
    return lines


def _list(state: CurvesState, width: int, height: int) -> list[Line]:
    if state.list == ALERTS:
        rows = alert_lines(state.pictures[0][1])
        title, nothing = "Alerts, newest first", "nothing is odd"
    else:
        numbers = dict(zip(state.chosen, state.numbers, strict=True))
        rows = [run_line(name, run_id, numbers.get(run_id)) for run_id, name in state.runs]
        title, nothing = "Lay over these curves", "no other run"
    lines: list[Line] = [clip(((f" {title}", "title"),), width)]
    if not rows:
        return [*lines, ((f"   {nothing}", "dim"),)]
    first = max(0, state.row - height + 2)
    for index in range(first, min(len(rows), first + height - 1)):
        mark = "▸" if index == state.row else " "
        lines.append(clip(((mark, "selected"), *rows[index]), width))
    return lines
