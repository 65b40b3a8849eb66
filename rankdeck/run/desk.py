"""What the parts of a conductor share: the run's journal, its agents, its clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.errors import UserError
from rankdeck.run.agents import Agents
from rankdeck.run.events import Event, EventKind
from rankdeck.run.orders import build_order

if TYPE_CHECKING:
    from rankdeck.agent_order import AgentCommand, AgentOrder
    from rankdeck.backend import Session
    from rankdeck.backend_reports import Ended
    from rankdeck.plan.records import LaunchPlan
    from rankdeck.run.clock import Clock
    from rankdeck.run.journal import Journal
    from rankdeck.run.layout import RunDir
    from rankdeck.run.load_history import LoadKeeper
    from rankdeck.run.node_state import NodeState
    from rankdeck.run.state import RunNode, RunState


class Desk:
    """One run being conducted."""

    def __init__(
        self, run: RunDir, plan: LaunchPlan, session: Session, journal: Journal, clock: Clock
    ) -> None:
        """Lay everything out; the agents known to the journal are watched from now on."""
        self.run = run
        self.plan = plan
        self.session = session
        self.journal = journal
        self.clock = clock
        self.ending: Ended | None = None
        """What carried the agents of this attempt has ended, and why."""
        self._loads: LoadKeeper | None = None
        self.agents = Agents(run, plan, session, clock)
        for node in journal.state.nodes:
            self.agents.begin(node.name, node.agent)

    def bind(self, plan: LaunchPlan) -> None:
        """Go on with the nodes a scheduler has chosen."""
        self.plan = plan
        self.agents = Agents(self.run, plan, self.session, self.clock)

    def order(self, node: RunNode) -> AgentOrder:
        """What the agent on `node` is to do in this attempt."""
        return build_order(self.run, self.plan, self.plan.nodes[node.node_rank], self.state.attempt)

    @property
    def state(self) -> RunState:
        """The run as it is now."""
        return self.journal.state

    def said(self) -> dict[str, NodeState]:
        """The last word of each agent of the current attempt, by node name."""
        return self.agents.said(self.state.attempt)

    def keep_loads(self, *, last: bool = False) -> None:
        """Keep what the nodes did; `last`: the attempt has ended, write all of it down."""
        said = self.said()
        if self._loads is None:
            if all(word.load is None for word in said.values()):
                return
            # not needed before the ranks run, and they should not wait for it
            from rankdeck.run.load_history import LoadKeeper

            self._loads = LoadKeeper(self.run)
        self._loads.take(said, self.state.nodes)
        if last:
            self._loads.flush()

    def record(self, *facts: Event) -> None:
        """Write facts down; a reader may see any number of them from the front."""
        self.journal.record(facts)

    def tell(self, node: RunNode, command: AgentCommand) -> None:
        """Send the agent a command, once; one that cannot be sent now is sent by a later call."""
        try:
            self.agents.send_once(node, command)
        except UserError as error:
            if self.agents.newly_deaf(node):
                self.record(self.note(error.message, node))

    def fact(self, kind: EventKind, **fields: object) -> Event:
        """An event of this attempt that happens now, unless the fields say otherwise."""
        fields.setdefault("t", self.clock.wall())
        fields.setdefault("attempt", self.state.attempt)
        return Event(seq=0, kind=kind, **fields)  # type: ignore[arg-type]

    def problem(self, node: RunNode, category: str, message: str, hint: str = "") -> Event:
        """A node could not start or go on."""
        return self.fact(
            EventKind.PROBLEM,
            node=node.name,
            category=category,
            message=message,
            hint=hint or None,
        )

    def link_down(self, node: RunNode, why: str) -> Event:
        """A node cannot be heard, since its agent's last word."""
        heard = self.clock.wall() - self.agents.silence(node)
        return self.fact(EventKind.LINK, t=heard, node=node.name, state="down", message=why or None)

    def note(self, message: str, node: RunNode | None = None) -> Event:
        """Something worth telling."""
        return self.fact(EventKind.NOTE, node=node.name if node else None, message=message)
