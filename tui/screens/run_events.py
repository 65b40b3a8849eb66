"""EventsPane: the history of a run as a table that can be filtered and jumped from."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from textual.containers import Vertical
from textual.message import Message

from rankdeck.run.node_state import RankState
from rankdeck.text import age, event_columns
from tui.keys import Scope, bindings
from tui.looks import Piece, safe
from tui.widgets.bars import LineBar
from tui.widgets.row_table import Column, RowTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from textual.app import ComposeResult

    from rankdeck.run.events import Event

_STYLES = {"failure": "error", "problem": "error", "command": "accent", "note": "dim"}
_BAD = (RankState.FAILED.value, RankState.LOST.value)
_COLUMNS = (
    Column("time", "TIME", 12),
    Column("kind", "EVENT", 10),
    Column("subject", "WHERE", 10, share=1, most=24),
    Column("state", "STATE", 10, from_width=60),
    Column("details", "WHAT", 12, share=6),
)


def event_cells(event: Event, now: float, *, relative: bool) -> dict[str, Piece]:
    """One event as the columns of the table. Pure."""
    when, kind, subject, state, details = event_columns(event)
    style = "error" if state in _BAD else _STYLES.get(kind, "")
    if relative:
        when = f"{age(now - event.t)} ago" if now >= event.t else "now"
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


class _Events(RowTable["Event"]):
    """The table itself."""

    BINDINGS = bindings(Scope.EVENTS)

    def __init__(self) -> None:
        self.relative = False
        super().__init__(_COLUMNS, lambda event: str(event.seq), self._cells_of, marks=False)

    def _cells_of(self, event: Event, now: float, _: Mapping[str, int]) -> Mapping[str, Piece]:
        return event_cells(event, now, relative=self.relative)

    def action_filter(self) -> None:
        """Ask what to show: the screen does."""
        self.post_message(EventsPane.FilterAsked())

    def action_times(self) -> None:
        """Times of day, or how long ago."""
        self.relative = not self.relative
        self.tick(self._now)


class EventsPane(Vertical):
    """The history, oldest first; stays at its end until the cursor is moved away."""

    DEFAULT_CSS = """
    EventsPane { height: 1fr; }
    EventsPane > #event { color: $text-muted; }
    """

    class FilterAsked(Message):
        """The user wants to type a filter."""

    def __init__(self) -> None:
        super().__init__(id="events")
        self.table = _Events()
        self.words = ""
        self._events: tuple[Event, ...] = ()
        self._shown: tuple[Event, ...] = ()
        self._line = LineBar(id="event")

    def compose(self) -> ComposeResult:
        """The table, and the whole of the event under the cursor."""
        yield self.table
        yield self._line

    @property
    def selected(self) -> Event | None:
        """The event under the cursor."""
        return self.table.selected

    def show(self, events: Sequence[Event], now: float) -> None:
        """Show this history; only what is new is looked at."""
        old, self._events = self._events, tuple(events)
        if not old or self._events[: len(old)] != old:
            self._shown = filter_events(self._events, self.words)
        else:
            self._shown += filter_events(self._events[len(old) :], self.words)
        self._fill(now)

    def _fill(self, now: float) -> None:
        table = self.table
        at_end = table.cursor >= len(table.rows) - 1
        table.show(self._shown, now)
        if at_end and self._shown:
            table.cursor = len(self._shown) - 1
        self._show_event()

    def filter(self, words: str, now: float) -> None:
        """Show only the events that contain all these words."""
        self.words = words
        self._shown = filter_events(self._events, words)
        self._fill(now)

    def tick(self, now: float) -> None:
        """Let ages grow."""
        if self.table.relative:
            self.table.tick(now)

    @property
    def title(self) -> str:
        """How much of the history is shown."""
        if not self.words:
            return f"{len(self._events):,} events"
        return f"{len(self._shown):,} of {len(self._events):,} events: {safe(self.words)}"

    def on_row_table_moved(self, event: RowTable.Moved) -> None:
        """Show the whole of what is under the cursor."""
        event.stop()
        self._show_event()

    def _show_event(self) -> None:
        event = self.selected
        if event is None:
            self._line.show(((" nothing to show", "dim"),))
            return
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event.t))
        details = safe(event_columns(event)[4])
        hint = f" · try: {safe(event.hint)}" if event.hint else ""
        self._line.show(((f" {when} ", "dim"), (f"{details}{hint}", "")))
