"""DirectSession: the Session of backends whose every act is done at once, as on one machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from rankdeck.backend_reports import Absent, Ended, NotPlaced, Placed, Swept
from rankdeck.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rankdeck.agent_order import AgentCommand, AgentOrder
    from rankdeck.backend import AgentLiveness, SessionContext
    from rankdeck.backend_reports import Report
    from rankdeck.run.layout import RunDir


class Hands(Protocol):
    """What such a backend can do, each act complete when it returns."""

    def place(self, run: RunDir, order: AgentOrder, env: Mapping[str, str] | None) -> str:
        """Start an agent; its reference. Raises UserError when that is impossible."""
        ...

    def recover(self, run: RunDir, order: AgentOrder) -> str | None:
        """The reference of an agent already started for `order`, None if there is none."""
        ...

    def liveness(self, run: RunDir, node: str, ref: str) -> AgentLiveness:
        """Whether the agent is there."""
        ...

    def send(self, run: RunDir, node: str, ref: str, command: AgentCommand) -> None:
        """Put a command into the agent's inbox. Raises UserError when that is impossible."""
        ...

    def sweep(self, run: RunDir, node: str) -> tuple[int, ...]:
        """End every process of the run there; the pids that could not be ended."""
        ...


class DirectSession:
    """Acts through `Hands` and reports at once."""

    def __init__(self, hands: Hands, context: SessionContext) -> None:
        self._hands = hands
        self._run = context.run
        self._environ = context.environ
        # only an earlier supervisor's agents can be unknown, and only until the first placing
        self._look_first = context.taken_over
        self._reports: list[Report] = []

    def place(self, orders: Sequence[AgentOrder], *, find_only: bool) -> None:
        """Start, or find, an agent for each order."""
        for order in orders:
            self._reports.append(self._place_one(order, find_only=find_only))
        self._look_first = False

    def adopt(self, order: AgentOrder, ref: str) -> None:
        """Nothing to do: the reference says it all."""

    def withdraw(self) -> None:
        """Nothing is ever on its way."""

    def reports(self) -> Sequence[Report]:
        """What was done since the last call."""
        told, self._reports = self._reports, []
        return told

    def liveness(self, node: str, ref: str) -> AgentLiveness:
        """Whether the agent is there."""
        return self._hands.liveness(self._run, node, ref)

    def send(self, node: str, ref: str, command: AgentCommand) -> None:
        """Put a command into the agent's inbox."""
        self._hands.send(self._run, node, ref, command)

    def sweep(self, node: str) -> None:
        """End every process of the run there."""
        try:
            left = self._hands.sweep(self._run, node)
        except UserError as error:
            self._reports.append(Swept(node=node, error=error.message))
        else:
            self._reports.append(Swept(node=node, left=left))

    def inquire(self) -> None:
        """Nobody else could know."""
        self._reports.append(Ended())

    def release(self) -> None:
        """Nothing was taken."""

    def close(self) -> None:
        """Nothing is held."""

    def _place_one(self, order: AgentOrder, *, find_only: bool) -> Report:
        found = None
        if self._look_first or find_only:
            found = self._hands.recover(self._run, order)
        if found is not None:
            return Placed(node=order.node, ref=found)
        if find_only:
            return Absent(node=order.node)
        try:
            return Placed(node=order.node, ref=self._hands.place(self._run, order, self._environ))
        except UserError as error:
            return NotPlaced(
                node=order.node, category="spawn", message=error.message, hint=error.hint
            )
