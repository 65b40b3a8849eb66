"""Clocks of nodes that differ from ours: measured from what agents write, recorded, made up for.

An agent's file says when it was written; seen here a moment later, it shows how far the node's
clock is ahead. Delays on the way only make it look less so, hence the greatest of many samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.run.events import EventKind

if TYPE_CHECKING:
    from rankdeck.run.desk import Desk
    from rankdeck.run.state import RunNode

_WORTH_TELLING = 1.5
"""Seconds; below, the way of the file to us explains as much."""
_NEWS = 1.0
"""Seconds by which a clock must have moved to be told again."""


def check_clocks(desk: Desk) -> None:
    """Record how far each node's clock is ahead of ours, where it is worth it."""
    for node in desk.state.nodes:
        ahead = desk.agents.clock_ahead(node)
        if ahead is not None:
            take_clock(desk, node, ahead)


def take_clock(desk: Desk, node: RunNode, ahead: float) -> None:
    """Record by how many seconds a node's clock is ahead of ours, if that is worth it and new."""
    if abs(ahead - node.clock_ahead) < _NEWS:
        return
    if abs(ahead) < _WORTH_TELLING:
        ahead = 0.0
    if ahead == node.clock_ahead:
        return
    way = "ahead of" if ahead > 0 else "behind"
    message = f"the clock of {node.name} is {abs(ahead):.1f} s {way} this machine's"
    desk.record(
        desk.fact(
            EventKind.CLOCK,
            node=node.name,
            ahead=round(ahead, 3),
            message=message if ahead else f"the clock of {node.name} agrees with ours again",
        )
    )
