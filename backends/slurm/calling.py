"""Calling: orders on their way to the waiters of their nodes, each answered when one has come."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from backends.slurm.calls import call_agent, recall_agent
from backends.slurm.endings import NEEDED
from backends.slurm.per_rank import ranks_started_by_srun
from rankdeck.backend_reports import NotPlaced, Placed
from rankdeck.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from backends.slurm.live_job import LiveJob
    from backends.slurm.settings import Settings
    from rankdeck.agent_order import AgentOrder
    from rankdeck.backend_reports import Report
    from rankdeck.run.layout import RunDir

_WAITER_SECONDS = 90.0
"""What a node may take to start its waiter when the first has started."""


class Calling:
    """Calls waiters and tells which of them have come."""

    def __init__(self, run: RunDir, settings: Settings, tell: Callable[[Report], None]) -> None:
        self._run = run
        self._settings = settings
        self._tell = tell
        self._called: dict[str, str] = {}
        """How the agents of nodes are found whose waiters have not come yet."""
        self._since = 0.0

    @property
    def open(self) -> bool:
        """Whether a waiter has not come yet."""
        return bool(self._called)

    def call(self, job: LiveJob, orders: tuple[AgentOrder, ...]) -> None:
        """Call the waiters of these orders' nodes."""
        self._since = time.monotonic()
        start: tuple[str, ...] = ()
        try:
            if self._settings.per_rank:
                orders, start = ranks_started_by_srun(job, self._run, orders, self._settings)
            for order in orders:
                first = order.node_rank == 0
                ref = call_agent(job, self._run, order, start if first else ())
                self._called[order.node] = ref
        except (OSError, UserError) as error:
            message = f"the agents cannot be called: {error}"
            for order in orders:
                if order.node not in self._called:
                    self._tell(NotPlaced(node=order.node, category="spawn", message=message))

    def look(self, job: LiveJob) -> None:
        """Answer for the waiters that have come, and for those that will not."""
        gone = job.gone_waiters() if self._called else {}
        late = time.monotonic() - self._since > _WAITER_SECONDS
        for node, ref in tuple(self._called.items()):
            if f"{node}.here" in job.said:
                del self._called[node]
                self._tell(Placed(node=node, ref=ref))
            elif node in gone or late:
                del self._called[node]
                why = f"it has not come in {_WAITER_SECONDS:.0f} s" if late else job.why_gone(node)
                recall_agent(job, node, ref)
                message = f"no agent could be started on {node}: {why}"
                self._tell(NotPlaced(node=node, category="spawn", message=message, hint=NEEDED))

    def withdraw(self) -> None:
        """Nobody wants them any more, but an order that lies there may be taken at any moment."""
        for node, ref in self._called.items():
            self._tell(Placed(node=node, ref=ref))
        self._called.clear()

    def refuse(self, category: str, message: str, hint: str) -> None:
        """Their job has ended."""
        for node in self._called:
            self._tell(NotPlaced(node=node, category=category, message=message, hint=hint))
        self._called.clear()
