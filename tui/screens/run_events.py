"""EventsPane: the history of a run as a table that can be filtered and jumped from."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from textual.containers import Vertical
from textual.message import Message

from rankdeck.text import age, event_columns
from tui.event_rows import EventRow, EventRows
from tui.keys import Scope, bindings
from tui.looks import Piece, safe
from tui.widgets.bars import LineBar
from tui.widgets.row_table import Column, RowTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from textual.app import ComposeResult

    from rankdeck.run.events import Event

_STYLES = {"failure": "error", "problem": "error", "command": "accent", "note": "dim"}
_COLUMNS = (
    Column("time", "TIME", 12),
    Column("kind", "EVENT", 10),
    Column("subject", "WHERE", 10, share=1, most=24),
    Column("state", "STATE", 10, from_width=60),
    Column("details", "WHAT", 12, share=6),
)


def event_cells(row: EventRow, now: float, *, relative: bool) -> dict[str, Piece]:
    """A row as the columns of the table. Pure."""
    when, kind, subject, state, details = row.columns()
    style = "error" if row.bad else _STYLES.get(kind, "")
    if relative:
        when = f"{age(now - row.first.t)} ago" if now >= row.first.t else "now"
    return {
        "time": (when, "dim"),
        "kind": (kind, style),
        "subject": (subject, ""),
        "state": (safe(state), style),
        "details": (safe(details), style),
    }


def filter_events(events: Iterable[Event], words: str) -> tuple[Event, ...]:
    """The events that contain all these words; `!word`: that do not. Pure."""
    wanted = words.casefold().split()
    if not wanted:
        return tuple(events)

    def met(event: Event) -> bool:
        text = " ".join(event_columns(event)).casefold()
        return all(
            word[1:] not in text if len(word) > 1 and word[0] == "!" else word in text
            for word in wanted
        )

    return tuple(event for event in events if met(event))


class _Events(RowTable[EventRow]):
    """The table itself."""

    BINDINGS = bindings(Scope.EVENTS)

    def __init__(self) -> None:
        self.relative = False
        super().__init__(_COLUMNS, lambda row: row.key, self._cells_of, marks=False)

    def _cells_of(self, row: EventRow, now: float, _: Mapping[str, int]) -> Mapping[str, Piece]:
        return event_cells(row, now, relative=self.relative)

    def action_filter(self) -> None:
        """Ask what to show: the screen does."""
        self.post_message(EventsPane.FilterAsked())

    def action_times(self) -> None:
        """Times of day, or how long ago."""
        self.relative = not self.relative
        self.tick(self._now)

    def action_fold(self) -> None:
        """Tell what is alike together, or every event in a row of its own."""
        self.post_message(EventsPane.FoldAsked())

    def action_trouble(self, step: int) -> None:
        """Go to the next event that tells of trouble, or to the one before."""
        places = [place for place, row in enumerate(self.rows) if row.bad]
        ahead = [place for place in places if (place - self.cursor) * step > 0]
        if ahead:
            self.cursor = ahead[0] if step > 0 else ahead[-1]
        else:
            told = "no more trouble this way" if places else "no event tells of trouble"
            self.notify(told, markup=False, timeout=3)


class EventsPane(Vertical):
    """The history, oldest first; stays at its end until the cursor is moved away."""

    DEFAULT_CSS = """
    EventsPane { height: 1fr; }
    EventsPane > #event { color: $text-muted; }
    """

    class FilterAsked(Message):
        """The user wants to type a filter."""

    class FoldAsked(Message):
        """The user wants to see what is alike together, or one by one."""

    class Refolded(Message):
        """The title says something else."""

    def __init__(self) -> None:
        super().__init__(id="events")
        self.table = _Events()
        self.words = ""
        self._events: tuple[Event, ...] = ()
        self.folded = True
        self._count = 0
        self._rows = EventRows()
        self._line = LineBar(id="event")

    def compose(self) -> ComposeResult:
        """The table, and the whole of the event under the cursor."""
        yield self.table
        yield self._line

    @property
    def selected(self) -> Event | None:
        """The event under the cursor; the first one of its row."""
        row = self.table.selected
        return None if row is None else row.first

    def show(self, events: Sequence[Event], now: float) -> None:
        """Show this history; only what is new is looked at."""
        old, self._events = self._events, tuple(events)
        if not old or self._events[: len(old)] != old:
            self._begin_anew()
        else:
            self._add(self._events[len(old) :])
        self._fill(now)

    def _begin_anew(self) -> None:
        self._rows, self._count = EventRows(folded=self.folded), 0
        self._add(self._events)

    def _add(self, events: Sequence[Event]) -> None:
        found = filter_events(events, self.words)
        self._count += len(found)
        self._rows.add(found)

    def _fill(self, now: float) -> None:
        table = self.table
        at_end = table.cursor >= len(table.rows) - 1
        table.nothing = "No event has all these words; / shows others." if self.words else ""
        table.show(self._rows.rows, now)
        if at_end and table.rows:
            table.cursor = len(table.rows) - 1
        self._show_event()

    def on_events_pane_fold_asked(self, event: FoldAsked) -> None:
        """Tell what is alike together, or one by one; the cursor stays on its event."""
        event.stop()
        selected = self.selected
        self.folded = not self.folded
        self._begin_anew()
        self._fill(self.table.moment)
        if selected is not None:
            place = [row for row in self.table.rows if selected in row.events]
            self.table.select(place[0].key if place else "")
        self.post_message(self.Refolded())

    def filter(self, words: str, now: float) -> None:
        """Show only the events that contain all these words."""
        self.words = words
        self._begin_anew()
        self._fill(now)

    def tick(self, now: float) -> None:
        """Let ages grow."""
        if self.table.relative:
            self.table.tick(now)

    @property
    def title(self) -> str:
        """How much of the history is shown."""
        rows = len(self.table.rows)
        told = f"{len(self._events):,}"
        if self.words:
            told = f"{self._count:,} of {told}: {safe(self.words)}"
        return told if rows == self._count else f"{told}, in {rows:,} rows"

    def on_row_table_moved(self, event: RowTable.Moved) -> None:
        """Show the whole of what is under the cursor."""
        event.stop()
        self._show_event()

    def _show_event(self) -> None:
        row = self.table.selected
        if row is None:
            self._line.show(((" nothing to show", "dim"),))
            return
        event = row.first
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event.t))
        details = safe(event_columns(event)[4])
        if len(row.events) > 1:
            until = time.strftime("%H:%M:%S", time.localtime(row.events[-1].t))
            _, kind, subject, state, _ = row.columns()
            when = f"{when} – {until}"
            whose = subject if subject.startswith(kind) else f"{kind} {subject}"
            details = " ".join(part for part in (safe(whose), safe(state), details) if part)
        hint = f" · try: {safe(event.hint)}" if event.hint else ""
        self._line.show(((f" {when} ", "dim"), (f"{details}{hint}", "")))
