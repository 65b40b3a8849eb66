"""One run: its ranks, the log of the selected one, its history and its failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.containers import Vertical
from textual.widgets import ContentSwitcher

from tui.controller import RunChanged
from tui.keys import Scope, bindings, keys_of
from tui.looks import safe
from tui.screens.base import DeckScreen
from tui.screens.run_text import (
    event_lines,
    failure_lines,
    node_lines,
    progress_line,
    rank_line,
    reason_line,
    silence_line,
    title_line,
)
from tui.watch import WatchFailed
from tui.widgets.bars import KeyBar, LineBar, TitleBar
from tui.widgets.log_pane import LogPane
from tui.widgets.rank_grid import RankGrid
from tui.widgets.text_lines import TextLines

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.app import ComposeResult

    from rankdeck.run.view import NodeView, RankView
    from tui.feed import RunFacts

_LOG_EVERY = 0.1
_NODES_SHOWN = 4
_PANES = {"log": "LogPane", "events": "#events", "failure": "#failure"}


class RunScreen(DeckScreen):
    """Watches one run."""

    BINDINGS = bindings(Scope.RUN)
    SCOPES = (Scope.RUN, Scope.RANKS, Scope.LOG, Scope.TEXT, Scope.EVERYWHERE)

    def __init__(self, run_id: str) -> None:
        super().__init__()
        self._run_id = run_id
        self._facts: RunFacts | None = None
        self._log_of: RankView | None = None
        self._failure_seen = False

    def compose(self) -> ComposeResult:
        """Header, ranks, and the pane beside (or below) them."""
        yield TitleBar()
        yield LineBar(id="progress")
        with Vertical(id="body"):
            with Vertical(id="side"):
                yield RankGrid(id="ranks")
                yield LineBar(id="nodes")
            with Vertical(id="main"):
                yield LineBar(id="tabs")
                yield LineBar(id="rank")
                with ContentSwitcher(initial="log", id="panes"):
                    yield LogPane(id="log")
                    yield TextLines(id="events", follow=True)
                    yield TextLines(id="failure")
        yield KeyBar(keys_of(Scope.RUN, Scope.EVERYWHERE))

    def on_mount(self) -> None:
        """Begin to watch."""
        self.query_one(TitleBar).show_parts((("rankdeck ▸ ", ""), (self._run_id, "bold")))
        self._show_tabs()
        self.query_one(RankGrid).focus()
        self.set_interval(_LOG_EVERY, self._tick_log)
        self.set_interval(1.0, self._tick)

    def on_screen_resume(self) -> None:
        """Watch the run while it is seen."""
        self.controller.watch_run(self, self._run_id)

    def on_resize(self) -> None:
        """Lay the header out again."""
        self._show_header()

    @on(RunChanged)
    def _show(self, message: RunChanged) -> None:
        facts = message.facts
        old, self._facts = self._facts, facts
        self._show_header()
        self._show_nodes()
        ended = facts.snapshot.run.state.final
        if old is None or old.events is not facts.events:
            self.query_one("#events", TextLines).show(event_lines(facts.events))
        if old is None or old.snapshot.run is not facts.snapshot.run:
            self.query_one("#failure", TextLines).show(failure_lines(facts.snapshot.run))
        if ended and facts.snapshot.run.failure:
            self._show_failure_first()
        self._show_rank()

    @on(WatchFailed)
    def _tell(self, message: WatchFailed) -> None:
        self.deck.tell(message.error)
        self.action_back()

    def _tick(self) -> None:
        if self.on_top:
            self._show_header()
            self._show_nodes()
            self._show_rank()

    def _show_nodes(self) -> None:
        if self._facts is None:
            return
        snapshot, now = self._facts.snapshot, self.now()
        ended = snapshot.run.state.final
        silent = {} if ended else _silent(snapshot.nodes)
        self.query_one(RankGrid).show(snapshot.ranks, silent, now)
        lines = node_lines(snapshot.nodes, now, ended=ended, most=_NODES_SHOWN)
        self.query_one("#nodes", LineBar).show(*lines)

    def _tick_log(self) -> None:
        if self.on_top and self.query_one(ContentSwitcher).current == "log":
            self.query_one(LogPane).tick()

    def _show_header(self) -> None:
        if self._facts is None:
            return
        snapshot, now = self._facts.snapshot, self.now()
        self.query_one(TitleBar).show_parts(*title_line(snapshot, now))
        ended = snapshot.run.state.final
        lines = (
            progress_line(snapshot, now, self.size.width),
            None if ended else silence_line(snapshot.nodes, now),
            reason_line(snapshot.run),
        )
        self.query_one("#progress", LineBar).show(*(line for line in lines if line))

    # -- ranks ------------------------------------------------------------------------------

    @on(RankGrid.Selected)
    def _select(self) -> None:
        self._show_rank()

    @on(RankGrid.Opened)
    def _open_log(self) -> None:
        self.action_pane("log")

    def _show_rank(self) -> None:
        rank = self._rank
        if rank is None or self._facts is None:
            return
        ended = self._facts.snapshot.run.state.final
        silent = _silent(self._facts.snapshot.nodes).get(rank.node)
        line = rank_line(rank, self.now(), ended=ended, silent_since=silent)
        self.query_one("#rank", LineBar).show(line)
        if self._log_of is None or self._log_of.log != rank.log:
            self.query_one(LogPane).open(rank.log, f"rank {rank.rank} · {safe(rank.node)}")
        self._log_of = rank

    @property
    def _rank(self) -> RankView | None:
        if self._facts is None:
            return None
        ranks = self._facts.snapshot.ranks
        selected = self.query_one(RankGrid).selected
        return ranks[selected] if selected < len(ranks) else None

    # -- panes ------------------------------------------------------------------------------

    def action_pane(self, name: str) -> None:
        """Show a pane and give it the keys."""
        if name == "ranks":
            self.query_one(RankGrid).focus()
            return
        self.query_one(ContentSwitcher).current = name
        self._failure_seen = True
        self._show_tabs()
        self.query_one(_PANES[name]).focus()

    def _show_failure_first(self) -> None:
        if not self._failure_seen:
            self.action_pane("failure")
            run = self._facts.snapshot.run if self._facts else None
            if run is not None and run.failure is not None and run.failure.rank is not None:
                self.query_one(RankGrid).selected = run.failure.rank

    def _show_tabs(self) -> None:
        current = self.query_one(ContentSwitcher).current
        pieces: list[tuple[str, str]] = [(" ", "")]
        for number, name in enumerate(_PANES, start=2):
            mark, style = ("▸", "bold") if name == current else (" ", "dim")
            pieces += [(f"{mark}{number} {name}  ", style)]
        self.query_one("#tabs", LineBar).show(tuple(pieces))

    # -- the run ----------------------------------------------------------------------------

    def action_stop(self) -> None:
        """Stop the run after asking."""
        self._end(kill=False)

    def action_kill(self) -> None:
        """Kill the run after asking."""
        self._end(kill=True)

    def _end(self, *, kill: bool) -> None:
        if self._facts is not None:
            run = self._facts.snapshot.run
            self.deck.end_run(run.id, run.name, run.state, run.world_size, kill=kill)

    def action_rerun(self) -> None:
        """Open the form on the run's job."""
        self.deck.open_form(self._run_id)

    def action_back(self) -> None:
        """Back to the runs."""
        if self.on_top:
            self.dismiss()


def _silent(nodes: Iterable[NodeView]) -> dict[str, float]:
    """The nodes that cannot be heard, and since when."""
    return {node.name: node.silent_since for node in nodes if node.silent_since is not None}
