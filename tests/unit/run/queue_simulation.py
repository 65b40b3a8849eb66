"""A simulated scheduler in front of the simulated nodes: queues, chooses, cancels, requeues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.backend_direct import DirectSession
from rankdeck.backend_reports import Absent, Allocated, Ended, Queued
from tests.unit.run.simulation import START, World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rankdeck.agent_order import AgentOrder
    from rankdeck.backend import SessionContext
    from rankdeck.backend_reports import Report
    from tests.unit.run.simulation import SimulatedAgent

PLACEHOLDERS = ("slot-0", "slot-1")


class Scheduler:
    """What the scheduler does, whoever asks; it outlives every supervisor."""

    def __init__(self, starts: dict[int, float], hosts: tuple[str, ...]) -> None:
        """`starts`: by attempt, how many seconds after the beginning it chooses `hosts`."""
        self.starts, self.hosts = starts, hosts
        self.withdrawn = False
        self.end: Ended | None = None
        self.end_at = float("inf")
        self.explains = True
        self.lingers = ""
        """The node whose agent is gone only a second after the end has been told."""
        self.released = False


class QueueWorld(World):
    """A world whose nodes are chosen late."""

    scheduler: Scheduler
    chosen: set[int]
    """Attempts whose nodes are chosen."""

    def session_of(self, context: SessionContext) -> QueueSession:
        return QueueSession(self, context)


class QueueSession(DirectSession):
    """Places nothing until the scheduler has chosen."""

    def __init__(self, world: QueueWorld, context: SessionContext) -> None:
        super().__init__(world.backend, context)
        self._world = world
        self._waiting: list[AgentOrder] = []
        self._ended = False
        self._leaving: list[SimulatedAgent] = []

    def place(self, orders: Sequence[AgentOrder], *, find_only: bool) -> None:
        waiting = [order for order in orders if order.node in PLACEHOLDERS or self._again(order)]
        self._waiting += waiting
        real = [order for order in orders if order not in waiting]
        super().place(real, find_only=find_only)
        if find_only:
            self.withdraw()

    def withdraw(self) -> None:
        self._world.scheduler.withdrawn = True
        self._reports += [Absent(node=order.node) for order in self._waiting]
        self._waiting.clear()

    def reports(self) -> Sequence[Report]:
        world, now = self._world, self._world.clock.now - START
        scheduler = world.scheduler
        if self._waiting:
            attempt = self._waiting[0].attempt
            if now >= scheduler.starts[attempt]:
                self._waiting.clear()
                world.chosen.add(attempt)
                hosts = tuple((name, f"{name}.cluster") for name in scheduler.hosts)
                self._reports.append(Allocated(hosts=hosts, message="job 7 started"))
            else:
                self._reports.append(Queued(message="job 7: Priority"))
        if now >= scheduler.end_at and not self._ended and scheduler.end is not None:
            self._ended = True
            self._leaving = list(world.agents)
            self._reports.append(scheduler.end)
        for agent in self._leaving:
            if agent.order.node != scheduler.lingers or now >= scheduler.end_at + 1.0:
                agent.alive = False
        return super().reports()

    def inquire(self) -> None:
        end = self._world.scheduler.end
        self._reports.append(end if end is not None else Ended())

    def release(self) -> None:
        self._world.scheduler.released = True

    def _again(self, order: AgentOrder) -> bool:
        return order.attempt not in self._world.chosen
