"""The failure of an attempt, as it goes into the event log. Imported only when there is one."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from rankdeck.run import policy

if TYPE_CHECKING:
    from rankdeck.run.desk import Desk
    from rankdeck.run.policy import Stop
    from rankdeck.run.state import Failure


def find_failure(desk: Desk, stop: Stop | None, reason: str) -> tuple[Failure, str]:
    """Who failed first and why, and a note if the diagnosis itself went wrong."""
    state, now = desk.state, desk.clock.wall()
    own = policy.own_failure(state, stop, now, desk.ending)
    if own is not None:
        return own, ""
    try:
        from rankdeck.diagnose.first_failure import first_failure

        found = first_failure(state, tuple(desk.said().values()), desk.run)
    except Exception:
        # evidence is whatever a dying job left behind; the run must end even if that defeats us
        note = f"the diagnosis failed: {traceback.format_exc().strip().splitlines()[-1]}"
        traceback.print_exc()
        return policy.plain_failure(state, reason, now), note
    return found or policy.plain_failure(state, reason, now), ""
