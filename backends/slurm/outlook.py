"""What is worth telling of Slurm and of its nodes while a run goes on; each thing once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backends.slurm import words
from rankdeck.backend_reports import Queued, Told

if TYPE_CHECKING:
    from collections.abc import Callable

    from backends.slurm.live_job import LiveJob
    from backends.slurm.queue import QueuedJob, Snapshot
    from rankdeck.backend_reports import Report

_FAILURES = 2
"""So many unanswered questions are told; a single one is nothing."""
_NO_REASON = ("", "None")
"""The scheduler has not looked at it yet."""


class Outlook:
    """Remembers what was told."""

    def __init__(self, tell: Callable[[Report], None]) -> None:
        self._tell = tell
        self._error = False
        self._nodes: set[tuple[str, str]] = set()
        self._queued: tuple[str, str] | None = None
        self._warned = False

    def begin(self) -> None:
        """Another start of a job."""
        self._queued = None
        self._warned = False

    def look(self, job: LiveJob, snapshot: Snapshot) -> None:
        """Tell that Slurm does not answer, or of nodes that it will not use again."""
        if snapshot.failures >= _FAILURES and not self._error:
            self._error = True
            self._tell(Told(message=f"Slurm does not answer: {snapshot.error}; the run goes on"))
        elif not snapshot.failures and self._error:
            self._error = False
            self._tell(Told(message="Slurm answers again"))
        for trouble in snapshot.troubles:
            for node in job.nodes:
                told = (node, trouble.state)
                if node in trouble.nodes and told not in self._nodes:
                    self._nodes.add(told)
                    self._tell(Told(node=node, message=f"{node} is {trouble.text}"))

    def waits(self, job: LiveJob, queued: QueuedJob) -> None:
        """Tell why it waits.

        An estimated start changes with every look of the scheduler, a reason does not.
        """
        if queued.reason in _NO_REASON:
            return
        start = words.when(queued.start)
        told = self._queued
        if told is None or told[0] != queued.reason or (not told[1] and start):
            self._queued = (queued.reason, start)
            self._tell(Queued(message=words.queued_text(job.id, queued.reason, start)))

    def warned(self, job: LiveJob) -> None:
        """Tell that Slurm's time limit is near."""
        if not self._warned:
            self._warned = True
            message = f"Slurm warns of the time limit of job {job.id}: the ranks are told"
            self._tell(Told(message=message))
