"""What the backend's session reports, turned into events and handed to whom it concerns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from rankdeck.backend_reports import (
    Absent,
    Allocated,
    ClockRead,
    Ended,
    LinkDown,
    LinkUp,
    NotPlaced,
    Placed,
    Queued,
    Swept,
    Told,
)
from rankdeck.run import policy
from rankdeck.run.binding import store_plan
from rankdeck.run.clocks import take_clock
from rankdeck.run.events import EventKind
from rankdeck.run.state import RunPhase

if TYPE_CHECKING:
    from rankdeck.backend_reports import Report
    from rankdeck.run.desk import Desk
    from rankdeck.run.losses import Losses
    from rankdeck.run.placing import Placing
    from rankdeck.run.state import RunNode
    from rankdeck.run.stopping import Stopping


class Hearing:
    """Listens to the session."""

    def __init__(self, desk: Desk, placing: Placing, losses: Losses, stopping: Stopping) -> None:
        self._desk = desk
        self._placing = placing
        self._losses = losses
        self._stopping = stopping
        self._asked_at: float | None = None
        self._answered = False

    def listen(self) -> None:
        """Take in every report there is."""
        for report in self._desk.session.reports():
            self._take(report)

    def forget(self) -> None:
        """A new attempt begins."""
        self._asked_at = None
        self._answered = False

    def inquire(self, patience: float) -> bool:
        """Ask the backend why agents ended; whether it has answered, or has had its time."""
        now = self._desk.clock.steady()
        if self._asked_at is None:
            self._asked_at = now
            self._desk.session.inquire()
            self.listen()
        return self._answered or self._desk.ending is not None or now - self._asked_at >= patience

    def _take(self, report: Report) -> None:
        desk = self._desk
        if isinstance(report, Placed):
            self._placed(report)
        elif isinstance(report, NotPlaced):
            self._placing.answered(report.node)
            desk.record(
                desk.problem(self._node(report.node), report.category, report.message, report.hint)
            )
        elif isinstance(report, Absent):
            self._placing.answered(report.node)
        elif isinstance(report, Queued):
            self._queued(report)
        elif isinstance(report, Allocated):
            self._allocated(report)
        elif isinstance(report, (LinkDown, LinkUp)):
            self._link(report)
        elif isinstance(report, ClockRead):
            take_clock(desk, self._node(report.node), report.ahead)
        elif isinstance(report, Swept):
            self._losses.swept(self._node(report.node), report)
        elif isinstance(report, Ended):
            self._ended(report)
        elif isinstance(report, Told):
            desk.record(desk.note(report.message, self._node(report.node) if report.node else None))

    def _node(self, name: str) -> RunNode:
        return next(node for node in self._desk.state.nodes if node.name == name)

    def _placed(self, report: Placed) -> None:
        desk = self._desk
        self._placing.answered(report.node)
        desk.agents.begin(report.node, report.ref)
        facts = [desk.fact(EventKind.AGENT, node=report.node, state="placed", agent=report.ref)]
        if desk.state.state is RunPhase.QUEUED:
            facts.append(desk.fact(EventKind.RUN_STATE, state=RunPhase.STARTING.value))
        desk.record(*facts)

    def _queued(self, report: Queued) -> None:
        desk, state = self._desk, self._desk.state
        if state.state not in (RunPhase.STARTING, RunPhase.QUEUED):
            return
        if state.state is RunPhase.QUEUED and state.reason == report.message:
            return
        desk.record(
            desk.fact(EventKind.RUN_STATE, state=RunPhase.QUEUED.value, message=report.message)
        )

    def _allocated(self, report: Allocated) -> None:
        from rankdeck.plan.bind import bind_plan

        desk = self._desk
        plan = bind_plan(desk.plan, report.hosts)
        # the file first: a successor that finds only that binds the names again
        store_plan(desk.run, plan)
        names = tuple(name for name, _ in report.hosts)
        desk.record(desk.fact(EventKind.NODES, hosts=names, message=report.message or None))
        desk.bind(plan)
        if desk.state.state is RunPhase.QUEUED:
            desk.record(
                desk.fact(
                    EventKind.RUN_STATE, state=RunPhase.STARTING.value, message=report.message
                )
            )
        self._stopping.start_clock()
        self._placing.begin_again()

    def _link(self, report: LinkDown | LinkUp) -> None:
        desk, node = self._desk, self._node(report.node)
        down = isinstance(report, LinkDown)
        if not down:
            desk.agents.hear(node)
        if down == (node.silent_since is not None) or node.state in policy.OVER:
            return
        if down:
            # what came before the silence is no sign of life after it
            self._losses.catch_up()
            desk.record(desk.link_down(node, report.message))
        else:
            desk.record(desk.fact(EventKind.LINK, node=node.name, state="up"))

    def _ended(self, report: Ended) -> None:
        desk = self._desk
        self._answered = True
        if not report.category or desk.ending is not None:
            return
        desk.ending = report
        facts = [desk.note(report.message)]
        if report.node is not None and any(n.name == report.node for n in desk.state.nodes):
            node = self._node(report.node)
            if node.problem is None and node.state not in policy.OVER:
                facts.append(desk.problem(node, report.category, report.message, report.hint))
        desk.record(*[replace(fact, category=report.category) for fact in facts])
