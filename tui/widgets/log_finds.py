"""LogFinds: searching, filtering, going to a place, choosing ranks; what is typed for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.errors import UserError
from rankdeck.logs.ranks import parse_ranks
from tui.keys import shown_key_of
from tui.log_finder import Count, Seek
from tui.log_gutter import short_ranks
from tui.log_text import ERRORS, Wanted, filter_text, filters, place, wanted, went_round
from tui.widgets.log_moves import LogMoves
from tui.widgets.log_prompt import Ask

if TYPE_CHECKING:
    from tui.log_finder import Task
    from tui.log_work import LogWork
    from tui.widgets.log_prompt import LogPrompt


class LogFinds(LogMoves):
    """Finding one's way in a log."""

    _text_wanted: Wanted | None = None
    _marked: Wanted | None = None
    """What is marked in the text."""
    _brought: Wanted | None = None
    """What was looked for without being typed: the owner brought the user here."""

    # -- what is typed ----------------------------------------------------------------------

    def action_search(self) -> None:
        """Ask what to look for."""
        self._prompt.ask(Ask.SEARCH, self._text_wanted.name if self._text_wanted else "")

    def action_filter(self) -> None:
        """Ask which lines to show; what is filtered now can be changed."""
        self._prompt.ask(Ask.FILTER, filter_text(self.look.filters))

    def action_jump(self) -> None:
        """Ask where to go."""
        self._prompt.ask(Ask.JUMP)

    def action_choose_ranks(self) -> None:
        """Ask which ranks to show together."""
        self._prompt.ask(Ask.RANKS, short_ranks(self.look.ranks))

    def on_log_prompt_left(self) -> None:
        """Nothing was wanted after all."""
        self._view.focus()

    def on_log_prompt_given(self, event: LogPrompt.Given) -> None:
        """Do what was typed."""
        event.stop()
        self._view.focus()
        try:
            self._answered(event.kind, event.text)
        except UserError as error:
            self._say(error.message + (f": {error.hint}" if error.hint else ""))

    def _answered(self, kind: Ask, text: str) -> None:
        if kind is Ask.SEARCH:
            self._search(text)
        elif kind is Ask.FILTER:
            self._change(filters=filters(text))
            self._stop_tasks()
        elif kind is Ask.JUMP and text.strip():
            where = place(text)
            self._notice = ""
            self._send("place", lambda work: work.goto(where))
        elif kind is Ask.RANKS:
            self._change(ranks=parse_ranks(text) if text.strip() else (), merged=True)
            self._stop_tasks()

    # -- searching --------------------------------------------------------------------------

    def _search(self, text: str) -> None:
        self._stop_tasks()
        self._notice = ""
        if not text:
            self._text_wanted = None
            self._mark(None)
            self._tell()
            return
        self._text_wanted = wanted(text)
        self._start_seek(self._text_wanted, backward=False, counts=True)

    def action_match(self, backward: bool) -> None:
        """Go to the next match, or the one before."""
        if self._text_wanted is None:
            if self._marked is ERRORS:
                self.action_error(backward)
            else:
                self._say(f"nothing to look for yet: press {shown_key_of('log.search')}")
            return
        size, count = self._view.page.size, self._count
        known = None
        if count is not None and count.wanted is self._text_wanted:
            known = count.next(self._from(), backward=backward, size=size)
        if known is None:
            counts = count is None or count.wanted is not self._text_wanted
            self._start_seek(self._text_wanted, backward=backward, counts=counts)
            return
        position, wrapped = known
        self._mark(self._text_wanted)
        self._go_to_hit(position, went_round(backward=backward) if wrapped else "")

    def _from(self) -> int:
        """Where searching goes on: at the match we are at, else before the top of the screen."""
        page = self._view.page
        if page.row_of(page.found) is not None:
            return page.found or 0
        return page.rows[0].row.line.offset - 1 if page.rows else -1

    def action_error(self, backward: bool) -> None:
        """Go to the next line that tells of an error, or the one before."""
        self._start_seek(ERRORS, backward=backward, counts=False)

    def _mark(self, wanted: Wanted | None) -> None:
        pattern = wanted.query if wanted else None
        self._marked = wanted
        if pattern != self._view.pattern:
            self._view.pattern = pattern
            self._view.refresh()

    def _start_seek(
        self, wanted: Wanted, *, backward: bool, counts: bool, whole: bool = False
    ) -> None:
        """Look for something from here on, or in the whole log."""
        if self._target is None:
            return
        if self._seek is not None:
            self._seek.cancel()
        if counts and self._count is not None:
            self._count.cancel()
            self._count = None
        self._mark(wanted)
        self._notice = ""
        reader = self._reader
        assert reader is not None

        def done(task: Task) -> None:
            self._hand(reader, task)

        self._seek = seek = Seek(wanted, done, backward=backward, counts=counts)
        self._send("seek", lambda work: _begin(work, seek, whole=whole))
        self._tell()

    def _take(self, found: object) -> None:
        """A search has come to its end."""
        if isinstance(found, Seek):
            self._end_seek(found)
        elif isinstance(found, Count):
            self._tell()
        else:
            super()._take(found)

    def _end_seek(self, seek: Seek) -> None:
        if seek is not self._seek:
            return
        self._seek = None
        if seek.failure:
            self._say(f"the search failed: {seek.failure}")
        elif seek.hit is None:
            where = " in what the filter shows" if self.look.filters else ""
            self._say(f"no match for {seek.wanted.name}{where}")
        else:
            self._go_to_hit(seek.hit, went_round(backward=seek.backward) if seek.wrapped else "")
            if seek.counts and seek.source is not None and self._reader is not None:
                reader = self._reader
                self._count = Count(seek.wanted, lambda task: self._hand(reader, task))
                self._count.begin(seek.source)

    def _go_to_hit(self, position: int, told: str) -> None:
        self._reveal = True
        self._send("place", lambda work: work.show(position))
        self._say(told)

    @property
    def _shows_less(self) -> bool:
        """Whether `esc` has something to take away: marks that were asked for, or a filter."""
        asked = self._marked is not None and self._marked is not self._brought
        return asked or bool(self.look.filters)

    def _show_more(self) -> None:
        """Take the marks away; if there are none, the filter."""
        if self._marked is None:
            self._change(filters=())
        self._stop_tasks()
        self._mark(None)
        self._notice = ""
        self._tell()


def _begin(work: LogWork, seek: Seek, *, whole: bool) -> None:
    """Start a search, on the reader's thread, which knows where we are."""
    if work.view is None:
        seek.end_without()
        return
    source = work.view.source
    if whole:
        seek.begin(source, source.size if seek.backward else 0)
    else:
        seek.begin(source, work.seek_start(backward=seek.backward))
