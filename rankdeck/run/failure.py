"""The failure of an attempt, as it goes into the event log. Imported only when there is one."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import msgspec

from rankdeck.run import policy
from rankdeck.run.eventlog import read_events
from rankdeck.run.events import EventKind
from rankdeck.run.signals import signal_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rankdeck.run.desk import Desk
    from rankdeck.run.events import Event
    from rankdeck.run.policy import Stop
    from rankdeck.run.state import Failure

_SENT_SECONDS = 15.0
"""Within this time of a signal that was asked for, the same signal is taken for that one."""


def find_failure(desk: Desk, stop: Stop | None, reason: str) -> tuple[Failure, str]:
    """Who failed first and why, and a note if the diagnosis itself went wrong."""
    state, now = desk.state, desk.clock.wall()
    own = policy.own_failure(state, desk.said(), stop, now, desk.ending)
    if own is not None:
        return _with_load(own, desk)
    try:
        from rankdeck.diagnose.first_failure import first_failure

        found = first_failure(state, tuple(desk.said().values()), desk.run)
    except Exception:
        # evidence is whatever a dying job left behind; the run must end even if that defeats us
        note = f"the diagnosis failed: {traceback.format_exc().strip().splitlines()[-1]}"
        traceback.print_exc()
        return policy.plain_failure(state, reason, now), note
    if found is not None and found.signal is not None:
        found = name_sender(found, read_events(desk.run))
    return _with_load(found or policy.plain_failure(state, reason, now), desk)


def _with_load(failure: Failure, desk: Desk) -> tuple[Failure, str]:
    """The failure with what its node did before, and a note if that cannot be read."""
    from rankdeck.diagnose.last_load import with_load

    try:
        return with_load(failure, desk.run, desk.state.attempt), ""
    except OSError as error:
        return failure, f"the history of the node's load cannot be read: {error}"


def name_sender(failure: Failure, events: Iterable[Event]) -> Failure:
    """The failure, with who sent the signal that ended the rank, where a user asked for that."""
    end = failure.time
    for event in events:
        if event.kind is not EventKind.COMMAND or event.signal != failure.signal:
            continue
        near = end is None or abs(end - event.t) <= _SENT_SECONDS
        if near and event.ranks and failure.rank in event.ranks:
            name, by = signal_name(event.signal or 0), f" by {event.by}" if event.by else ""
            return msgspec.structs.replace(
                failure,
                category="signalled",
                certainty="certain",
                summary=f"rank {failure.rank} on {failure.node} was sent {name}{by}",
                hint="",
            )
    return failure
