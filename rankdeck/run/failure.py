"""The failure of an attempt, as it goes into the event log. Imported only when there is one."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from rankdeck.diagnose.first_failure import first_failure
from rankdeck.run import policy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rankdeck.run.layout import RunDir
    from rankdeck.run.node_state import NodeState
    from rankdeck.run.policy import Stop
    from rankdeck.run.state import Failure, RunState


def find_failure(
    state: RunState,
    nodes: Sequence[NodeState],
    run: RunDir,
    stop: Stop | None,
    reason: str,
    now: float,
) -> tuple[Failure, str]:
    """Who failed first and why, and a note if the diagnosis itself went wrong."""
    own = policy.own_failure(state, stop, now)
    if own is not None:
        return own, ""
    try:
        found = first_failure(state, nodes, run)
    except Exception:
        # evidence is whatever a dying job left behind; a run must end even if that defeats us
        note = f"the diagnosis failed: {traceback.format_exc().strip().splitlines()[-1]}"
        traceback.print_exc()
        return policy.plain_failure(state, reason, now), note
    return found or policy.plain_failure(state, reason, now), ""
