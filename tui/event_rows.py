"""EventRows: the history of a run, with what many ranks or nodes did alike in one row. No widget.

512 ranks that start are 1,500 events that say three things. Events are told together where they
differ only in who they are about and follow each other closely; each row keeps all of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rankdeck.nodes.names import fold_names
from rankdeck.run.events import EventKind
from rankdeck.run.node_state import RankState
from rankdeck.text import event_columns, ranges, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rankdeck.run.events import Event

_TOGETHER = 5.0
"""Seconds between two events that are told in one row."""
_BAD_KINDS = (EventKind.FAILURE, EventKind.PROBLEM)
_BAD_STATES = (RankState.FAILED.value, RankState.LOST.value)


@dataclass(frozen=True, slots=True)
class EventRow:
    """Events that say the same, in the order of time."""

    events: tuple[Event, ...]

    @property
    def first(self) -> Event:
        """The first of them."""
        return self.events[0]

    @property
    def key(self) -> str:
        """What tells the row from all others, also when it grows."""
        return str(self.first.seq)

    @property
    def bad(self) -> bool:
        """Whether it tells of trouble."""
        return self.first.kind in _BAD_KINDS or self.first.state in _BAD_STATES

    def columns(self) -> tuple[str, str, str, str, str]:
        """As `rankdeck.text.event_columns`: who it is about names all."""
        when, kind, subject, state, details = event_columns(self.first)
        count = len(self.events)
        if count == 1:
            return when, kind, subject, state, details
        numbers = sorted({event.rank for event in self.events if event.rank is not None})
        if numbers:
            subject = f"rank {ranges(numbers)}"
        else:
            names = dict.fromkeys(event.node or "" for event in self.events)
            subject = shown(fold_names(names))
        return when, kind, subject, state, f"×{count}  {details}".rstrip()


class EventRows:
    """Takes events as they come and keeps the rows that they make."""

    def __init__(self, *, folded: bool = True) -> None:
        """No rows yet; `folded`: tell what is alike together."""
        self._folded = folded
        self._rows: list[EventRow] = []
        self._open: dict[tuple[object, ...], int] = {}

    @property
    def rows(self) -> tuple[EventRow, ...]:
        """The rows, each where its first event stood."""
        return tuple(self._rows)

    def add(self, events: Iterable[Event]) -> None:
        """Take the next events."""
        grown: dict[int, list[Event]] = {}
        for event in events:
            about = _about(event) if self._folded else None
            place = self._open.get(about) if about is not None else None
            if place is not None:
                known = grown.get(place) or self._rows[place].events
                if event.t - known[-1].t <= _TOGETHER:
                    grown.setdefault(place, list(known)).append(event)
                    continue
            if about is not None:
                self._open[about] = len(self._rows)
            self._rows.append(EventRow((event,)))
        for place, together in grown.items():
            self._rows[place] = EventRow(tuple(together))


def _about(event: Event) -> tuple[object, ...] | None:
    """What events in one row have in common; None: it stands for itself."""
    if event.rank is None and event.node is None:
        return None
    return (
        event.kind,
        event.attempt,
        event.rank is None,
        event.state,
        event.exit_code,
        event.signal,
        event.command,
        event.outcome,
        event.message,
    )
