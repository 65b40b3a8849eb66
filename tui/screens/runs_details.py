"""The details of the run under the cursor, and what differs between two runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on

from tui.run_listing import RunListing
from tui.screens.base import DeckScreen
from tui.widgets.run_details import RunDetailsPane
from tui.widgets.run_table import RunTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from rankdeck.errors import UserError
    from rankdeck.job.compare import FieldChange
    from rankdeck.run.summary import RunSummary
    from tui.run_details import RunDetails

_DETAILS_FROM = (120, 30)
_SIDE_FROM = 180
_SETTLED = 0.08


class RunsDetails(DeckScreen):
    """What the screen of runs tells of a single one."""

    def __init__(self) -> None:
        super().__init__()
        self._listing = RunListing()
        self._details: RunDetails | None = None
        self._asked: RunSummary | None = None
        self._wants_details = True

    @property
    def _selected(self) -> RunSummary | None:
        return self.query_one(RunTable).selected

    def _place_details(self, width: int) -> None:
        side = width >= _SIDE_FROM
        self.query_one("#runs-body").set_class(side, "-side")
        self.query_one(RunDetailsPane).set_class(side, "-side")

    def _lay_out(self, width: int, height: int) -> None:
        room = width >= _DETAILS_FROM[0] and height >= _DETAILS_FROM[1]
        seen = room and self._wants_details and bool(self._listing.runs)
        self.query_one(RunDetailsPane).set_class(not seen, "-hidden")
        if seen:
            self._ask_details()

    @property
    def _pane_seen(self) -> bool:
        return not self.query_one(RunDetailsPane).has_class("-hidden")

    @on(RunTable.Moved)
    def _moved(self) -> None:
        # whoever holds a key down passes many runs: only the one where it stops is read
        self.set_timer(_SETTLED, self._ask_details)
        self._show_details()

    def _ask_details(self) -> None:
        run = self._selected
        if not self._pane_seen or run is None or run is self._asked:
            self._show_details()
            return
        self._asked = run
        self._read_details(run, self._got_details)

    def _read_details(
        self, run: RunSummary, done: Callable[[RunDetails | None, UserError | None], None]
    ) -> None:
        store, previous = self.controller.store, self._listing.before(run)

        def job() -> RunDetails:
            from tui.run_details import read_details

            return read_details(store, run.id, previous)

        self.controller.do(job, done, key="details")

    def _got_details(self, details: RunDetails | None, error: UserError | None) -> None:
        # a run that has just been deleted has none, and its row goes soon
        self._details = details
        self._show_details()

    def _show_details(self) -> None:
        run = self._selected
        if not self._pane_seen or run is None:
            return
        from tui.run_details import about_lines, news_lines, page_lines

        read = self._details
        details = read if read is not None and read.run_id == run.id else None
        pane = self.query_one(RunDetailsPane)
        if pane.has_class("-side"):
            pane.show(page_lines(run, details, self.now()), ())
        else:
            pane.show(about_lines(run, details, self.now()), news_lines(run, details))

    def action_details(self) -> None:
        """Show or hide the details; where there is no room, show them over the list."""
        run = self._selected
        if self.size.width >= _DETAILS_FROM[0] and self.size.height >= _DETAILS_FROM[1]:
            self._wants_details = not self._wants_details
            self._lay_out(self.size.width, self.size.height)
        elif run is not None:
            self._open_details(run)

    def _open_details(self, run: RunSummary) -> None:
        from tui.run_details import page_lines
        from tui.screens.page import PageScreen

        page = PageScreen("details")

        def done(details: RunDetails | None, error: UserError | None) -> None:
            if error is not None:
                self.deck.tell(error)
            elif details is not None:
                page.show(page_lines(run, details, self.now()))

        self.deck.push_screen(page)
        self._read_details(run, done)

    def action_compare(self) -> None:
        """Show what differs between the jobs of two marked runs."""
        from tui.run_details import compare_runs, difference_lines
        from tui.screens.page import PageScreen

        marked = sorted(self.query_one(RunTable).marked, key=lambda run: run.created)
        run = self._selected
        if len(marked) == 1 and run is not None and run is not marked[0]:
            marked = sorted((marked[0], run), key=lambda run: run.created)
        if len(marked) != 2:
            self.notify("mark two runs to compare (space)", severity="warning", markup=False)
            return
        old, new = marked
        page = PageScreen("what differs")

        def done(changes: tuple[FieldChange, ...] | None, error: UserError | None) -> None:
            if error is not None:
                self.deck.tell(error)
            elif changes is not None:
                page.show(difference_lines(old, new, changes))

        self.deck.push_screen(page)
        self.controller.do(lambda: compare_runs(self.controller.store, old.id, new.id), done)
