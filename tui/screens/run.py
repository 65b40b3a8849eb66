"""One run: its ranks, logs, curves, nodes, history and failure, in panes that can be laid out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from textual import on
from textual.widgets import Input

from rankdeck.run.layout import RunDir
from tui.controller import RunChanged
from tui.keys import Scope, bindings
from tui.looks import Line, safe
from tui.screens.base import DeckScreen
from tui.screens.run_doing import RunDoing
from tui.screens.run_events import EventsPane
from tui.screens.run_failure import FailureCard, failure_lines
from tui.screens.run_hang import RunHang, hang_line
from tui.screens.run_layout import OTHER, PANES, Needs, RunLayout, moved, shown
from tui.screens.run_logs import LOGS, RunLogs
from tui.screens.run_panes import Pane, RunBody, RunPrompt
from tui.screens.run_text import notices, progress_line, silent_nodes, title_line
from tui.screens.run_titles import grid_title, pane_title
from tui.watch import WatchFailed
from tui.widgets.bars import KeyBar, LineBar, TitleBar
from tui.widgets.curves_pane import CurvesPane
from tui.widgets.node_load import NodeLoad, nodes_title
from tui.widgets.rank_grid import RankGrid

if TYPE_CHECKING:
    from textual.app import App, ComposeResult
    from textual.events import DescendantFocus

    from tui.feed import RunFacts

_LOG_EVERY = 0.1
_ALONE_EVERY = 5
_OF_LIVING = frozenset(("stop", "kill", "signal"))
_OF_BLAMED = frozenset(("rerun_without",))
_NONE: frozenset[str] = frozenset()
_LAST_LAYOUTS: WeakKeyDictionary[App[None], RunLayout] = WeakKeyDictionary()
"""How large the panes were last, for as long as the deck runs."""


class RunScreen(RunHang, RunDoing, DeckScreen):
    """Watches one run."""

    DEFAULT_CSS = """
    RunScreen #ranks, RunScreen NodeLoad, RunScreen LogPane { height: 1fr; }
    RunScreen TextLines { padding: 0 1; }
    RunScreen.-wide Pane.-left { border-right: vkey $panel; }
    """
    BINDINGS = bindings(Scope.RUN)
    SCOPES = (
        Scope.RUN,
        Scope.RANKS,
        *(Scope.LOG, Scope.LOG_PROMPT),
        Scope.CURVES,
        Scope.NODE_LOAD,
        Scope.EVENTS,
        Scope.FAILURE,
        Scope.TABLE,
        Scope.TEXT,
        Scope.EVERYWHERE,
    )

    def __init__(self, run_id: str) -> None:
        super().__init__()
        self.run_id = run_id
        self.facts: RunFacts | None = None
        self._alone = ""
        self._alert: Line | None = None
        self._failure_seen = False
        self._ticks = 0

    def compose(self) -> ComposeResult:
        """Header, panes, the line to type into, the keys."""
        run = RunDir(self.controller.store.runs_dir / self.run_id)
        self.logs = RunLogs(run, self.deck)
        self.grid = RankGrid(id="ranks")
        self.nodes = NodeLoad(id="nodes")
        self.events_pane = EventsPane()
        self.failure = FailureCard(id="failure")
        self.curves = CurvesPane(id="curves")
        contents = {
            "ranks": self.grid,
            "log": self.logs.panes["log"],
            OTHER: self.logs.panes[OTHER],
            "curves": self.curves,
            "nodes": self.nodes,
            "events": self.events_pane,
            "failure": self.failure,
        }
        layout = replace(_LAST_LAYOUTS.get(self.app, RunLayout()), main="log", split=False)
        yield from (TitleBar(), LineBar(id="progress"))
        panes = [Pane(name, content) for name, content in contents.items()]
        self.body = RunBody(panes, replace(layout, focus="ranks", zoomed=False))
        yield self.body
        self.prompt = RunPrompt()
        yield from (self.prompt, KeyBar())

    def on_mount(self) -> None:
        """Begin to watch."""
        self.query_one(TitleBar).show_parts((("rankdeck ▸ ", ""), (safe(self.run_id), "bold")))
        self.curves.open(RunDir(self.controller.store.runs_dir / self.run_id))
        self._focus("ranks")
        self.set_interval(_LOG_EVERY, self._tick_logs)
        self.set_interval(1.0, self._tick)

    def on_screen_resume(self) -> None:
        """Watch the run while it is seen."""
        self.controller.watch_run(self, self.run_id)
        self._ask_alone()

    def on_resize(self) -> None:
        """Lay everything out again."""
        self._show_header()
        self._measure()

    # -- facts ------------------------------------------------------------------------------

    @on(RunChanged)
    def _show(self, message: RunChanged) -> None:
        facts = message.facts
        old, self.facts = self.facts, facts
        run = facts.snapshot.run
        if old is None or old.events is not facts.events:
            self.events_pane.show(facts.events, self.now())
        if old is None or old.snapshot.run is not run:
            self.hang_changed()
            if run.state.final:
                self.look_for_hang()
        self._show_all()
        self._tell_details()
        self.logs.refresh(facts.snapshot)
        if self.logs.shown(self.logs.active) is None:
            self._follow_cursor()
        self.curves.tick(facts, self.now())
        if old is None or old.snapshot.run.state is not run.state:
            self.refresh_bindings()
        if run.state.final and run.failure and not self._failure_seen:
            self._show_failure()

    @on(WatchFailed)
    def _tell(self, message: WatchFailed) -> None:
        self.deck.tell(message.error)
        if self.on_top:
            self.dismiss()

    def _tick(self) -> None:
        if not self.on_top or self.facts is None:
            return
        self._ticks += 1
        if self._ticks % _ALONE_EVERY == 0:
            self._ask_alone()
        self.look_for_hang()
        self._show_all()
        self.curves.tick(self.facts, self.now())

    def _tick_logs(self) -> None:
        ended = self.facts is not None and self.facts.snapshot.run.state.final
        for name in LOGS if self.on_top else ():
            if self.body.panes[name].display:
                self.logs.panes[name].tick(seldom=ended)

    def _show_all(self) -> None:
        facts = self.facts
        if facts is None:
            return
        snapshot, now = facts.snapshot, self.now()
        self._show_header()
        silent = {} if snapshot.run.state.final else silent_nodes(snapshot)
        self.grid.show(snapshot.ranks, silent, now)
        self.show_nodes(snapshot, now)
        self.events_pane.tick(now)
        self._measure()
        self._show_titles()

    def _show_header(self) -> None:
        if self.facts is None:
            return
        snapshot, now = self.facts.snapshot, self.now()
        self.query_one(TitleBar).show_parts(*title_line(snapshot, now))
        # a stall of the curves is the same thing, seen less closely
        alert = hang_line(self.hang, over=snapshot.run.state.final) or self._alert
        told = notices(snapshot, now, self._alone, alert)
        # on a low screen the gravest are enough: the panes tell the rest
        most = 2 if self.size.height < 30 else len(told)
        progress = progress_line(snapshot, now, self.size.width, stalled=self.stalled)
        self.query_one("#progress", LineBar).show(progress, *told[:most])

    def hang_changed(self) -> None:
        """Show the failure, or what holds the run up."""
        if self.facts is not None:
            run = self.facts.snapshot.run
            self.failure.show(failure_lines(run, self.to_blame(), self.hang))
            suspects = self.hang.suspects if self.hang is not None else ()
            self.grid.suspect(frozenset(rank.rank for rank in suspects))
            self._show_header()
            self._show_titles()

    @on(CurvesPane.Alerted)
    def _alerted(self, message: CurvesPane.Alerted) -> None:
        newest = message.alerts[-1] if message.alerts else None
        self._alert = None
        if newest is not None:
            told = f"{safe(newest.text)} · rank {newest.rank}"
            self._alert = ((" ⚠ ", "warning"), (told, "warning"))
        self._show_header()

    def _ask_alone(self) -> None:
        """Find out, in the background, whether anybody here can look after the run."""
        if self.facts is not None and self.facts.snapshot.run.state.final:
            return
        run = RunDir(self.controller.store.runs_dir / self.run_id)

        def ask() -> str:
            from rankdeck.run.launch import left_alone

            error = left_alone(run)
            return error.message if error is not None else ""

        def heard(told: str | None, error: object) -> None:
            if error is None and self.is_there and told != self._alone:
                self._alone = told or ""
                self._show_header()

        self.controller.do(ask, heard, key=("alone", self.run_id))

    # -- panes ------------------------------------------------------------------------------

    @property
    def typing(self) -> bool:
        """Whether the user is typing something, and must keep the keys."""
        return isinstance(self.focused, Input) or not self.on_top

    def _measure(self) -> None:
        rows = len(self.nodes.rows) + 2
        self.body.arrange_panes(needs=Needs(ranks=self.grid.rows_needed + 1, nodes=rows))

    def lay_out(self, layout: RunLayout) -> None:
        """Lay the panes out, and give the keys to the one that is to have them."""
        self.body.arrange_panes(layout)
        _LAST_LAYOUTS[self.app] = layout
        self._focus(layout.focus)
        self._show_titles()

    def _focus(self, name: str) -> None:
        content = self.body.panes[name].content
        target = content.table if isinstance(content, EventsPane) else content
        if not self.typing:
            target.focus()

    @on(RankGrid.Rearranged)
    def _rearranged(self) -> None:
        self._measure()
        self._show_titles()

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """The pane that has the keys is marked, and its keys are shown."""
        for name, pane in self.body.panes.items():
            inside = pane in event.widget.ancestors
            pane.set_class(inside, "-focused")
            if inside and name != self.body.wanted.focus:
                self.body.arrange_panes(replace(self.body.wanted, focus=name))
            if inside and name in LOGS:
                self.logs.active = name

    def _show_titles(self) -> None:
        if self.facts is None:
            return
        snapshot, now = self.facts.snapshot, self.now()
        titles: dict[str, Line] = {
            "ranks": grid_title(self.grid, snapshot.ranks),
            "curves": (),
            "nodes": nodes_title(self.nodes.rows, now),
            "events": ((self.events_pane.title, ""),),
            "failure": (),
        }
        for name in LOGS:
            titles[name] = self.logs.title(name, snapshot, now)
        wanted = self.body.wanted
        hidden = [name for name in PANES if not self.body.panes[name].display]
        tabs: Line = ((" ".join(f"{PANES.index(name) + 1} {name}" for name in hidden), "dim"),)
        for name, line in titles.items():
            number = PANES.index("log" if name == OTHER else name) + 1
            lead = wanted.split and name == self.logs.active
            mark = "▸" if lead else " "
            word = "log" if name == OTHER else name
            if name == "failure" and self.hang and not snapshot.run.failure:
                word = "hang"
            title = pane_title(mark, f"{number} {word}", line, zoomed=wanted.zoomed)
            self.body.panes[name].show_title(title, tabs if name == wanted.main else ())

    def action_pane(self, name: str) -> None:
        """Show a pane and give it the keys."""
        self._failure_seen = self._failure_seen or name == "failure"
        layout = self._shown(name)
        if name == "log" and layout.split:
            layout = replace(layout, focus=self.logs.active)
        self.lay_out(layout)

    def _shown(self, name: str) -> RunLayout:
        return shown(self.body.wanted, name, *self.body.size, self.body.needs)

    def action_next_pane(self, step: int) -> None:
        """Give the keys to the next pane that is seen; in a zoom, to the next of all."""
        layout = self.body.wanted
        if layout.zoomed and len(self.body.seen) == 1:
            names = [*PANES]
            self.action_pane(names[(names.index(layout.focus) + step) % len(names)])
            return
        seen = self.body.seen
        at = seen.index(layout.focus) if layout.focus in seen else -1
        self.lay_out(replace(layout, focus=seen[(at + step) % len(seen)]))

    def action_zoom(self) -> None:
        """The pane with the keys alone on the screen, and back."""
        self.lay_out(replace(self.body.wanted, zoomed=not self.body.wanted.zoomed))

    def action_resize(self, columns: int, rows: int) -> None:
        """Move the border between the panes."""
        width, height = self.body.size
        self.lay_out(moved(self.body.wanted, width, height, self.body.needs, columns, rows))

    @on(RunBody.Dragged)
    def _dragged(self, message: RunBody.Dragged) -> None:
        self.lay_out(replace(message.layout, focus=self.body.wanted.focus))

    def action_split(self) -> None:
        """A second log beside the first, and back to one."""
        layout = self.body.wanted
        if layout.split:
            self.logs.active = "log"
            focus = "log" if layout.focus == OTHER else layout.focus
            self.lay_out(replace(layout, split=False, focus=focus, main="log"))
            return
        if self.facts is None:
            return
        snapshot = self.facts.snapshot
        rank = snapshot.ranks[self.logs.other_rank(snapshot, self.grid.selected)]
        self.logs.show_rank(OTHER, rank, snapshot.run.attempt)
        focus = "log" if layout.zoomed else layout.focus
        self.lay_out(replace(layout, split=True, main="log", focus=focus))

    def action_back(self) -> None:
        """Back from the zoom, or to the runs."""
        if self.body.wanted.zoomed:
            self.action_zoom()
        elif self.on_top:
            self.dismiss()

    # -- ranks ------------------------------------------------------------------------------

    @on(EventsPane.Refolded)
    def _refolded(self) -> None:
        self._show_titles()

    @property
    def useless(self) -> frozenset[str]:
        """What cannot be done to a run that has ended, or where no node is to blame."""
        ended = self.facts is not None and self.facts.snapshot.run.state.final
        return (_OF_LIVING if ended else _NONE) | (_NONE if self.to_blame() else _OF_BLAMED)

    @on(RankGrid.Selected)
    def _selected(self) -> None:
        self._follow_cursor()
        self._show_titles()

    @on(RankGrid.Opened)
    def _opened(self) -> None:
        self._follow_cursor()
        self.action_pane("log")

    def _follow_cursor(self) -> None:
        """The active log is that of the rank under the grid's cursor."""
        if self.facts is not None and self.grid.selected < len(self.facts.snapshot.ranks):
            rank = self.facts.snapshot.ranks[self.grid.selected]
            self.logs.show_rank(self.logs.active, rank, self.facts.snapshot.run.attempt)

    @on(RankGrid.FindAsked)
    def _ask_rank(self, message: RankGrid.FindAsked) -> None:
        def found(text: str | None) -> None:
            if text and not self.grid.find(text):
                self.notify(f"no rank: {safe(text)}", markup=False, timeout=3)

        self.prompt.ask("a rank's number, a node, a state, silent", message.last, found)

    def _show_failure(self) -> None:
        self._failure_seen = True
        run = self.facts.snapshot.run if self.facts else None
        if run is not None and run.failure is not None and run.failure.rank is not None:
            self.grid.selected = run.failure.rank
        layout = self._shown("failure")
        if self.typing:
            # what is being typed keeps the keys
            layout = replace(layout, focus=self.body.wanted.focus)
        self.lay_out(layout)
