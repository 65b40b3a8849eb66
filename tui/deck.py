"""The app: which screen is seen, what is asked before something is done, and the way out."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on

from rankdeck.run.layout import RunDir
from tui.asking import Question
from tui.controller import Answer, Controller
from tui.frame import Frame
from tui.history import History
from tui.keys import Scope, bindings
from tui.looks import counted, safe
from tui.places import place
from tui.screens.runs import RunsScreen

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.screen import Screen

    from rankdeck.config.settings import Settings
    from rankdeck.errors import Problem, UserError
    from rankdeck.job.draft import JobDraft
    from rankdeck.run.state import RunPhase
    from rankdeck.run.store import RunStore
    from tui.looks import Line
    from tui.notices import Notices

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
_NOTICES_AFTER = 0.5


class Deck(Frame):
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
        problems: tuple[Problem, ...] = (),
        read_only: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Show the runs of `store`, or one of them first.

        Args:
            store: The runs.
            run_id: The run to show first.
            settings: How the user wants it; None: as it is by default.
            problems: What in the user's own files does not count, to be told first.
            read_only: Refuse everything that changes something, whatever the settings say.
            clock: What ages count from.
        """
        super().__init__(settings, problems, read_only=read_only)
        self.history = History()
        self._notices: Notices | None = None
        self.controller = Controller(store, self, read_only=read_only or self.settings.read_only)
        self.clock = clock
        self.farewell = ""
        """What to tell on the terminal after the interface has gone."""
        self._first_run = run_id

    def get_default_screen(self) -> Screen[None]:
        """The runs list is below everything."""
        screen = RunsScreen()
        self.history.opened(screen, RunsScreen)
        return screen

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
        self.call_later(self.tell_problems)

    def on_unmount(self) -> None:
        """Let go of the runs; they go on."""
        self.controller.close()

    def _leave_by_signal(self, number: int) -> None:
        self.exit(return_code=128 + number)

    @on(Answer)
    def _deliver(self, message: Answer) -> None:
        # on the way out the screens go first: then nobody is left who asked
        if self.screen_stack:
            message.deliver()

    @on(Question)
    def _ask_for_work(self, question: Question) -> None:
        """Show what work in the background wants to know; it waits for the answer."""
        if not self.screen_stack:
            question.answer(None)
            return
        if question.hidden:
            from tui.screens.secret import SecretScreen

            self.push_screen(SecretScreen(question.text), question.answer)
            return
        from tui.screens.confirm import ConfirmScreen

        detail = tuple(((safe(line), ""),) for line in question.detail.splitlines())
        lines: tuple[Line, ...] = (((safe(question.text), "title"),), (), *detail)
        self.push_screen(ConfirmScreen(lines), question.answer)

    # -- screens ----------------------------------------------------------------------------

    def go(self, name: str) -> None:
        """Show one of `tui.places`; where it is open already, go back to it."""
        there = place(name)
        for screen in self.screen_stack:
            if type(screen).__name__ == there.screen and self._go_down_to(screen):
                return
        if there.typed:
            self.push_screen(there.make())
        else:
            self._show(there.make)

    def _show(self, made: Callable[[], Screen[None]]) -> None:
        screen = made()
        self.history.opened(screen, made)
        self.push_screen(screen)

    def _go_down_to(self, screen: Screen[Any]) -> bool:
        """Close what lies above a screen, unless something there would be lost."""
        above = self.screen_stack[self.screen_stack.index(screen) + 1 :]
        if not all(self.history.knows(one) for one in above):
            return False
        for _ in above:
            self.pop_screen()
        return True

    def came_to(self, screen: Screen[None]) -> None:
        """A screen is seen (again)."""
        self.history.came_to(screen)
        # not before the screen has been painted
        self.set_timer(_NOTICES_AFTER, self._look_for_ends)

    def _look_for_ends(self) -> None:
        if self._notices is None:
            from tui.notices import Notices

            self._notices = Notices(self)
        self._notices.look()

    @property
    def seen_run(self) -> str:
        """The run whose screen is on top; empty: another kind of screen is."""
        return getattr(self.screen, "run_id", getattr(self.screen, "_run_id", ""))

    def action_last_place(self) -> None:
        """Go to the place before this one, and with the same key back again."""
        last = self.history.last(self.screen_stack)
        if last is None:
            self.notify("there is no place before this one", timeout=3, markup=False)
        elif last.screen not in self.screen_stack:
            if len(self.screen_stack) > 1 and self.history.knows(self.screen):
                self.pop_screen()
            if self.screen is not last.screen:
                self._show(last.again)
        elif not self._go_down_to(last.screen):
            self._show(last.again)

    def action_place(self, name: str) -> None:
        """Show one of `tui.places`."""
        self.go(name)

    def action_palette(self, text: str = "") -> None:
        """Find anything that can be done here and do it."""
        from tui.screens.palette import PaletteScreen

        if isinstance(self.screen, PaletteScreen):
            return
        self.push_screen(PaletteScreen(self.screen, text), lambda chosen: chosen and chosen())

    def action_command(self) -> None:
        """Give a command by its name."""
        self.action_palette(":")

    def copy(self, text: str, what: str) -> None:
        """Copy text to the user's clipboard, and say how, or why not."""
        from tui.clipboard import copy

        copy(self, text, what, home=self.controller.store.home)

    def open_run(self, run_id: str) -> None:
        """Show one run."""
        from tui.screens.run import RunScreen

        self._show(lambda: RunScreen(run_id))

    def open_form(self, run_id: str | None = None, *, exclude: tuple[str, ...] = ()) -> None:
        """Describe a new job, or that of an earlier run; `exclude`: without these nodes of it."""
        from tui.screens.new_job import NewJobScreen

        run = RunDir(self.controller.store.runs_dir / run_id) if run_id else None
        if run is None or not exclude:
            self.push_screen(NewJobScreen(str(run.job) if run else None))
            return

        def patch() -> JobDraft:
            from rankdeck.run.rerun import without_nodes

            return without_nodes(run, exclude)

        def made(draft: JobDraft | None, error: UserError | None) -> None:
            if error is not None:
                self.tell(error)
            else:
                self.push_screen(NewJobScreen(str(run.job), patch=draft))

        self.controller.do(patch, made)

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
                ((f"{how} {counted(ranks, 'rank')}.", ""),),
            ),
            lambda: self.controller.end_run(run_id, kill=kill, done=heard),
        )

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
