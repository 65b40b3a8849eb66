"""Agents that are gone without having said that they are done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.run import policy
from rankdeck.run.agents import Loss
from rankdeck.run.events import Event, EventKind
from rankdeck.run.node_state import NodePhase, RankState
from rankdeck.run.observe import leftover_message

if TYPE_CHECKING:
    from collections.abc import Callable

    from rankdeck.backend_reports import Swept
    from rankdeck.run.desk import Desk
    from rankdeck.run.state import RunNode

_SWEEP_SECONDS = 25.0
"""After which an unanswered sweep is no longer waited for."""
_HEARD_SECONDS = 0.2
"""By how much an agent's word must be later than the silence it ends; clocks drift."""
_LAST_WORDS_SECONDS = 5.0
"""Silence of an agent after what carried it has ended."""


class Losses:
    """Notices lost and silent agents, and makes sure that a lost one leaves nothing behind."""

    def __init__(self, desk: Desk, record_news: Callable[[], None]) -> None:
        """`record_news` writes down what the agents have said last."""
        self._desk = desk
        self._record_news = record_news
        self._sweeping: dict[str, tuple[Loss | None, float]] = {}

    @property
    def sweeping(self) -> bool:
        """Whether a node is being swept."""
        return bool(self._sweeping)

    def check(self) -> None:
        """Look after every agent that should be there."""
        desk = self._desk
        for node in desk.state.nodes:
            # an agent may be heard before the backend has told where it is
            if node.agent is None or node.state in policy.OVER:
                continue
            loss = desk.agents.loss(node)
            ended = desk.ending is not None and desk.agents.silence(node) >= _LAST_WORDS_SECONDS
            if loss is not None or ended:
                self.lose(node, Loss.ENDED if loss is None else loss)
            else:
                self._tell_silence(node)
        self._lose_patience()

    def catch_up(self) -> None:
        """Write down everything that agents have said until now."""
        self._desk.agents.look(self._desk.state.attempt)
        self._record_news()

    def lose(self, node: RunNode, loss: Loss) -> None:
        """Record that the agent is gone, after ending whatever it has left behind."""
        if node.name in self._sweeping:
            return
        desk = self._desk
        self.catch_up()
        word = desk.said().get(node.name)
        if word is not None and word.phase is NodePhase.DONE:
            return
        if loss in (Loss.UNREACHABLE, Loss.ENDED):
            self._write_down(node, loss, [])
        else:
            self.sweep(node, loss)

    def sweep(self, node: RunNode, loss: Loss | None = None) -> None:
        """End everything of the run on that node; with `loss`, the node is lost after that."""
        if node.name not in self._sweeping:
            self._sweeping[node.name] = (loss, self._desk.clock.steady())
            self._desk.session.sweep(node.name)

    def swept(self, node: RunNode, report: Swept) -> None:
        """A sweep was answered."""
        loss, _ = self._sweeping.pop(node.name, (None, 0.0))
        if report.error and node.silent_since is not None:
            loss = loss and Loss.UNREACHABLE
        desk, notes = self._desk, []
        if report.error:
            notes.append(desk.note(report.error, node))
        elif report.left:
            notes.append(desk.note(leftover_message(report.left), node))
        if loss is None:
            desk.record(*notes)
        else:
            self._write_down(node, loss, notes, clean=not report.error)

    def _lose_patience(self) -> None:
        now = self._desk.clock.steady()
        for node in self._desk.state.nodes:
            loss, since = self._sweeping.get(node.name, (None, now))
            if now - since >= _SWEEP_SECONDS:
                del self._sweeping[node.name]
                note = self._desk.note(f"{node.name}: processes of this run may be left", node)
                if loss is None:
                    self._desk.record(note)
                else:
                    self._write_down(node, loss, [note], clean=False)

    def _tell_silence(self, node: RunNode) -> None:
        desk = self._desk
        silence, since = desk.agents.silence(node), node.silent_since
        if since is None and desk.agents.is_silent(node):
            desk.record(desk.link_down(node, "its agent says nothing"))
        elif since is not None and silence < desk.clock.wall() - since - _HEARD_SECONDS:
            desk.record(desk.fact(EventKind.LINK, node=node.name, state="up"))

    def _write_down(
        self, node: RunNode, loss: Loss, notes: list[Event], *, clean: bool = True
    ) -> None:
        """`clean`: it is known that nothing is left there."""
        desk = self._desk
        self.catch_up()
        word = desk.said().get(node.name)
        category, message = self._describe(node, loss, silent=word is None)
        if not clean and loss is not Loss.UNREACHABLE:
            message = f"the agent on {node.name} was lost, and its ranks may still run"
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
            *([] if node.problem else [desk.problem(node, category, message, hint)]),
            desk.fact(EventKind.AGENT, t=now, node=node.name, state="lost"),
        )

    def _last_agent_line(self, node: RunNode) -> str:
        try:
            with open(self._desk.run.node(node.name).agent_log, "rb") as stream:
                lines = stream.read()[-4096:].decode(errors="replace").split("\n")
        except OSError:
            return ""
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f"its last words: {last[:200]}" if last else ""

    def _describe(self, node: RunNode, loss: Loss, *, silent: bool) -> tuple[str, str]:
        ending = self._desk.ending
        if ending is not None and (
            loss is Loss.ENDED or (loss is Loss.DEAD and (ending.stopped or ending.again))
        ):
            return ending.category, ending.message
        if loss is Loss.UNREACHABLE:
            why = f": {node.silence}" if node.silence else ""
            return policy.UNREACHABLE, f"{node.name} cannot be reached any more{why}"
        if loss is Loss.STUCK:
            return policy.AGENT_LOST, (
                f"the agent on {node.name} did not end its ranks in time; both have been killed"
            )
        if silent:
            return policy.AGENT_LOST, (
                f"the agent on {node.name} ended before it could start anything"
            )
        return policy.AGENT_LOST, (
            f"the agent on {node.name} was killed; everything it had started has been ended"
        )
