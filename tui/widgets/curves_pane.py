"""CurvesPane: the numbers that a run's logs tell, as curves.

Everything is read on the sources' own threads; the pane draws frozen pictures, and repaints only
lines that differ.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import on
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Input

from rankdeck.errors import UserError
from rankdeck.logs.ranks import parse_ranks
from tui.keys import Scope, bindings
from tui.looks import STYLES, Line
from tui.widgets.curves_chart import Curve, Shapes, View, clip, draw_chart, extent, nearest
from tui.widgets.curves_layout import (
    HOWS,
    Grid,
    alert_lines,
    csv_text,
    curves_of,
    empty_lines,
    grid_of,
    header,
    legend,
    metric_lines,
    metrics_of,
    run_line,
)
from tui.widgets.curves_source import CurvesRead, CurvesSource, Picture, RunsListed, list_runs

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from rankdeck.metrics.alerts import Alert
    from rankdeck.metrics.series import Series
    from rankdeck.run.layout import RunDir
    from tui.feed import RunFacts

_WEIGHTS = (0.0, 0.6, 0.9, 0.98)
_MOST_OVERLAYS = 9
_LIST_WIDTH = 30
_LIST_FROM = 90
_COLOURS = (
    "#56b4e9",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#f0e442",
    "#d55e00",
    "#0072b2",
    "#999999",
    "#b2df8a",
    "#cab2d6",
)
"""Told apart by colour-blind eyes as well; letters and dashes do so without any colour."""
_STYLES: dict[str, Style] = {
    "cursor": Style(bold=True, reverse=False, color="bright_white"),
    "selected": Style(bold=True, underline=True, color="cyan"),
    **{
        f"curve{number}{suffix}": Style(color=colour, bold=suffix == "-bold", dim=suffix == "-dim")
        for number, colour in enumerate(_COLOURS)
        for suffix in ("", "-bold", "-dim")
    },
}


class CurvesPane(Widget, can_focus=True):
    """The curves of one run, and of others laid over them."""

    DEFAULT_CSS = """
    CurvesPane { height: 1fr; }
    CurvesPane > Input { dock: bottom; height: 1; border: none; padding: 0 1; display: none; }
    CurvesPane.-asking > Input { display: block; }
    """
    BINDINGS = bindings(Scope.CURVES)
    COMPONENT_CLASSES: ClassVar[set[str]] = set()

    class Alerted(Message):
        """Something is odd that was not before; also sent when all is well again."""

        def __init__(self, alerts: tuple[Alert, ...]) -> None:
            super().__init__()
            self.alerts = alerts
            """Oldest first."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._sources: list[CurvesSource] = []
        self._view = View()
        self._how = "mean"
        self._filter = ""
        self._metric = ""
        self._focused = False
        self._list = ""
        """Which list is seen: `alerts`, `runs`, or none."""
        self._row = 0
        self._runs: tuple[tuple[str, str], ...] = ()
        self._asking = ""
        self._alerted: tuple[Alert, ...] = ()
        self._metrics: tuple[str, ...] = ()
        self._grid = Grid(1, 1, 1, 1)
        self._shapes = Shapes()
        self._joined: dict[object, Series] = {}
        self._lines: list[Line] = []
        self._seen = (0.0, 1.0)
        self._braille = _can_show_braille()

    def compose(self) -> ComposeResult:
        """The line that is typed into; everything else is drawn."""
        yield Input(compact=True)

    # -- the run ----------------------------------------------------------------------------

    def open(self, run: RunDir) -> None:
        """Show the curves of this run."""
        if self._sources and self._sources[0].run == run:
            return
        self._close()
        self._sources = [self._source(run, run.id)]
        self._view, self._focused, self._list, self._metric = View(), False, "", ""
        self._redraw()

    def tick(self, facts: RunFacts, now: float) -> None:
        """Look for news; at most a few times a second."""
        if self._sources:
            source = self._sources[0]
            source.running = facts.snapshot.run.state.value == "running"
            source.now = now
            source.label = facts.snapshot.run.name

    @property
    def picture(self) -> Picture:
        """What is known of the run."""
        return self._sources[0].picture if self._sources else Picture()

    def _source(self, run: RunDir, label: str) -> CurvesSource:
        settings = getattr(self.app, "settings", None)
        patterns = getattr(settings, "metric_patterns", ())
        return CurvesSource(run, self, patterns, label)

    def _close(self) -> None:
        for source in self._sources:
            source.close()
        self._sources = []

    def on_unmount(self) -> None:
        """Read no more."""
        self._close()

    @on(CurvesRead)
    def _show(self, message: CurvesRead) -> None:
        if message.source not in self._sources:
            return
        if message.source is self._sources[0]:
            alerts = self.picture.alerts
            if [(a.kind, a.step, a.metric) for a in alerts] != [
                (a.kind, a.step, a.metric) for a in self._alerted
            ]:
                self._alerted = alerts
                self.post_message(self.Alerted(alerts))
        self._redraw()

    @on(RunsListed)
    def _list_runs(self, message: RunsListed) -> None:
        self._runs = message.runs
        self._redraw()

    # -- drawing ----------------------------------------------------------------------------

    def on_resize(self) -> None:
        """Lay everything out again."""
        self._redraw()

    def on_focus(self) -> None:
        """The selected chart is marked while the keys go here."""
        self._redraw()

    def on_blur(self) -> None:
        """See on_focus."""
        self._redraw()

    def render_line(self, y: int) -> Strip:
        """One line of the pane."""
        base, width = self.rich_style, self.size.width
        line = self._lines[y] if y < len(self._lines) else ()
        parts = [
            Segment(text, base + (_STYLES.get(style) or STYLES.get(style) or Style()))
            for text, style in line
            if text
        ]
        return Strip(parts).extend_cell_length(width, base).crop(0, width)

    def _redraw(self) -> None:
        width, height = self.size
        if not self.is_mounted or width < 10 or height < 3:
            return
        lines = self._all_lines(width, height - (1 if self._asking else 0))
        old, self._lines = self._lines, lines
        if len(old) != len(lines):
            self.refresh()
            return
        changed = [y for y in range(len(lines)) if lines[y] != old[y]]
        if changed:
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    def _all_lines(self, width: int, height: int) -> list[Line]:
        pictures = [(source.label, source.picture) for source in self._sources]
        self._metrics = metrics_of([picture for _, picture in pictures], self._filter)
        if self._metrics and self._metric not in self._metrics:
            self._metric = self._metrics[0]
        options = self._options()
        lines: list[Line] = [
            header(self.picture, len(self._metrics), self._selected, self._how, options, width)
        ]
        room = height - 1
        if self._list:
            lines += self._list_lines(width, room)
        elif not self._metrics:
            lines += empty_lines(self.picture, self._filter)
        elif self._focused:
            lines += self._one_chart(width, room)
        else:
            lines += self._charts(width, room)
        return lines[:height]

    def _options(self) -> list[str]:
        view, options = self._view, []
        if self._filter:
            options.append(f"only {self._filter!r}")
        if view.weight:
            options.append(f"smooth {view.weight:g}")
        if view.log:
            options.append("log")
        if view.by_time:
            options.append("by time")
        if view.left is not None:
            options.append("zoomed")
        return options

    @property
    def _selected(self) -> int:
        return self._metrics.index(self._metric) if self._metric in self._metrics else 0

    def _curves(self, key: str) -> tuple[Curve, ...]:
        pictures = [(source.label, source.picture) for source in self._sources]
        return curves_of(key, pictures, self._how, self._joined)

    def _charts(self, width: int, height: int) -> list[Line]:
        several = len(self._sources) > 1
        self._grid = grid = grid_of(len(self._metrics), width, height - several)
        first = self._selected // grid.places * grid.places
        shown = self._metrics[first : first + grid.places]
        lines: list[Line] = []
        view = replace(self._view, cursor=None)
        for row in range(0, len(shown), grid.columns):
            cells = []
            for key in shown[row : row + grid.columns]:
                chosen = key == self._metric and self.has_focus
                drawn = draw_chart(
                    key,
                    self._curves(key),
                    view,
                    grid.width - 1,
                    grid.height,
                    self._shapes,
                    selected=chosen,
                    braille=self._braille,
                )
                cells.append(drawn.lines)
            for parts in zip(*cells, strict=True):
                lines.append(tuple(p for part in parts for p in (*part, (" ", ""))))
        if several:
            lines.append(legend(self._curves(self._metric), width))
        return lines

    def _one_chart(self, width: int, height: int) -> list[Line]:
        side = _LIST_WIDTH if width >= _LIST_FROM else 0
        curves = self._curves(self._metric)
        several = len(curves) > 1
        plot = height - 1 - several
        drawn = draw_chart(
            self._metric,
            curves,
            self._view,
            width - side,
            plot,
            self._shapes,
            selected=not side,
            braille=self._braille,
        )
        self._seen = (drawn.left, drawn.right)
        lines: list[Line] = list(drawn.lines)
        if side:
            names = metric_lines(self._metrics, self._selected, self.picture, side, plot)
            lines = [(*name, *line) for name, line in zip(names, lines, strict=True)]
        if several:
            lines.append(legend(curves, width))
        hint: Line = ((" ←→ inspect  h l pan  + - zoom  0 all  j k other metric", "dim"),)
        lines.append(clip(drawn.readout or hint, width))
        return lines

    def _list_lines(self, width: int, height: int) -> list[Line]:
        rows = self._rows()
        self._row = max(0, min(self._row, len(rows) - 1))
        title = "Alerts, newest first" if self._list == "alerts" else "Lay over these curves"
        lines: list[Line] = [clip(((f" {title}", "title"),), width)]
        if not rows:
            nothing = "nothing is odd" if self._list == "alerts" else "no other run"
            return [*lines, ((f"   {nothing}", "dim"),)]
        first = max(0, self._row - height + 2)
        for index in range(first, min(len(rows), first + height - 1)):
            mark = "▸" if index == self._row else " "
            lines.append(clip(((mark, "selected"), *rows[index]), width))
        return lines

    def _rows(self) -> list[Line]:
        if self._list == "alerts":
            return alert_lines(self.picture)
        chosen = {source.run.id: number for number, source in enumerate(self._sources)}
        return [run_line(name, run_id, chosen.get(run_id)) for run_id, name in self._runs]

    # -- keys -------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """`esc` belongs to the screen while there is nothing to go back from."""
        if action == "back":
            return bool(
                self._asking
                or self._list
                or self._focused
                or self._filter
                or len(self._sources) > 1
            )
        return True

    def action_move(self, dx: int, dy: int) -> None:
        """Go to another chart, metric, value or row."""
        if self._list:
            self._row += dy
        elif self._focused and dx:
            self._inspect(dx)
        elif self._metrics:
            step = dy if self._focused else dx + dy * self._grid.columns
            at = self._selected + step
            if 0 <= at < len(self._metrics):
                self._metric = self._metrics[at]
        self._redraw()

    def action_edge(self, side: int) -> None:
        """Go to the first or last value, chart or row."""
        if self._list:
            self._row = 0 if side < 0 else len(self._rows()) - 1
        elif self._focused:
            self._view = replace(self._view, cursor=self._seen[0 if side < 0 else 1])
        elif self._metrics:
            self._metric = self._metrics[0 if side < 0 else -1]
        self._redraw()

    def action_pan(self, side: int) -> None:
        """Move the part that is seen."""
        if not self._focused or self._list:
            self.action_move(side, 0)
            return
        left, right = self._seen
        first, last = extent(self._curves(self._metric), self._view, self._shapes)
        by = side * (right - left) / 4
        by = max(first - left, min(last - right, by))
        if self._view.left is not None:
            self._view = replace(self._view, left=left + by, right=right + by)
        self._redraw()

    def action_zoom(self, way: int) -> None:
        """See less of the axis, or more."""
        curves = self._curves(self._metric) if self._metric else ()
        if not curves or self._list:
            return
        first, last = extent(curves, self._view, self._shapes)
        left = first if self._view.left is None else self._view.left
        right = last if self._view.right is None else self._view.right
        cursor = self._view.cursor
        middle = cursor if cursor is not None and left <= cursor <= right else right
        factor = 0.5 if way > 0 else 2.0
        new_left, new_right = middle - (middle - left) * factor, middle + (right - middle) * factor
        if way < 0 and middle == right:
            new_left = right - (right - left) * factor
        new_left, new_right = max(first, new_left), min(last, new_right)
        whole = new_left <= first and new_right >= last
        if new_right - new_left < (last - first) / 1e6:
            return
        self._view = replace(
            self._view, left=None if whole else new_left, right=None if whole else new_right
        )
        self._redraw()

    def action_reset(self) -> None:
        """See everything."""
        self._view = replace(self._view, left=None, right=None, cursor=None)
        self._redraw()

    def _inspect(self, side: int) -> None:
        """Move the cursor to the next point that is a column of dots away."""
        curves = self._curves(self._metric)
        left, right = self._seen
        cell = (right - left) / max(1, self.size.width - 10)
        cursor = self._view.cursor
        at = right if cursor is None and side < 0 else left if cursor is None else cursor
        if cursor is not None:
            at += side * cell
        if curves:
            moved = replace(self._view, cursor=max(left, min(right, at)))
            near = nearest(curves[0], moved, self._shapes)
            if near is not None:
                at = near[0]
                if cursor is not None and (at - cursor) * side <= 0:
                    at = self._neighbour(curves[0], near[1], side, at)
        self._view = replace(self._view, cursor=max(left, min(right, at)))

    def _neighbour(self, curve: Curve, index: int, side: int, at: float) -> float:
        xs = self._shapes.places(curve, self._view.by_time)
        return xs[index + side] if 0 <= index + side < len(xs) else at

    def action_open(self) -> None:
        """One chart alone; or what is under the cursor of a list."""
        if self._list == "alerts":
            newest_first = self.picture.alerts[::-1]
            if self._row < len(newest_first):
                alert = newest_first[self._row]
                if alert.metric in self._metrics and alert.step is not None:
                    self._metric, self._focused = alert.metric, True
                    self._view = replace(self._view, cursor=alert.step, by_time=False)
            self._list = ""
        elif self._list:
            self._list = ""
        elif self._metrics:
            self._focused = True
        self._redraw()

    def action_back(self) -> None:
        """One step back."""
        if self._asking:
            self._end_asking()
        elif self._list:
            self._list = ""
        elif self._focused and self._view.cursor is not None:
            self._view = replace(self._view, cursor=None)
        elif self._focused:
            self._focused = False
        elif self._filter:
            self._filter = ""
        else:
            for source in self._sources[1:]:
                source.close()
            del self._sources[1:]
        self._redraw()

    def action_log(self) -> None:
        """Logarithmic or linear."""
        self._view = replace(self._view, log=not self._view.log)
        self._redraw()

    def action_smooth(self) -> None:
        """The next weight of the moving average."""
        at = _WEIGHTS.index(self._view.weight)
        self._view = replace(self._view, weight=_WEIGHTS[(at + 1) % len(_WEIGHTS)])
        self._redraw()

    def action_axis(self) -> None:
        """Over steps or over time; what was zoomed into is no place on the other axis."""
        self._view = replace(
            self._view, by_time=not self._view.by_time, left=None, right=None, cursor=None
        )
        self._redraw()

    def action_merge(self) -> None:
        """What becomes of several ranks."""
        self._how = HOWS[(HOWS.index(self._how) + 1) % len(HOWS)]
        self._redraw()

    def action_alerts(self) -> None:
        """The list of alerts."""
        self._list = "" if self._list == "alerts" else "alerts"
        self._row = 0
        self._redraw()

    def action_overlay(self) -> None:
        """The list of other runs."""
        self._list = "" if self._list == "runs" else "runs"
        self._row = 0
        if self._list and self._sources:
            list_runs(self._sources[0].run, self)
        self._redraw()

    def action_mark(self) -> None:
        """Choose the run under the cursor, or no longer."""
        if self._list != "runs" or not self._runs:
            return
        run_id, name = self._runs[self._row]
        chosen = next((s for s in self._sources[1:] if s.run.id == run_id), None)
        if chosen is not None:
            chosen.close()
            self._sources.remove(chosen)
        elif len(self._sources) <= _MOST_OVERLAYS:
            run = type(self._sources[0].run)(self._sources[0].run.path.parent / run_id)
            self._sources.append(self._source(run, name))
        self._row += 1
        self._redraw()

    def action_copy(self) -> None:
        """Copy the selected metric as CSV."""
        if not self._metric:
            return
        text = csv_text(self._curves(self._metric), self._metric)
        copy = getattr(self.app, "copy", None)
        if copy is not None:
            copy(text, f"{self._metric}, {text.count(chr(10)) - 1} values")

    # -- questions --------------------------------------------------------------------------

    def action_filter(self) -> None:
        """Ask for a text that metrics' names must have."""
        self._ask("filter", self._filter, "text in a metric's name")

    def action_ranks(self) -> None:
        """Ask for ranks."""
        most = f"0-{self.picture.world_size - 1}" if self.picture.world_size > 1 else "0"
        self._ask("ranks", "", f"ranks: {most}, all; empty: the lowest that tells numbers")

    def _ask(self, what: str, value: str, placeholder: str) -> None:
        self._asking = what
        prompt = self.query_one(Input)
        self.add_class("-asking")
        prompt.value, prompt.placeholder = value, placeholder
        prompt.focus()
        self._redraw()

    def _end_asking(self) -> None:
        self._asking = ""
        self.remove_class("-asking")
        self.focus()
        self._redraw()

    @on(Input.Changed)
    def _typed(self, message: Input.Changed) -> None:
        message.stop()
        if self._asking == "filter":
            self._filter = message.value
            self._redraw()

    @on(Input.Submitted)
    def _answered(self, message: Input.Submitted) -> None:
        message.stop()
        text = message.value.strip()
        if self._asking == "ranks" and not self._choose(text):
            return
        self._end_asking()

    def _choose(self, text: str) -> bool:
        world = self.picture.world_size
        try:
            if text == "all":
                ranks = tuple(range(world))
            else:
                ranks = parse_ranks(text, world or None) if text else ()
        except UserError as error:
            self.app.notify(f"{error.message}; {error.hint}", severity="error", markup=False)
            return False
        for source in self._sources:
            source.choose(ranks)
        return True


def _can_show_braille() -> bool:
    """Whether the locale's characters are UTF-8."""
    told = os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") or os.environ.get("LANG") or ""
    return not told or "utf" in told.lower() or told in ("C", "POSIX")
