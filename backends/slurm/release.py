"""The end of a run's jobs: waiters are told to leave, what stays is cancelled, Slurm confirms."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from backends.slurm.facts import find_usage
from backends.slurm.script import COMMENT
from backends.slurm.submit import Kind, Stage
from backends.slurm.words import Phase, phase_of
from rankdeck.backend_reports import Told
from rankdeck.run.files import write_atomic

if TYPE_CHECKING:
    from collections.abc import Callable

    from backends.slurm.carrier import Carrier
    from backends.slurm.live_job import LiveJob
    from backends.slurm.queue import SharedQueue, Snapshot
    from backends.slurm.tools import Slurm
    from rankdeck.backend_reports import Report

_LEAVING_SECONDS = 4.0
_CANCELLING_SECONDS = 6.0
_SUBMITTING_SECONDS = 5.0
_ACCOUNTING_LOOKS = 4
_GONE = frozenset({Phase.OVER, Phase.ENDING})


class Release:
    """Gives back what a run holds."""

    def __init__(
        self,
        carrier: Carrier,
        slurm: Slurm,
        queue: SharedQueue,
        run_id: str,
        tell: Callable[[Report], None],
    ) -> None:
        self._carrier = carrier
        self._slurm = slurm
        self._queue = queue
        self._prefix = f"{COMMENT}:{run_id}:"
        self._tell = tell

    def carry_out(self) -> None:
        """End everything; takes seconds at most."""
        carrier = self._carrier
        carrier.released = carrier.endings.hushed = True
        self._wait(
            lambda: carrier.submission is None or carrier.submission.stage is not Stage.UNDER_WAY,
            _SUBMITTING_SECONDS,
            carrier.turn,
        )
        job = carrier.job
        if job is not None and not carrier.over:
            self._leave(job)
            if job.kind is Kind.BATCH and os.environ.get("SLURM_JOB_ID") == job.id:
                return  # this process stands by in that very job, which ends after it
        snapshot = self._confirm(job)
        if snapshot.error:
            message = f"Slurm cannot say whether the run's job has ended: {snapshot.error}"
            self._tell(Told(message=message))
        elif left := self._left(snapshot):
            self._tell(Told(message=f"still in Slurm's queue: job {', '.join(left)}"))
        if job is not None and job.kind is not Kind.STEP:
            self._tell_usage(job)

    def _leave(self, job: LiveJob) -> None:
        if job.started:
            with suppress(OSError):
                # a full disk: cancelling does it too
                write_atomic(job.start.leave, b"leave\n")

            def left() -> bool:
                return job.finished is not None

            self._wait(left, _LEAVING_SECONDS, job.look)
            if left():
                return
        self._carrier.cancel(job)

    def _confirm(self, job: LiveJob | None) -> Snapshot:
        """Look until none of the run's jobs is left in the queue, and cancel those that are."""
        snapshot = self._queue.look(newer_than=time.time())
        cancelled: set[str] = set()
        deadline = time.monotonic() + _CANCELLING_SECONDS
        while time.monotonic() < deadline:
            left = self._left(snapshot)
            if not left and not snapshot.error:
                break
            fresh = set(left) - cancelled
            # the script's own end is a moment away when its srun has ended
            if fresh and (cancelled or job is None or job.finished is None):
                self._slurm.ask("scancel", *sorted(fresh))
                cancelled |= fresh
            time.sleep(0.5)
            if job is not None and job.finished is not None and not cancelled:
                job = None
            snapshot = self._queue.look(newer_than=time.time())
        return snapshot

    def _left(self, snapshot: Snapshot) -> list[str]:
        return [
            job.id
            for job in snapshot.jobs
            if job.comment.startswith(self._prefix) and phase_of(job.state) not in _GONE
        ]

    def _tell_usage(self, job: LiveJob) -> None:
        if not self._carrier.endings.site.accounting:
            return
        for _ in range(_ACCOUNTING_LOOKS):
            usage = find_usage(self._slurm, job.id)
            # the record of an ended job comes a moment late
            if usage is not None and phase_of(usage.state) is Phase.OVER:
                self._tell(Told(message=f"job {job.id}, {usage.text}"))
                return
            time.sleep(0.5)

    def _wait(self, wanted: Callable[[], bool], seconds: float, look: Callable[[], object]) -> None:
        deadline = time.monotonic() + seconds
        while not wanted() and time.monotonic() < deadline:
            time.sleep(0.05)
            look()
