"""What the parts of a conductor share: the run's journal, its agents, its clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.run.agents import Agents
from rankdeck.run.events import Event, EventKind

if TYPE_CHECKING:
    from rankdeck.backend import Backend
    from rankdeck.plan.records import LaunchPlan, NodePlan
    from rankdeck.run.clock import Clock
    from rankdeck.run.journal import Journal
    from rankdeck.run.layout import RunDir
    from rankdeck.run.node_state import NodeState
    from rankdeck.run.state import RunNode, RunState


class Desk:
    """One run being conducted."""

    def __init__(
        self, run: RunDir, plan: LaunchPlan, backend: Backend, journal: Journal, clock: Clock
    ) -> None:
        """Lay everything out; the agents known to the journal are watched from now on."""
        self.run = run
        self.plan = plan
        self.backend = backend
        self.journal = journal
        self.clock = clock
        self.agents = Agents(run, plan, backend, clock)
        self.planned: dict[str, NodePlan] = {node.name: node for node in plan.nodes}
        for node in journal.state.nodes:
            self.agents.begin(node.name, node.agent)

    @property
    def state(self) -> RunState:
        """The run as it is now."""
        return self.journal.state

    def said(self) -> dict[str, NodeState]:
        """The last word of each agent of the current attempt, by node name."""
        return self.agents.said(self.state.attempt)

    def record(self, *facts: Event) -> None:
        """Write facts down; a reader may see any number of them from the front."""
        self.journal.record(facts)

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

    def note(self, message: str, node: RunNode | None = None) -> Event:
        """Something worth telling."""
        return self.fact(EventKind.NOTE, node=node.name if node else None, message=message)
