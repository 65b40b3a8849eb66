"""LogPane: one log, followed, paged through and searched; a view, a status line, a search line.

The owner calls `tick` at most ten times a second; between ticks nothing runs, and a tick in which
nothing has changed repaints nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Input, Static
from textual.worker import Worker, WorkerState, get_current_worker

from rankdeck.errors import UserError
from rankdeck.logs.file import Change
from tui.keys import Scope, bindings
from tui.widgets.log_lines import safe_text
from tui.widgets.log_search import ERRORS, Search, Wanted, wanted
from tui.widgets.log_view import LogView

if TYPE_CHECKING:
    from pathlib import Path

    from textual.app import ComposeResult
    from textual.binding import BindingType
    from typing_extensions import Self

_INDEX_BUDGET = 4 << 20
"""Bytes of which lines are counted in one tick."""
_COUNT_BUDGET = 4 << 20
_MIB = 1 << 20


class _SearchLine(Input):
    """Where a search is typed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Close", tooltip="Close the search line", show=False)
    ]

    class Left(Message):
        """The user does not want to search after all."""

    def action_leave(self) -> None:
        """Close the search line."""
        self.post_message(self.Left())


class LogPane(Vertical):
    """The log of one rank or launcher."""

    DEFAULT_CSS = """
    LogPane { height: 1fr; }
    LogPane > #log-status { height: 1; color: $text-muted; }
    LogPane > #log-search { height: 1; border: none; padding: 0; display: none; }
    LogPane.-searching > #log-search { display: block; }
    """
    BINDING_GROUP_TITLE = "Log"
    BINDINGS = bindings(Scope.LOG)

    status: reactive[str] = reactive("", repaint=False)
    """Where the view is: `following · 182,331 lines`."""

    class SearchEnded(Message):
        """A search has come to its end; handled by the pane itself."""

        def __init__(self, search: Search) -> None:
            super().__init__()
            self.search = search

    def __init__(
        self,
        *,
        name: str | None = None,
        id: str | None = None,  # noqa: A002 - the library's own name for it
        classes: str | None = None,
    ) -> None:
        """Begin without a log; `open` gives it one."""
        super().__init__(name=name, id=id, classes=classes)
        self._view = LogView()
        self._input = _SearchLine(
            placeholder="text, or re:expression", id="log-search", compact=True
        )
        self._line = Static("", id="log-status", markup=False)
        self._path: Path | None = None
        self._title = ""
        self._problem = ""
        self._notice = ""
        self._text_wanted: Wanted | None = None
        self._search: Search | None = None
        self._worker: Worker[None] | None = None
        self._seen_to = 0
        self._new_lines = 0
        self._shown = ""

    def compose(self) -> ComposeResult:
        """The view, the search line and the status line."""
        yield self._view
        yield self._input
        yield self._line

    def on_mount(self) -> None:
        """Say what there is to say before the first tick."""
        self._tell()

    def on_unmount(self) -> None:
        """Stop looking."""
        self._cancel_search()

    def focus(self, scroll_visible: bool = True) -> Self:
        """Give the keys to the log."""
        self._view.focus(scroll_visible)
        return self

    @property
    def view(self) -> LogView:
        """The part that shows lines."""
        return self._view

    @property
    def following(self) -> bool:
        """Whether the end of the log is shown as it grows."""
        return self._view.viewport is not None and self._view.viewport.follow

    def open(self, path: Path, title: str) -> None:
        """Show the log at `path`, at its end, following it; it need not be there yet."""
        self._title = safe_text(title)
        if path == self._path:
            self._tell()
            return
        self._path = path
        self._cancel_search()
        self._problem = self._notice = ""
        self._view.empty = "no output yet"
        self._start_counting()
        try:
            self._view.open(path)
        except OSError as error:
            self._fail(error)
        self._tell()

    def tick(self) -> None:
        """Look for news; at most ten times a second."""
        if self._path is None:
            return
        try:
            if self._view.viewport is None:
                self._view.open(self._path)
                self._problem, self._view.empty = "", "no output yet"
            change = self._view.poll(_INDEX_BUDGET)
            if change is Change.RESET:
                self._start_counting()
            self._count_new()
        except OSError as error:
            self._fail(error)
        self._tell()

    def _fail(self, error: OSError) -> None:
        self._problem = f"cannot be read: {error.strerror or error}"
        if self._view.viewport is None:
            self._view.empty = self._problem
            self._view.show()

    def _start_counting(self) -> None:
        viewport = self._view.viewport
        self._seen_to = viewport.file.size if viewport is not None else 0
        self._new_lines = 0

    def _count_new(self) -> None:
        """Count the lines that have come since the view stood still, some at a time."""
        viewport = self._view.viewport
        if viewport is None or viewport.follow:
            self._start_counting()
            return
        data = viewport.file.read(
            self._seen_to, min(_COUNT_BUDGET, viewport.file.size - self._seen_to)
        )
        self._seen_to += len(data)
        self._new_lines += data.count(b"\n")

    def _tell(self) -> None:
        parts = [self._title] if self._title else []
        if self._search is not None:
            self._notice = f"searching {self._search.wanted.name} {self._search.percent}%"
        viewport = self._view.viewport
        told = []
        if self._problem:
            told.append(self._problem)
        elif viewport is not None:
            told.append("following" if viewport.follow else "paused")
            if self._new_lines:
                told.append(f"+{self._new_lines:,} line{'' if self._new_lines == 1 else 's'}")
            told.append(self._length())
            if viewport.wrap:
                told.append("wrapped")
            if self._view.column:
                told.append(f"column {self._view.column + 1}")
        if self._notice:
            told.append(safe_text(self._notice))
        self.status = " · ".join(told)
        text = " — ".join([*parts, self.status]) if self.status else "".join(parts)
        if self.is_mounted and text != self._shown:
            self._shown = text
            self._line.update(Content(text))

    def _length(self) -> str:
        viewport = self._view.viewport
        assert viewport is not None
        file = viewport.file
        if not file.exists:
            return "no output yet"
        if file.indexed:
            return f"{file.line_count:,} line{'' if file.line_count == 1 else 's'}"
        percent = file.indexed_bytes * 100 // max(1, file.size)
        return f"{file.size / _MIB:,.1f} MiB, lines counted {percent}%"

    def on_log_view_moved(self) -> None:
        """The mouse has moved the view."""
        self._moved()

    def _moved(self) -> None:
        self._notice = ""
        self._count_new()
        self._tell()

    def action_line(self, lines: int) -> None:
        """Go some lines up or down."""
        self._view.move(lambda viewport: viewport.move(lines))
        self._moved()

    def action_page(self, direction: int) -> None:
        """Go a page up or down."""
        self._view.move(lambda viewport: viewport.move(direction * max(1, viewport.height - 1)))
        self._moved()

    def action_begin(self) -> None:
        """Go to the first line."""
        self._view.move(lambda viewport: viewport.to_begin())
        self._moved()

    def action_end(self) -> None:
        """Go to the end and follow."""
        self._view.move(lambda viewport: viewport.to_end())
        self._moved()

    def action_follow(self) -> None:
        """Follow, or stay here."""
        viewport = self._view.viewport
        if viewport is None:
            return
        if viewport.follow:
            viewport.follow = False
            self._moved()
        else:
            self.action_end()

    def action_shift(self, cells: int) -> None:
        """Scroll sideways."""
        self._view.shift(cells)
        self._tell()

    def action_wrap(self) -> None:
        """Wrap long lines, or not."""
        if (viewport := self._view.viewport) is not None:
            viewport.wrap = not viewport.wrap
            self._view.column = 0
            self._view.show()
            self._view.refresh()
            self._tell()

    def action_numbers(self) -> None:
        """Show line numbers, or not."""
        self._view.numbers = not self._view.numbers
        self._view.show()
        self._view.refresh()

    def action_search(self) -> None:
        """Ask what to look for."""
        self.add_class("-searching")
        self._input.value = self._text_wanted.name if self._text_wanted else ""
        self._input.focus()
        self._input.select_all()

    def on__search_line_left(self) -> None:
        """Close the search line and stop looking."""
        self._close_input()

    def _close_input(self) -> None:
        self.remove_class("-searching")
        self._view.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Look for what was typed."""
        event.stop()
        self._close_input()
        if not event.value:
            self._text_wanted = None
            self._mark(None)
            self._say("")
            return
        try:
            self._text_wanted = wanted(event.value)
        except UserError as error:
            self._say(str(error))
            return
        self._start_search(self._text_wanted, backward=False)

    def action_match(self, backward: bool) -> None:
        """Go to the next match, or the one before."""
        if self._text_wanted is None:
            self._say("nothing to look for yet: press /")
        else:
            self._start_search(self._text_wanted, backward=backward)

    def action_error(self, backward: bool) -> None:
        """Go to the next line that tells of an error, or the one before."""
        self._start_search(ERRORS, backward=backward)

    def _say(self, notice: str) -> None:
        self._notice = notice
        self._tell()

    def _mark(self, wanted: Wanted | None) -> None:
        pattern = wanted.marks if wanted else None
        if pattern != self._view.pattern:
            self._view.pattern = pattern
            self._view.refresh()

    def _start_search(self, wanted: Wanted, *, backward: bool) -> None:
        viewport = self._view.viewport
        if viewport is None or self._path is None or not viewport.rows:
            self._say(f"no match for {wanted.name}")
            return
        self._cancel_search()
        self._mark(wanted)
        start = viewport.rows[0].line.offset
        for row in viewport.rows:
            if row.line.offset == self._view.found:
                start = row.line.offset if backward else row.line.end
                break
        self._search = search = Search(self._path, wanted, start, backward=backward)
        self._worker = self.run_worker(
            lambda: self._look(search),
            name="log search",
            group="log-search",
            thread=True,
            exit_on_error=False,
        )

    def _look(self, search: Search) -> None:
        """Take the steps of a search, on a thread."""
        worker = get_current_worker()
        for _ in search.steps():
            if worker.is_cancelled:
                return
        self.post_message(self.SearchEnded(search))

    def _cancel_search(self) -> None:
        if self._worker is not None:
            self._worker.cancel()
        self._worker = self._search = None

    def on_log_pane_search_ended(self, event: SearchEnded) -> None:
        """Go to what was found."""
        event.stop()
        search = event.search
        if search is not self._search:
            return
        self._worker = self._search = None
        if search.hit is None:
            self._say(f"no match for {search.wanted.name}")
            return
        offset = search.hit.offset
        self._view.found = offset
        self._view.move(lambda viewport: viewport.show_line(offset))
        self._view.reveal_column()
        self._count_new()
        self._say("went round the end" if search.wrapped else "")

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A search that failed says so."""
        if event.worker is self._worker and event.state is WorkerState.ERROR:
            self._worker = self._search = None
            self._say(f"the search failed: {event.worker.error}")
