"""CurvesPane: the numbers that a run's logs tell, as curves.

Everything is read on the sources' own threads; the pane draws frozen pictures, and repaints only
lines that differ.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, cast

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
from tui.widgets.curves_layout import csv_text
from tui.widgets.curves_page import draw_page
from tui.widgets.curves_source import CurvesRead, CurvesSource, Picture, RunsListed, list_runs
from tui.widgets.curves_state import ALERTS, RUNS, CurvesState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from textual.app import ComposeResult

    from rankdeck.metrics.alerts import Alert
    from rankdeck.run.layout import RunDir
    from tui.feed import RunFacts

_MOST_OVERLAYS = 9
_MOST_RANKS = 256
_COLOURS = (
    "#2f9fe0",
    "#e08a00",
    "#00a37a",
    "#c25f9a",
    "#b8a500",
    "#d55e00",
    "#3d7ff5",
    "#8a8a8a",
    "#7cab3a",
    "#9b7fd4",
)
"""Seen on dark and on light, told apart by colour-blind eyes; letters and dashes need none."""
_STYLES: dict[str, Style] = {
    "cursor": Style(bold=True),
    **{
        f"curve{number}{suffix}": Style(color=colour, bold=suffix == "-bold", dim=suffix == "-dim")
        for number, colour in enumerate(_COLOURS)
        for suffix in ("", "-bold", "-dim")
    },
}


def _style(name: str) -> Style:
    if name == "selected":
        return STYLES["accent"] + Style(bold=True, underline=True)
    return _STYLES.get(name) or STYLES.get(name) or Style()


class _Line(Input):
    """What is typed into a pane's own line."""

    BINDINGS = bindings(Scope.PROMPT)

    async def action_give(self) -> None:
        """It is meant."""
        await self.action_submit()

    def action_cancel(self) -> None:
        """It is not."""
        cast("CurvesPane", self.parent).action_back()


class CurvesPane(Widget, can_focus=True):
    """The curves of one run, and of others laid over them."""

    DEFAULT_CSS = """
    CurvesPane { height: 1fr; }
    CurvesPane > Input { dock: bottom; height: 1; border: none; padding: 0 1; display: none; }
    CurvesPane.-asking > Input { display: block; }
    """
    BINDINGS = bindings(Scope.CURVES)

    class Alerted(Message):
        """Something is odd that was not before; also sent when all is well again."""

        def __init__(self, alerts: tuple[Alert, ...]) -> None:
            super().__init__()
            self.alerts = alerts
            """Oldest first."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.state = CurvesState()
        self._sources: list[CurvesSource] = []
        self._asking = ""
        self._alerted: tuple[Alert, ...] = ()
        self._lines: list[Line] = []
        self._braille = can_show_braille(os.environ)

    def compose(self) -> ComposeResult:
        """The line that is typed into; everything else is drawn."""
        yield _Line(compact=True)

    # -- the run ----------------------------------------------------------------------------

    def open(self, run: RunDir) -> None:
        """Show the curves of this run."""
        if self._sources and self._sources[0].run == run:
            return
        self._close()
        self._sources = [self._source(run, run.id)]
        self.state = CurvesState(how=self.state.how)
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
        taken = {source.number for source in self._sources}
        number = next(n for n in range(len(taken) + 1) if n not in taken)
        return CurvesSource(run, self, patterns, label=label, number=number)

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
        self.state.runs = message.runs
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
        parts = [Segment(text, base + _style(style)) for text, style in line if text]
        return Strip(parts).extend_cell_length(width, base).crop(0, width)

    def _redraw(self) -> None:
        width, height = self.size
        if not self.is_mounted or width < 10 or height < 3:
            return
        state = self.state
        state.pictures = [(source.label, source.picture) for source in self._sources]
        state.chosen = tuple(source.run.id for source in self._sources)
        state.numbers = tuple(source.number for source in self._sources)
        room = height - (1 if self._asking else 0)
        lines = draw_page(state, width, room, focused=self.has_focus, braille=self._braille)
        old, self._lines = self._lines, lines
        if len(old) != len(lines):
            self.refresh()
            return
        changed = [y for y in range(len(lines)) if lines[y] != old[y]]
        if changed:
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    # -- keys -------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """`esc` belongs to the screen while there is nothing to go back from."""
        return bool(self._asking) or self.state.deep if action == "back" else True

    def action_move(self, dx: int, dy: int) -> None:
        """Go to another chart, metric, value or row."""
        self.state.move(dx, dy)
        self._redraw()

    def action_edge(self, side: int) -> None:
        """Go to the first or last value, chart or row."""
        self.state.edge(side)
        self._redraw()

    def action_pan(self, side: int) -> None:
        """Move the part that is seen."""
        self.state.pan(side)
        self._redraw()

    def action_zoom(self, way: int) -> None:
        """See less of the axis, or more."""
        self.state.zoom(way)
        self._redraw()

    def action_reset(self) -> None:
        """See everything."""
        self.state.reset()
        self._redraw()

    def action_open(self) -> None:
        """One chart alone; or what is under the cursor of a list."""
        self.state.open()
        self._redraw()

    def action_back(self) -> None:
        """One step back."""
        if self._asking:
            self._end_asking()
        elif not self.state.back():
            for source in self._sources[1:]:
                source.close()
            del self._sources[1:]
        self._redraw()

    def action_log(self) -> None:
        """Logarithmic or linear."""
        self.state.view = replace(self.state.view, log=not self.state.view.log)
        self._redraw()

    def action_smooth(self) -> None:
        """The next weight of the moving average."""
        self.state.smooth()
        self._redraw()

    def action_axis(self) -> None:
        """Over steps or over time."""
        self.state.turn()
        self._redraw()

    def action_merge(self) -> None:
        """What becomes of several ranks."""
        self.state.merge()
        self._redraw()

    def action_alerts(self) -> None:
        """The list of alerts."""
        self.state.show_list(ALERTS)
        self._redraw()

    def action_overlay(self) -> None:
        """The list of other runs."""
        self.state.show_list(RUNS)
        if self.state.list and self._sources:
            list_runs(self._sources[0].run, self)
        self._redraw()

    def action_mark(self) -> None:
        """Choose the run under the cursor, or no longer."""
        state = self.state
        if state.list != RUNS or not state.runs:
            return
        run_id, name = state.runs[state.row]
        chosen = next((s for s in self._sources[1:] if s.run.id == run_id), None)
        if chosen is not None:
            chosen.close()
            self._sources.remove(chosen)
        elif len(self._sources) <= _MOST_OVERLAYS:
            first = self._sources[0].run
            self._sources.append(self._source(type(first)(first.path.parent / run_id), name))
        state.move(0, 1)
        self._redraw()

    def action_copy(self) -> None:
        """Copy the selected metric as CSV."""
        metric = self.state.metric
        if not metric:
            return
        text = csv_text(self.state.curves(), metric)
        copy = getattr(self.app, "copy", None)
        if copy is not None:
            copy(text, f"{metric}, {text.count(chr(10)) - 1} values")

    # -- questions --------------------------------------------------------------------------

    def action_filter(self) -> None:
        """Ask for a text that metrics' names must have."""
        self._ask("filter", self.state.filter, "text in a metric's name")

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
            self.state.filter = message.value
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
        if len(ranks) > _MOST_RANKS:
            told = f"{len(ranks)} ranks are too many at once; these are the first {_MOST_RANKS}"
            self.app.notify(told, severity="warning", markup=False)
        for source in self._sources:
            source.choose(ranks[:_MOST_RANKS])
        return True


def can_show_braille(environ: Mapping[str, str]) -> bool:
    """Whether the locale's characters are UTF-8; Python makes C and POSIX so."""
    told = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    return not told or "utf" in told.lower() or told in ("C", "POSIX")
