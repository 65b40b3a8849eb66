"""RunListing: which runs are shown, in which order, as quickly as it is typed. Knows no widget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.filter_grammar import Filter, FilterError
from tui.run_filter import parse_run_filter, run_text
from tui.widgets.run_table import CHANGING, sort_runs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rankdeck.run.summary import RunSummary
    from tui.filter_grammar import RowText

    _Test = Callable[[RunSummary, float, RowText], bool]

_MANY = 500


class RunListing:
    """Filters and sorts; what has been worked out once is kept."""

    def __init__(self) -> None:
        self.runs: tuple[RunSummary, ...] = ()
        self.text = ""
        """The filter as it is typed."""
        self.problem = ""
        """Why that is no filter; the one before it still holds."""
        self._filter: Filter[RunSummary] = Filter()
        self._texts: dict[str, tuple[RunSummary, RowText]] = {}
        self._paired: tuple[tuple[RunSummary, ...], list[tuple[RunSummary, RowText]]] = ((), [])
        self._sorting = ("", False)
        self._sorted: tuple[object, object, tuple[RunSummary, ...]] = (None, None, ())
        self._understood = ""
        """The filter that holds, as it was typed."""
        self._before: tuple[object, object, list[tuple[RunSummary, RowText]]] = (None, None, [])

    @property
    def filtered(self) -> bool:
        """Whether some runs may be left out."""
        return bool(self._filter.tests)

    def read(self, text: str) -> None:
        """Take a filter."""
        self.text = text.strip()
        try:
            self._filter = parse_run_filter(self.text)
        except FilterError as error:
            self.problem = str(error)
        else:
            self.problem = ""
            self._understood = self.text

    def sort(self, column: str, *, falls: bool) -> None:
        """Take an order."""
        self._sorting = (column, falls)

    def rows(self, now: float) -> tuple[RunSummary, ...]:
        """The runs to show."""
        runs = self._ordered(now)
        if not self._filter.tests:
            return runs
        *before, last = self._filter.tests
        pairs = self._typed_before(runs, before, now)
        return tuple([run for run, text in pairs if last(run, now, text)])

    def before(self, run: RunSummary) -> RunSummary | None:
        """The run of the same project that came before this one."""
        if not run.project:
            return None
        # they stand with the newest first
        older = (
            other
            for other in self.runs
            if other.created < run.created and other.project == run.project
        )
        return next(older, None)

    @property
    def unread(self) -> tuple[RunSummary, ...]:
        """The runs that nobody has made a text for, where they are many."""
        if len(self.runs) - len(self._texts) < _MANY:
            return ()
        return tuple(run for run in self.runs if run.id not in self._texts)

    def take(self, texts: Sequence[tuple[RunSummary, RowText]]) -> None:
        """Take texts made elsewhere: those of thousands of runs take longer than a key may."""
        self._texts.update({run.id: (run, text) for run, text in texts})

    def _ordered(self, now: float) -> tuple[RunSummary, ...]:
        """Every run in the order that is wanted; a filter takes from it and leaves the order."""
        column, falls = self._sorting
        moment = int(now) if column in CHANGING else 0
        about = (column, falls, moment)
        if self._sorted[0] is not self.runs or self._sorted[1] != about:
            self._sorted = (self.runs, about, sort_runs(self.runs, column, now, falls=falls))
        return self._sorted[2]

    def _typed_before(
        self, runs: tuple[RunSummary, ...], tests: list[_Test], now: float
    ) -> list[tuple[RunSummary, RowText]]:
        """Those that meet all words but the last, which is the one that is being typed."""
        about = (self._understood.rpartition(" ")[0], len(tests), int(now))
        if self._before[0] is not runs or self._before[1] != about:
            pairs = self._pairs(runs)
            # one test after the other: a call for each run and each test would cost as much again
            for test in tests:
                pairs = [pair for pair in pairs if test(pair[0], now, pair[1])]
            self._before = (runs, about, pairs)
        return self._before[2]

    def _pairs(self, runs: tuple[RunSummary, ...]) -> list[tuple[RunSummary, RowText]]:
        """Every run with its text, as long as they are the same runs."""
        if self._paired[0] is not runs:
            self._paired = (runs, [self._pair(run) for run in runs])
        return self._paired[1]

    def _pair(self, run: RunSummary) -> tuple[RunSummary, RowText]:
        known = self._texts.get(run.id)
        if known is None or known[0] is not run:
            known = self._texts[run.id] = (run, run_text(run))
        return known
