"""The list of runs: live, filtered by words, and where runs are started, stopped and deleted."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from textual import on
from textual.containers import Vertical
from textual.widgets import Input

from rankdeck.run.state import RunPhase
from tui.controller import RunsChanged
from tui.keys import Scope, bindings, keys_of
from tui.looks import Line, safe
from tui.screens.base import DeckScreen
from tui.watch import WatchFailed
from tui.widgets.bars import KeyBar, TitleBar
from tui.widgets.run_table import RunTable
from tui.widgets.text_lines import TextLines

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from rankdeck.run.summary import RunSummary

_NOTHING: tuple[Line, ...] = (
    (),
    (("  There are no runs yet.", "title"),),
    (),
    (("  n", "key"), (" describes a job and starts it.", "")),
    (("  rankdeck demo", "key"), (" in a shell trains a small GPT on this machine.", "")),
    (("  rankdeck init DIR", "key"), (" makes a project folder that trains at once.", "")),
)


class RunsScreen(DeckScreen):
    """The first screen."""

    BINDINGS = bindings(Scope.RUNS)
    SCOPES = (Scope.RUNS, Scope.TABLE, Scope.EVERYWHERE)

    def __init__(self) -> None:
        super().__init__()
        self._runs: tuple[RunSummary, ...] | None = None

    def compose(self) -> ComposeResult:
        """Title, table, filter, keys."""
        yield TitleBar()
        with Vertical():
            yield RunTable()
            yield TextLines(id="nothing")
        yield Input(
            placeholder="filter: words of name, id, state, backend, reason or failure", id="filter"
        )
        yield KeyBar(keys_of(Scope.RUNS, Scope.EVERYWHERE))

    def on_mount(self) -> None:
        """Begin to watch."""
        self.query_one("#nothing", TextLines).show(_NOTHING)
        self.query_one("#nothing").add_class("-hidden")
        self.query_one("#filter").add_class("-hidden")
        self.query_one(RunTable).focus()
        self._show_title()
        self.set_interval(1.0, self._tick)

    def on_screen_resume(self) -> None:
        """Watch the runs while they are seen."""
        self.controller.watch_runs(self)

    @on(RunsChanged)
    def _show_runs(self, message: RunsChanged) -> None:
        self._runs = message.runs
        self._show()

    @on(WatchFailed)
    def _tell(self, message: WatchFailed) -> None:
        self.deck.tell(message.error)

    def _tick(self) -> None:
        if self.on_top:
            self.query_one(RunTable).tick(self.now())

    def _show(self) -> None:
        if self._runs is None:
            return
        words = self.query_one("#filter", Input).value.lower().split()
        runs = tuple(run for run in self._runs if _matches(run, words)) if words else self._runs
        table = self.query_one(RunTable)
        table.show(runs, self.now())
        table.set_class(not self._runs, "-hidden")
        self.query_one("#nothing").set_class(bool(self._runs), "-hidden")
        self._show_title()

    def _show_title(self) -> None:
        runs = self._runs or ()
        left: Line = (("rankdeck", "bold"), (" ▸ runs", ""))
        shown = self.query_one(RunTable).shown_runs
        if len(shown) != len(runs):
            left = (*left, (f"  {len(shown)} of {len(runs)} shown", "warning"))
        right = (("reading …" if self._runs is None else _counts(runs), "dim"),)
        self.query_one(TitleBar).show_parts(left, right)

    # -- the filter -------------------------------------------------------------------------

    def action_filter(self) -> None:
        """Begin to type a filter."""
        field = self.query_one("#filter", Input)
        field.remove_class("-hidden")
        field.focus()

    def action_clear_filter(self) -> None:
        """Show every run again."""
        field = self.query_one("#filter", Input)
        field.value = ""
        field.add_class("-hidden")
        self.query_one(RunTable).focus()

    @on(Input.Changed, "#filter")
    def _filter(self) -> None:
        self._show()

    @on(Input.Submitted, "#filter")
    def _keep_filter(self) -> None:
        field = self.query_one("#filter", Input)
        field.set_class(not field.value, "-hidden")
        self.query_one(RunTable).focus()

    # -- runs -------------------------------------------------------------------------------

    @property
    def _selected(self) -> RunSummary | None:
        return self.query_one(RunTable).selected

    def action_new_job(self) -> None:
        """Open the form."""
        self.deck.open_form()

    @on(RunTable.Opened)
    def action_open(self) -> None:
        """Open the run under the cursor."""
        if self._selected:
            self.deck.open_run(self._selected.id)

    def action_rerun(self) -> None:
        """Open the form on the run's job."""
        if self._selected:
            self.deck.open_form(self._selected.id)

    def action_stop(self) -> None:
        """Stop the run after asking."""
        self._end(kill=False)

    def action_kill(self) -> None:
        """Kill the run after asking."""
        self._end(kill=True)

    def _end(self, *, kill: bool) -> None:
        run = self._selected
        if run is not None:
            self.deck.end_run(run.id, run.name, run.state, run.world_size, kill=kill)

    def action_delete(self) -> None:
        """Delete the run after asking."""
        run = self._selected
        if run is None:
            return
        if not run.state.final:
            self.notify(
                f"{safe(run.name)} has not ended; stop it first (s)",
                severity="warning",
                markup=False,
            )
            return
        self.deck.delete_run(run.id, run.name)


def _matches(run: RunSummary, words: list[str]) -> bool:
    text = " ".join(
        (
            run.id,
            run.name,
            run.state.value,
            run.reason,
            run.backend,
            run.launcher,
            run.failure_summary,
        )
    ).lower()
    return all(word in text for word in words)


def _counts(runs: tuple[RunSummary, ...]) -> str:
    counted = Counter(run.state for run in runs)
    told = [f"{counted[phase]} {phase.value}" for phase in RunPhase if counted[phase]]
    return " · ".join(told) or "no runs"
