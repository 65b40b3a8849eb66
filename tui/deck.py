"""The app: which screen is seen, what is asked before something is done, and the way out."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING, ClassVar

from textual import on

from rankdeck.config.settings import Settings
from rankdeck.run.layout import RunDir
from tui.asking import Question
from tui.controller import Answer, Controller
from tui.keys import Scope, bindings
from tui.looks import safe
from tui.places import place
from tui.screens.runs import RunsScreen
from tui.terminal.output import CellOutput

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.screen import Screen

    from rankdeck.errors import UserError
    from rankdeck.run.state import RunPhase
    from rankdeck.run.store import RunStore
    from tui.looks import Line

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class Deck(CellOutput):
    """The terminal interface."""

    TITLE = "rankdeck"
    CSS_PATH: ClassVar[str] = "styles/deck.tcss"
    BINDINGS = bindings(Scope.EVERYWHERE)
    ENABLE_COMMAND_PALETTE = False
    # textual declares it as an instance's, so that it cannot be a ClassVar
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012

    def __init__(
        self,
        store: RunStore,
        run_id: str | None = None,
        *,
        settings: Settings | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Show the runs of `store`, or one of them first.

        Args:
            store: The runs.
            run_id: The run to show first.
            settings: How the user wants it; None: as it is by default.
            clock: What ages count from.
        """
        super().__init__()
        self.settings = settings or Settings()
        self.controller = Controller(store, self, read_only=self.settings.read_only)
        self.clock = clock
        self.farewell = ""
        """What to tell on the terminal after the interface has gone."""
        self._first_run = run_id

    def get_default_screen(self) -> Screen[None]:
        """The runs list is below everything."""
        return RunsScreen()

    def on_mount(self) -> None:
        """Take over the signals; textual alone would leave the terminal as it is."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            try:
                loop.add_signal_handler(number, self._leave_by_signal, number)
            except (RuntimeError, ValueError):
                # not the main thread: whoever runs us there keeps the signals
                break
        if self._first_run:
            self.open_run(self._first_run)

    def on_unmount(self) -> None:
        """Let go of the runs; they go on."""
        self.controller.close()

    def _leave_by_signal(self, number: int) -> None:
        self.exit(return_code=128 + number)

    @on(Answer)
    def _deliver(self, message: Answer) -> None:
        message.deliver()

    @on(Question)
    def _ask_for_work(self, question: Question) -> None:
        """Show what work in the background wants to know; it waits for the answer."""
        if question.hidden:
            from tui.screens.secret import SecretScreen

            self.push_screen(SecretScreen(question.text), question.answer)
            return
        from tui.screens.confirm import ConfirmScreen

        detail = tuple(((safe(line), ""),) for line in question.detail.splitlines())
        lines: tuple[Line, ...] = (((safe(question.text), "title"),), (), *detail)
        self.push_screen(ConfirmScreen(lines), question.answer)

    def tell(self, error: UserError) -> None:
        """Show an error: what happened, and what to do."""
        text = safe(error.message) + (f"\n{safe(error.hint)}" if error.hint else "")
        self.notify(text, severity="error", timeout=10, markup=False)

    # -- screens ----------------------------------------------------------------------------

    def go(self, name: str) -> None:
        """Show one of `tui.places`."""
        self.push_screen(place(name).make())

    def copy(self, text: str, what: str) -> None:
        """Copy text to the user's clipboard, and say how, or why not."""
        self.copy_to_clipboard(text)
        self.notify(f"{what}: copied", timeout=3, markup=False)

    def open_run(self, run_id: str) -> None:
        """Show one run."""
        from tui.screens.run import RunScreen

        self.push_screen(RunScreen(run_id))

    def open_form(self, run_id: str | None = None) -> None:
        """Describe a new job, or that of an earlier run."""
        from tui.screens.new_job import NewJobScreen

        run = RunDir(self.controller.store.runs_dir / run_id) if run_id else None
        self.push_screen(NewJobScreen(str(run.job) if run else None))

    def show_launched(self, run_id: str, form: Screen[None]) -> None:
        """Show a run that has just been started, in place of its form."""
        if self.screen is form:
            form.dismiss()
        self.open_run(run_id)

    def action_help(self) -> None:
        """Show the keys that are valid here."""
        from tui.screens.help import HelpScreen

        if isinstance(self.screen, HelpScreen):
            return
        scopes = getattr(self.screen, "SCOPES", (Scope.CONFIRM,))
        self.push_screen(HelpScreen(scopes))

    def ask(self, lines: tuple[Line, ...], done: Callable[[], None]) -> None:
        """Ask a question; `done` is called only after a yes."""
        from tui.screens.confirm import ConfirmScreen

        def answered(answer: bool | None) -> None:
            if answer:
                done()

        self.push_screen(ConfirmScreen(lines), answered)

    # -- runs -------------------------------------------------------------------------------

    def end_run(self, run_id: str, name: str, state: RunPhase, ranks: int, *, kill: bool) -> None:
        """Stop or kill a run after asking."""
        if state.final:
            self.notify(f"{safe(name)} has already ended", markup=False)
            return
        word, how = "Stop", "Its ranks get TERM, then time to save, then KILL."
        if kill:
            word, how = "Kill", "Its ranks end at once and save nothing."

        def heard(error: UserError | None) -> None:
            if error is not None:
                self.tell(error)
            else:
                self.notify(f"{safe(name)}: asked to end", markup=False)

        self.ask(
            (
                ((f"{word} {safe(name)}?", "title"),),
                ((run_id, "dim"),),
                (),
                ((f"{how} {ranks} rank(s).", ""),),
            ),
            lambda: self.controller.end_run(run_id, kill=kill, done=heard),
        )

    def delete_run(self, run_id: str, name: str) -> None:
        """Delete a run that has ended, after saying what goes with it."""
        from rankdeck.text import size
        from tui.screens.confirm import ConfirmScreen

        def question(amount: str) -> tuple[Line, ...]:
            path = self.controller.store.runs_dir / run_id
            return (
                ((f"Delete {safe(name)}?", "title"),),
                (),
                (("This goes for good: its record and the logs of all ranks:", ""),),
                ((f"  {safe(str(path))}  {amount}", "warning"),),
                (("Its output directory (checkpoints) stays.", ""),),
            )

        screen = ConfirmScreen(question("…"))

        def measured(amount: int | None, error: UserError | None) -> None:
            if error is None:
                screen.show(question(f"({size(amount)})"))

        def heard(error: UserError | None) -> None:
            if error is not None:
                self.tell(error)
            else:
                self.notify(f"{safe(name)} has been deleted", markup=False)

        def answered(answer: bool | None) -> None:
            if answer:
                self.controller.delete_run(run_id, heard)

        self.push_screen(screen, answered)
        self.controller.measure_run(run_id, measured)

    # -- the way out ------------------------------------------------------------------------

    def action_leave(self) -> None:
        """Leave; where runs live, say first that they go on."""
        from tui.screens.confirm import ConfirmScreen

        if isinstance(self.screen, ConfirmScreen):
            return
        self.controller.count_living(self._ask_to_leave)

    def _ask_to_leave(self, living: int | None, error: UserError | None) -> None:
        if not living:
            self.exit()
            return
        runs = "1 run goes" if living == 1 else f"{living} runs go"
        self.ask(
            (
                (("Leave Rankdeck?", "title"),),
                (),
                ((f"{runs} on without it; open it again at any time.", ""),),
            ),
            lambda: self._leave(f"{runs} on; `rankdeck` shows them again"),
        )

    def _leave(self, farewell: str) -> None:
        self.farewell = farewell
        self.exit()
