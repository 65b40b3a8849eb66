"""A signal for ranks, as a command of the run: which agents get it, and what is said of that.

Imported only when somebody asks for one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rankdeck.agent_order import AgentCommand, AgentCommandKind
from rankdeck.errors import UserError
from rankdeck.text import ranges

if TYPE_CHECKING:
    from rankdeck.run.control import RunCommand
    from rankdeck.run.desk import Desk
    from rankdeck.run.state import RunNode, RunState

_ALIVE = ("running", "stopping")
_NAMED = 3


class Sent(NamedTuple):
    """What became of a signal."""

    outcome: str
    message: str
    ranks: tuple[int, ...] = ()
    """Whom it was handed on for."""


def send_signal(desk: Desk, command: RunCommand) -> Sent:
    """Hand the signal to the agents of the ranks it is for.

    A supervisor that is killed before the outcome is recorded has its successor send it again.
    """
    by = f" by {command.by}" if command.by else ""
    missing = sorted(set(command.ranks) - {rank.rank for rank in desk.state.ranks})
    if missing:
        return Sent("refused", f"there is no rank {ranges(missing)}{by}")
    reached: list[int] = []
    faults: list[str] = []
    for node, ranks in _targets(desk.state, command.ranks):
        order = AgentCommand(
            command=AgentCommandKind.SIGNAL,
            signal=command.signal.removeprefix("SIG"),
            ranks=ranks if command.ranks else (),
            reason=command.reason,
        )
        try:
            if desk.agents.send(node, order):
                reached += ranks
        except UserError as error:
            faults.append(f"{node.name}: {error.message}")
    told = f"; {'; '.join(faults[:_NAMED])}" if faults else ""
    if not reached:
        return Sent("refused", f"{command.signal}{by}: none of these ranks is running{told}")
    word = "rank" if len(reached) == 1 else "ranks"
    message = f"{command.signal} to {word} {ranges(reached)}{by}{told}"
    return Sent("accepted", message, tuple(reached))


def _targets(state: RunState, wanted: tuple[int, ...]) -> list[tuple[RunNode, tuple[int, ...]]]:
    """The nodes whose agents are to send it, with the ranks there that live."""
    chosen = set(wanted)
    by_node: dict[str, list[int]] = {}
    for rank in state.ranks:
        if not rank.state.final and (not chosen or rank.rank in chosen):
            by_node.setdefault(rank.node, []).append(rank.rank)
    return [
        (node, tuple(by_node[node.name]))
        for node in state.nodes
        if node.name in by_node and node.state in _ALIVE
    ]
