"""The beginning of an attempt: agents are placed, made ready, and told to go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.agent_order import AgentCommand, AgentCommandKind
from rankdeck.run import policy
from rankdeck.run.events import EventKind
from rankdeck.run.fold import REQUEUED
from rankdeck.run.master import choose_master
from rankdeck.run.node_state import NodePhase
from rankdeck.run.state import RunPhase
from rankdeck.run.versions import versions_note

if TYPE_CHECKING:
    from rankdeck.run.desk import Desk
    from rankdeck.run.master import MasterChoice

_WAITING_SECONDS = 5.0
"""After which a run says what it is waiting for."""
_READY_SECONDS = 180.0
"""After which an agent that has not prepared its node is broken; its setup may take 120 s."""


class Placing:
    """Gets the agents of each attempt onto their nodes."""

    def __init__(self, desk: Desk) -> None:
        """Nothing is placed yet; agents that an earlier supervisor placed are adopted."""
        self._desk = desk
        self._since = desk.clock.steady()
        self._told = False
        self._master: MasterChoice | None = None
        self._open: set[str] = set()
        self._withdrawn = False
        # the last supervisor may have been killed between placing an agent and writing that down
        self._unsure = any(e.kind is EventKind.ATTEMPT for e in desk.journal.history)
        for node in desk.state.nodes:
            if node.agent is not None and node.state not in policy.OVER:
                desk.session.adopt(desk.order(node), node.agent)

    @property
    def age(self) -> float:
        """Seconds since this attempt began, or since this supervisor took it over."""
        return self._desk.clock.steady() - self._since

    @property
    def open(self) -> bool:
        """Whether the backend still owes an answer about an agent."""
        return bool(self._open)

    def begin_attempt(self, number: int, why: str, *, requeued: bool = False) -> None:
        """Record that an attempt begins; its agents are placed by `place`."""
        desk = self._desk
        desk.record(
            desk.fact(
                EventKind.ATTEMPT,
                attempt=number,
                state=RunPhase.STARTING.value,
                message=why or None,
                category=REQUEUED if requeued else None,
            )
        )
        desk.ending = None
        self.begin_again()
        self._withdrawn = False
        for node in desk.state.nodes:
            desk.agents.begin(node.name, None)

    def begin_again(self) -> None:
        """The scheduler has chosen nodes: orders are given anew, and time counts from now."""
        self._since = self._desk.clock.steady()
        self._told = False
        self._master = None
        self._open.clear()

    def answered(self, node: str) -> None:
        """The backend has answered the order for that node."""
        self._open.discard(node)

    def place(self) -> None:
        """Give the orders that are not given yet."""
        self._ask(find_only=False)

    def recover(self) -> None:
        """Only find agents already placed; the attempt is being stopped."""
        if self._open and not self._withdrawn:
            self._withdrawn = True
            self._desk.session.withdraw()
        if self._unsure:
            self._ask(find_only=True)

    def go(self) -> None:
        """Tell prepared agents to start once all of them are prepared (runs of several nodes)."""
        desk = self._desk
        if len(desk.plan.nodes) == 1:
            return
        self._tell_waiting()
        said = desk.said()
        ready = [node for node in desk.state.nodes if node.state == "ready"]
        if not ready or not (policy.begun(desk.state, said) or policy.all_ready(desk.state)):
            return
        address = self._master_address()
        if address is None:
            return
        first = desk.state.nodes[0].name
        command = AgentCommand(
            command=AgentCommandKind.GO,
            master_addr=address,
            master_port=desk.plan.master_port or (said[first].master_port if first in said else 0),
        )
        for node in ready:
            if node.name in said and said[node.name].phase is NodePhase.READY:
                desk.tell(node, command)

    def check_ready(self) -> None:
        """Record a problem for agents that take too long to prepare their nodes."""
        desk = self._desk
        if self.age < _READY_SECONDS or desk.state.state is not RunPhase.STARTING:
            return
        late = [node for node in desk.state.nodes if node.state == "placed"]
        what = "was not ready"
        if not late:
            late = [node for node in desk.state.nodes if node.state == "ready"]
            what = "could not be told to start"
        for node in late:
            if node.problem is None:
                message = f"the agent on {node.name} {what} after {_READY_SECONDS:.0f} s"
                desk.record(desk.problem(node, "agent", message))

    def _ask(self, *, find_only: bool) -> None:
        desk = self._desk
        wanted = [
            node
            for node in desk.state.nodes
            if node.agent is None
            and node.state not in policy.OVER
            and node.problem is None
            and node.name not in self._open
        ]
        if wanted:
            self._open.update(node.name for node in wanted)
            desk.session.place([desk.order(node) for node in wanted], find_only=find_only)
        self._unsure = False

    def _master_address(self) -> str | None:
        """Where the ranks meet; None: nowhere, which has been recorded as a problem."""
        desk, plan = self._desk, self._desk.plan
        if self._master is None:
            said, first = desk.said(), plan.nodes[0].address
            if unlike := versions_note({name: word.module for name, word in said.items()}):
                desk.record(desk.note(unlike))
            # agents keep what they have told: another supervisor comes to the same choice
            self._master = choose_master(
                plan.master_addr,
                plan.master_addr != first,
                {
                    node.name: said[node.name].network if node.name in said else None
                    for node in plan.nodes
                },
                first,
            )
            if self._master.note:
                desk.record(desk.note(self._master.note))
            if found := self._master.problem:
                (node,) = (node for node in desk.state.nodes if node.name == found.node)
                desk.record(desk.problem(node, policy.MASTER_ADDRESS, found.message, found.hint))
        return None if self._master.problem else self._master.address

    def _tell_waiting(self) -> None:
        desk = self._desk
        if self._told or self.age < _WAITING_SECONDS or desk.state.state is not RunPhase.STARTING:
            return
        self._told = True
        if message := policy.waiting_for(desk.state.nodes):
            desk.record(
                desk.fact(EventKind.RUN_STATE, state=RunPhase.STARTING.value, message=message)
            )
