"""The beginning of an attempt: agents are placed, made ready, and told to go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.agent_order import AgentCommand, AgentCommandKind
from rankdeck.errors import UserError
from rankdeck.run import policy
from rankdeck.run.events import EventKind
from rankdeck.run.node_state import NodePhase
from rankdeck.run.orders import build_order
from rankdeck.run.state import RunPhase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rankdeck.run.desk import Desk
    from rankdeck.run.state import RunNode

_WAITING_SECONDS = 5.0
"""After which a run says what it is waiting for."""
_READY_SECONDS = 120.0
"""After which an agent that has not prepared its node counts as broken."""


class Placing:
    """Gets the agents of each attempt onto their nodes."""

    def __init__(self, desk: Desk, environ: Mapping[str, str] | None) -> None:
        """`environ` is what agents start with."""
        self._desk = desk
        self._environ = environ
        self._since = desk.clock.steady()
        self._told = False
        # the last supervisor may have been killed between placing an agent and writing that down
        self._recover = any(e.kind is EventKind.ATTEMPT for e in desk.journal.history)

    @property
    def age(self) -> float:
        """Seconds since this attempt began, or since this supervisor took it over."""
        return self._desk.clock.steady() - self._since

    def begin_attempt(self, number: int, why: str) -> None:
        """Record that an attempt begins; its agents are placed by `place`."""
        desk = self._desk
        message = why and f"attempt {number + 1} of {desk.plan.max_restarts + 1}: {why}"
        desk.record(
            desk.fact(
                EventKind.ATTEMPT,
                attempt=number,
                state=RunPhase.STARTING.value,
                message=message or None,
            )
        )
        self._since = desk.clock.steady()
        self._told = False
        for node in desk.state.nodes:
            desk.agents.begin(node.name, None)

    def place(self) -> None:
        """Place the agents that are not placed yet."""
        for node in self._desk.state.nodes:
            if node.state == "pending" and node.problem is None:
                self._place_one(node)
        self._recover = False

    def recover(self) -> None:
        """Only find agents already placed; the attempt is being stopped."""
        if self._recover:
            for node in self._desk.state.nodes:
                if node.state == "pending":
                    self._find(node)
            self._recover = False

    def go(self) -> None:
        """Tell prepared agents to start once all of them are prepared (runs of several nodes)."""
        desk = self._desk
        if len(desk.planned) == 1:
            return
        self._tell_waiting()
        said = desk.said()
        ready = [node for node in desk.state.nodes if node.state == "ready"]
        begun = any(node.state == "running" for node in desk.state.nodes)
        if not ready or not (begun or policy.all_ready(desk.state)):
            return
        first = desk.state.nodes[0].name
        command = AgentCommand(
            command=AgentCommandKind.GO,
            master_addr=desk.plan.master_addr,
            master_port=desk.plan.master_port or (said[first].master_port if first in said else 0),
        )
        for node in ready:
            if node.name in said and said[node.name].phase is NodePhase.READY:
                desk.agents.send_once(node, command)

    def check_ready(self) -> None:
        """Record a problem for agents that take too long to prepare their nodes."""
        desk = self._desk
        if self.age < _READY_SECONDS or desk.state.state is not RunPhase.STARTING:
            return
        for node in desk.state.nodes:
            if node.state == "placed" and node.problem is None:
                message = f"the agent on {node.name} was not ready after {_READY_SECONDS:.0f} s"
                desk.record(desk.problem(node, "agent", message))

    def _place_one(self, node: RunNode) -> None:
        desk = self._desk
        if self._recover and self._find(node):
            return
        order = build_order(desk.run, desk.plan, desk.planned[node.name], desk.state.attempt)
        try:
            ref = desk.backend.place(desk.run, order, self._environ)
        except UserError as error:
            desk.record(desk.problem(node, "spawn", error.message, error.hint))
            return
        self._placed(node, ref)

    def _find(self, node: RunNode) -> bool:
        desk = self._desk
        order = build_order(desk.run, desk.plan, desk.planned[node.name], desk.state.attempt)
        ref = desk.backend.recover(desk.run, order)
        if ref is not None:
            self._placed(node, ref)
        return ref is not None

    def _placed(self, node: RunNode, ref: str) -> None:
        desk = self._desk
        desk.agents.begin(node.name, ref)
        desk.record(desk.fact(EventKind.AGENT, node=node.name, state="placed", agent=ref))

    def _tell_waiting(self) -> None:
        desk = self._desk
        if self._told or self.age < _WAITING_SECONDS or desk.state.state is not RunPhase.STARTING:
            return
        self._told = True
        if message := policy.waiting_for(desk.state.nodes):
            desk.record(
                desk.fact(EventKind.RUN_STATE, state=RunPhase.STARTING.value, message=message)
            )
