"""Agents that are gone without having said that they are done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.errors import UserError
from rankdeck.run import policy
from rankdeck.run.agents import Loss
from rankdeck.run.events import Event, EventKind
from rankdeck.run.node_state import NodePhase, RankState
from rankdeck.run.observe import leftover_message

if TYPE_CHECKING:
    from collections.abc import Callable

    from rankdeck.run.desk import Desk
    from rankdeck.run.state import RunNode


class Losses:
    """Notices lost and silent agents, and makes sure that a lost one leaves nothing behind."""

    def __init__(self, desk: Desk, record_news: Callable[[], None]) -> None:
        """`record_news` writes down what the agents have said last."""
        self._desk = desk
        self._record_news = record_news

    def check(self) -> None:
        """Look after every agent that should be there."""
        for node in self._desk.state.nodes:
            if node.state == "pending" or node.state in policy.OVER:
                continue
            loss = self._desk.agents.loss(node)
            if loss is not None:
                self.lose(node, loss)
            elif (silent := self._desk.agents.newly_silent(node)) is not None:
                message = f"the agent on {node.name} has said nothing for {silent:.0f} s"
                self._desk.record(self._desk.note(message, node))

    def lose(self, node: RunNode, loss: Loss) -> None:
        """Record that the agent is gone, after ending whatever it has left behind."""
        desk = self._desk
        desk.agents.look(desk.state.attempt)
        self._record_news()
        word = desk.said().get(node.name)
        if word is not None and word.phase is NodePhase.DONE:
            return
        notes = [] if loss is Loss.UNREACHABLE else self.sweep(node)
        category, message = _describe(node, loss, silent=word is None)
        hint = "" if word is not None else self._last_agent_line(node)
        now = desk.clock.wall()
        ranks = [
            desk.fact(
                EventKind.RANK, t=now, node=node.name, rank=rank.rank, state=RankState.LOST.value
            )
            for rank in desk.state.ranks
            if rank.node == node.name and not rank.state.final
        ]
        # the agent's own event is the last: whoever finds only some of these does all of it again
        desk.record(
            *ranks,
            *notes,
            desk.problem(node, category, message, hint),
            desk.fact(EventKind.AGENT, t=now, node=node.name, state="lost"),
        )

    def sweep(self, node: RunNode) -> list[Event]:
        """End everything of the run on that node; notes about what could not be ended."""
        desk = self._desk
        try:
            left = desk.backend.sweep(desk.run, node.name)
        except UserError as error:
            return [desk.note(error.message, node)]
        return [desk.note(leftover_message(left), node)] if left else []

    def _last_agent_line(self, node: RunNode) -> str:
        try:
            with open(self._desk.run.node(node.name).agent_log, "rb") as stream:
                lines = stream.read()[-4096:].decode(errors="replace").split("\n")
        except OSError:
            return ""
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f"its last words: {last[:200]}" if last else ""


def _describe(node: RunNode, loss: Loss, *, silent: bool) -> tuple[str, str]:
    if loss is Loss.UNREACHABLE:
        return policy.UNREACHABLE, f"{node.name} cannot be reached any more"
    if loss is Loss.STUCK:
        return policy.AGENT_LOST, (
            f"the agent on {node.name} did not end its ranks in time; both have been killed"
        )
    if silent:
        return policy.AGENT_LOST, f"the agent on {node.name} ended before it could start anything"
    return policy.AGENT_LOST, (
        f"the agent on {node.name} was killed; everything it had started has been ended"
    )
