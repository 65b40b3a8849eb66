"""The list of runs: live, filtered and sorted, and where runs are started, ended and deleted."""

from __future__ import annotations

import gc
from collections import Counter
from typing import TYPE_CHECKING

from textual import on
from textual.containers import Container, Vertical

from rankdeck.run.state import RunPhase
from tui.controller import RunsChanged
from tui.keys import Scope, bindings, keys_of
from tui.looks import Line, Piece, safe
from tui.run_batch import BatchKind
from tui.run_filter import run_text
from tui.screens.runs_details import RunsDetails
from tui.watch import WatchFailed
from tui.widgets.bars import KeyBar, TitleBar
from tui.widgets.prompt_line import PromptLine
from tui.widgets.run_details import RunDetailsPane
from tui.widgets.run_table import RunTable
from tui.widgets.text_lines import TextLines

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult
    from textual.notifications import SeverityLevel

    from rankdeck.errors import UserError
    from rankdeck.run.summary import RunSummary
    from tui.filter_grammar import RowText
    from tui.run_batch import BatchResult

_NOTHING: tuple[Line, ...] = (
    (),
    (("  There are no runs yet.", "title"),),
    (),
    (("  n", "key"), ("   describes a job and starts it: press it now.", "")),
    (("  N", "key"), ("   shows the nodes it could run on.", "")),
    (("  ?", "key"), ("   lists every key.", "")),
    (),
    (("  In a shell:", "dim"),),
    (("  rankdeck demo", "key"), ("              trains a small GPT on this machine.", "")),
    (("  rankdeck demo --simulate", "key"), ("   makes up a cluster of 128 ranks.", "")),
    (("  rankdeck init DIR", "key"), ("          makes a project folder that trains at once.", "")),
)
_OF_RUNS = frozenset(
    (
        *("open", "rerun", "stop", "kill", "delete", "filter", "details", "compare"),
        *("copy_id", "copy_attach", "clear_filter"),
    )
)
"""What means nothing where there are no runs."""
_HINT = "words  !not  re:loss.*nan  state:failed  node:node03  age:<2d  ranks:>=64  name:llama*"
_COLLECTIONS = (2_000, 10, 20)
"""How rarely each generation is looked at; CPython's own: 700, 10, 10."""
_URGENT_FIRST = (
    RunPhase.RUNNING,
    RunPhase.STARTING,
    RunPhase.STOPPING,
    RunPhase.QUEUED,
    RunPhase.PLANNED,
    RunPhase.FAILED,
    RunPhase.LOST,
    RunPhase.STOPPED,
    RunPhase.SUCCEEDED,
)


class RunsScreen(RunsDetails):
    """The first screen."""

    BINDINGS = bindings(Scope.RUNS)
    SCOPES = (Scope.RUNS, Scope.TABLE, Scope.EVERYWHERE)
    DEFAULT_CSS = """
    RunsScreen #runs-body { height: 1fr; layout: vertical; }
    RunsScreen #runs-body.-side { layout: horizontal; }
    RunsScreen #runs-list { width: 1fr; height: 1fr; }
    RunsScreen .-hidden { display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._read = False
        self._counts = "reading …"

    def compose(self) -> ComposeResult:
        """Title, table and details, prompt, keys."""
        yield TitleBar()
        with Container(id="runs-body"):
            with Vertical(id="runs-list"):
                yield RunTable()
                yield TextLines(id="nothing")
            yield RunDetailsPane()
        yield PromptLine()
        yield KeyBar(keys_of(Scope.RUNS, Scope.EVERYWHERE))

    def on_mount(self) -> None:
        """Begin to watch."""
        self.query_one("#nothing", TextLines).show(_NOTHING)
        self.query_one("#nothing").add_class("-hidden")
        self.query_one(RunDetailsPane).add_class("-hidden")
        self.query_one(RunTable).focus()
        self._show_title()
        self.set_interval(1.0, self._tick)

    def on_screen_resume(self) -> None:
        """Watch the runs while they are seen."""
        self.controller.watch_runs(self)

    def on_resize(self, event: events.Resize) -> None:
        """Put the details where there is room for them."""
        self._place_details(event.size.width)
        self._lay_out(event.size.width, event.size.height)

    @on(RunsChanged)
    def _show_runs(self, message: RunsChanged) -> None:
        first = not self._read
        self._read = True
        self._listing.runs = message.runs
        self._counts = _counts(message.runs)
        self._make_texts()
        self._show()
        if first:
            self._lay_out(self.size.width, self.size.height)

    def _make_texts(self) -> None:
        """Prepare for a filter, in the background where there are many runs."""
        if not (runs := self._listing.unread):
            return

        def made(texts: list[tuple[RunSummary, RowText]] | None, error: UserError | None) -> None:
            if texts is not None:
                self._listing.take(texts)
                # the collector would look at thousands of rows again and again while keys wait,
                # and at all that is on the screen every few of them
                gc.collect()
                gc.freeze()
                gc.set_threshold(*_COLLECTIONS)

        self.controller.do(lambda: [(run, run_text(run)) for run in runs], made, key="texts")

    @on(WatchFailed)
    def _tell(self, message: WatchFailed) -> None:
        self.deck.tell(message.error)

    def _tick(self) -> None:
        if self.on_top:
            self.query_one(RunTable).tick(self.now())
            self._show_details()

    def _show(self) -> None:
        if not self._read:
            return
        table = self.query_one(RunTable)
        table.nothing = "No run is like that; esc shows all runs."
        table.show(self._listing.rows(self.now()), self.now())
        there = bool(self._listing.runs)
        if there == table.has_class("-hidden"):
            self.refresh_bindings()
        table.set_class(not there, "-hidden")
        self.query_one("#nothing").set_class(there, "-hidden")
        self._show_title()
        self._ask_details()

    def _show_title(self) -> None:
        runs, table = self._listing.runs, self.query_one(RunTable)
        left: list[Piece] = [("rankdeck", "bold"), (" ▸ runs", "")]
        if self._listing.filtered:
            left.append((f"  /{safe(self._listing.text)}", "key"))
            left.append((f"  {len(table.rows)} of {len(runs)} shown", "warning"))
        if marked := len(table.marked):
            left.append((f"  {marked} marked", "warning"))
        right = ((self._counts, "dim"),)
        self.query_one(TitleBar).show_parts(tuple(left), right)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer nothing that is about runs where there are none."""
        return bool(self._listing.runs) or not self._read or action not in _OF_RUNS

    # -- filter, order, marks ---------------------------------------------------------------

    def action_filter(self) -> None:
        """Begin to type a filter, or to change the one there is."""
        self.query_one(PromptLine).open("/", self._listing.text, _HINT)

    def action_clear_filter(self) -> None:
        """Show every run again; where all are shown, unmark them."""
        prompt, table = self.query_one(PromptLine), self.query_one(RunTable)
        if not (prompt.is_open or self._listing.text):
            table.mark(frozenset())
        prompt.close()
        self._listing.read("")
        self._show()
        table.focus()

    def action_back(self) -> None:
        """There is nothing below: take the filter back."""
        self.action_clear_filter()

    @on(PromptLine.Changed)
    def _filter(self, message: PromptLine.Changed) -> None:
        self._listing.read(message.text)
        self._show()
        prompt = self.query_one(PromptLine)
        shown = f"{len(self.query_one(RunTable).rows)} of {len(self._listing.runs)}"
        prompt.say(self._listing.problem or shown, wrong=bool(self._listing.problem))

    @on(PromptLine.Given)
    def _keep_filter(self) -> None:
        if self._listing.problem:
            return
        self.query_one(PromptLine).close()
        self.query_one(RunTable).focus()

    @on(RunTable.Sorted)
    def _sort(self) -> None:
        column, falls = self.query_one(RunTable).sorting
        self._listing.sort(column, falls=falls)
        self._show()

    @on(RunTable.Marked)
    def _marked(self) -> None:
        self._show_title()

    # -- runs -------------------------------------------------------------------------------

    def action_new_job(self) -> None:
        """Open the form."""
        self.deck.open_form()

    def action_templates(self) -> None:
        """Show the templates."""
        self.deck.go("templates")

    def action_nodes(self) -> None:
        """Show the nodes."""
        self.deck.go("nodes")

    @on(RunTable.Opened)
    def action_open(self) -> None:
        """Open the run under the cursor."""
        if self._selected:
            self.deck.open_run(self._selected.id)

    def action_rerun(self) -> None:
        """Open the form on the run's job."""
        if self._selected:
            self.deck.open_form(self._selected.id)

    def action_copy_id(self) -> None:
        """Copy the ids of the marked runs, or of the one under the cursor."""
        if runs := self.query_one(RunTable).chosen:
            what = "id" if len(runs) == 1 else f"{len(runs)} ids"
            self.deck.copy("\n".join(run.id for run in runs), what)

    def action_copy_attach(self) -> None:
        """Copy the command that opens the run from another terminal."""
        if self._selected:
            self.deck.copy(f"rankdeck attach {self._selected.id}", "rankdeck attach …")

    def action_stop(self) -> None:
        """Stop the marked runs, or the one under the cursor, after asking."""
        self._ask_batch(BatchKind.STOP)

    def action_kill(self) -> None:
        """Kill them after asking."""
        self._ask_batch(BatchKind.KILL)

    def action_delete(self) -> None:
        """Delete those that have ended after asking."""
        self._ask_batch(BatchKind.DELETE)

    def _ask_batch(self, kind: BatchKind) -> None:
        from tui.run_batch import carry_out, make_batch, measure, question, refusal, told, whoami
        from tui.screens.confirm import ConfirmScreen

        batch = make_batch(kind, self.query_one(RunTable).chosen)
        if why := refusal(batch):
            self.notify(why, severity="warning", markup=False)
            return
        store = self.controller.store
        screen = ConfirmScreen(question(batch, str(store.runs_dir)))

        def measured(amount: str | None, error: UserError | None) -> None:
            if amount is not None:
                screen.show(question(batch, str(store.runs_dir), amount))

        def done(result: BatchResult | None, error: UserError | None) -> None:
            if error is not None:
                self.deck.tell(error)
            elif result is not None:
                wrong: SeverityLevel = "warning" if result.failures else "information"
                self.notify(told(batch, result), severity=wrong, markup=False)

        def answered(answer: bool | None) -> None:
            if answer:
                self.query_one(RunTable).mark(frozenset())
                self.controller.do(lambda: carry_out(batch, store, whoami()), done, writes=True)

        self.deck.push_screen(screen, answered)
        if kind is BatchKind.DELETE:
            self.controller.do(lambda: measure(batch, store), measured)


def _counts(runs: tuple[RunSummary, ...]) -> str:
    counted = Counter(run.state for run in runs)
    told = [f"{counted[phase]} {phase.value}" for phase in _URGENT_FIRST if counted[phase]]
    return " · ".join(told) or "no runs"
