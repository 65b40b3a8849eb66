"""Carrier: one run's jobs, from submission to end. Used by one thread, which may wait.

Slurm is asked little: that a job has started or ended is in files its script writes; the queue
says why it waits, and what has become of it when those files say nothing.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import msgspec

from backends.slurm.calling import Calling
from backends.slurm.calls import find_call
from backends.slurm.endings import Endings
from backends.slurm.facts import JobFacts
from backends.slurm.layout import job_dir, slurm_dir
from backends.slurm.live_job import LiveJob
from backends.slurm.outlook import Outlook
from backends.slurm.refusals import explain
from backends.slurm.submit import Kind, Stage, Submission
from backends.slurm.view import View
from backends.slurm.words import Phase, phase_of
from rankdeck.backend_reports import Absent, Allocated, NotPlaced, Placed, Queued

if TYPE_CHECKING:
    from collections.abc import Callable

    from backends.slurm.queue import QueuedJob, SharedQueue, Snapshot
    from backends.slurm.script import Placement
    from backends.slurm.settings import Settings
    from backends.slurm.tools import Slurm
    from rankdeck.agent_order import AgentOrder
    from rankdeck.backend_reports import Report
    from rankdeck.run.layout import RunDir

_SETTLING_SECONDS = 3.0
"""What Slurm may take to say in its queue what the job's own files said."""
_DOUBT_SECONDS = 10.0
"""For so long the queue is asked often when something has ended without a word."""


class Carrier:
    """Carries the agents of one run."""

    def __init__(
        self,
        run: RunDir,
        slurm: Slurm,
        queue: SharedQueue,
        settings: Settings,
        tell: Callable[[Report], None],
        *,
        plan: Callable[[int], Placement],
        bound: bool,
    ) -> None:
        """Starts nothing.

        Args:
            run: The run.
            slurm: How Slurm's programs are run.
            queue: What is known of the queue.
            settings: The job's options.
            tell: Where reports go.
            plan: Makes the placement for an attempt.
            bound: The plan may have its real nodes already.
        """
        self._run = run
        self._slurm = slurm
        self._queue = queue
        self._settings = settings
        self._tell = tell
        self._plan = plan
        self._bound = bound
        self.job: LiveJob | None = None
        self.submission: Submission | None = None
        self.view = View()
        self.released = False
        self._open: dict[str, AgentOrder] = {}
        self._calling = Calling(run, settings, tell)
        self._announced: tuple[int, int] | None = None
        self._withdrawn = False
        self.endings = Endings(slurm, tell)
        self._outlook = Outlook(tell)
        self._begin_start()

    def _begin_start(self) -> None:
        self.over = False
        self._suspended = False
        self._since = time.time()
        self._confirmed = True
        self._doubt_since: float | None = None
        self.endings.begin()
        self._outlook.begin()

    # What the session asks for

    def place(self, orders: tuple[AgentOrder, ...]) -> None:
        """Start agents for these orders, when there are nodes."""
        self._withdrawn = self.endings.hushed = False
        self._open.update((order.node, order) for order in orders)
        self._find_latest()
        self._serve()

    def find(self, orders: tuple[AgentOrder, ...]) -> None:
        """Say which of these orders have been given to a waiter; none will be from here on."""
        self._find_latest()
        for order in orders:
            ref = find_call(self.job, self._run, order) if self.job is not None else None
            self._tell(Absent(node=order.node) if ref is None else Placed(node=order.node, ref=ref))

    def adopt(self, key: tuple[int, int]) -> None:
        """Look after the job that was submitted for that attempt; it was on that start."""
        if self._announced == key:
            return
        self._announced = key
        self._take_up(key[0])
        if self.job is not None and self.job.key != key:
            self.endings.requeued(self.job)

    def withdraw(self) -> None:
        """Give up what has not begun."""
        self._withdrawn = self.endings.hushed = True
        for node in self._open:
            self._tell(Absent(node=node))
        self._open.clear()
        self._calling.withdraw()
        if self.job is not None and not (self.job.started or self.over):
            self.cancel(self.job)

    def inquire(self) -> None:
        """Find out soon why agents were ended."""
        self.endings.inquire()

    def cancel(self, job: LiveJob) -> None:
        """End the job, or its step in an allocation that others use too."""
        if job.kind is not Kind.STEP:
            self._slurm.ask("scancel", job.id)
        elif job.step:
            self._slurm.ask("scancel", f"{job.id}.{job.step}")

    # Turns

    @property
    def interval(self) -> float:
        """Seconds until the next turn is wanted."""
        if self.submission is not None or self.endings.asked:
            return 0.1
        if self.job is None or self.over:
            return 5.0
        return 1.0 if self.job.started and not (self._open or self._calling.open) else 0.25

    def turn(self) -> None:
        """Look at everything once."""
        if self.submission is not None:
            self._turn_submission()
        job = self.job
        if job is not None and not self.over:
            ran = job.started
            if job.look():
                self._job_started(job, again=ran)
            if job.started and not self._open_for_another(job):
                self._watch(job)
            if job.finished is not None and job.kind is Kind.STEP:
                # the allocation lives on, and Slurm says nothing of steps that have ended
                self._job_over(job, "")
            if not self.over:
                self._ask_queue(job)
            self._publish(job)
        self.endings.answer()

    # Submission

    def _serve(self) -> None:
        if not self._open or self.submission is not None:
            return
        attempt = max(order.attempt for order in self._open.values())
        job = self.job
        if job is not None and not self.over:
            if job.started and self._confirmed and not self.endings.reported:
                self._bind(job)
        elif job is not None and job.attempt == attempt:
            self._refuse_open("launcher-died", f"job {job.id} ended before it could start anything")
        else:
            self._submit(attempt)

    def _submit(self, attempt: int) -> None:
        folder = job_dir(self._run, attempt)
        try:
            self.submission = Submission.found(folder, self._slurm, self._queue)
            if self.submission is None:
                placement = msgspec.structs.replace(
                    self._plan(attempt), kill_after=self.endings.site.kill_wait
                )
                self.submission = Submission.begin(folder, self._slurm, self._queue, placement)
        except OSError as error:
            self._refuse_open("spawn", f"{folder.path}: the job cannot be submitted: {error}")

    def _turn_submission(self) -> None:
        submission = self.submission
        if submission is None:
            return
        submission.turn()
        if submission.stage is Stage.UNDER_WAY:
            return
        self.submission = None
        if submission.stage is Stage.LOST:
            submission.job.intent.unlink()
            if not self._withdrawn:
                self._serve()
            return
        if submission.stage is Stage.REFUSED:
            message, hint = explain(submission.complaint)
            self._refuse_open("scheduler", message, hint)
            return
        job = self._begin(submission)
        if self._withdrawn:
            self.cancel(job)
        elif job.started:
            self._serve()
        elif job.kind is not Kind.STEP:
            self._tell(Queued(message=f"job {job.id} was submitted"))

    def _refuse_open(self, category: str, message: str, hint: str = "") -> None:
        for node in self._open:
            self._tell(NotPlaced(node=node, category=category, message=message, hint=hint))
        self._open.clear()
        self._calling.refuse(category, message, hint)

    def _begin(self, submission: Submission) -> LiveJob:
        intent = submission.intent
        self.job = LiveJob(intent.attempt, submission.job, submission.job_id, intent.kind)
        self._begin_start()
        self.job.look()
        self._publish(self.job)
        return self.job

    def _find_latest(self) -> None:
        """Take up the job that an earlier supervisor left."""
        if self.job is not None or self.submission is not None:
            return
        try:
            names = os.listdir(slurm_dir(self._run))
        except FileNotFoundError:
            return
        numbers = [int(n[len("attempt-") :]) for n in names if n[len("attempt-") :].isdecimal()]
        for attempt in sorted(numbers, reverse=True):
            self._take_up(attempt)
            if self.job is not None or self.submission is not None:
                return

    def _take_up(self, attempt: int) -> None:
        submission = Submission.found(job_dir(self._run, attempt), self._slurm, self._queue)
        if submission is None:
            return
        submission.turn()
        if submission.stage is Stage.TAKEN:
            self._begin(submission)
            # its files are there, but it may have ended since
            self._confirmed = False
        elif submission.stage is Stage.UNDER_WAY:
            self.submission = submission

    # Nodes

    def _job_started(self, job: LiveJob, *, again: bool) -> None:
        """`again`: it was not seen to wait since its last start, whose end was not told, then."""
        if again and self._announced is not None:
            self.endings.requeued(job)
        self._begin_start()
        self._serve()

    def _bind(self, job: LiveJob) -> None:
        orders = tuple(self._open.values())
        fits = all(
            order.node_rank < len(job.nodes) and job.nodes[order.node_rank] == order.node
            for order in orders
        )
        if len(job.nodes) != orders[0].nnodes:
            message = f"job {job.id} has {len(job.nodes)} nodes, the run is for {orders[0].nnodes}"
            self._refuse_open("scheduler", message)
        elif fits and (self._bound or self._announced == job.key):
            self._announced = job.key
            self._open.clear()
            self._calling.call(job, orders)
        else:
            self._announced = job.key
            self._open.clear()
            names = ", ".join(job.nodes) if len(job.nodes) <= 4 else f"{len(job.nodes)} nodes"
            hosts = tuple((name, name) for name in job.nodes)
            self._tell(Allocated(hosts=hosts, message=f"job {job.id} started on {names}"))
        self._bound = False

    # Watching

    def _watch(self, job: LiveJob) -> None:
        """What the job's own files say."""
        if self._settings.warning and job.start.warned.exists():
            self._outlook.warned(job)
        self._calling.look(job)
        if self.endings.reported:
            return
        if notice := job.notice:
            requeues = job.kind is Kind.BATCH and self._settings.requeue
            self.endings.report(self.endings.explain(job, notice, requeues=requeues))
        elif self._doubt_since is None and (
            job.finished is not None or job.told or job.gone_waiters()
        ):
            self._doubt_since = time.monotonic()

    def _ask_queue(self, job: LiveJob) -> None:
        doubt = self._doubt_since
        doubted = doubt is not None and time.monotonic() - doubt < _DOUBT_SECONDS
        hurried = doubted or self.endings.asked or not self._confirmed
        snapshot = self._queue.look(newer_than=time.time() - 1.0 if hurried else None)
        self._outlook.look(job, snapshot)
        if snapshot.error or snapshot.asked < self._since:
            return
        queued = snapshot.job(job.id)
        phase = Phase.UNKNOWN if queued is None else phase_of(queued.state)
        self._suspended = phase is Phase.SUSPENDED
        if queued is None:
            if snapshot.asked > self._since + _SETTLING_SECONDS:
                self._job_over(job, (self.endings.facts(job) or JobFacts(state="")).state)
        elif phase is Phase.WAITING:
            self._waits(job, queued)
        elif phase is Phase.OVER:
            self._job_over(job, queued.state)
        elif phase is Phase.RUNNING:
            self._runs(job, snapshot)
        if not (self._confirmed or self.over):
            self._confirmed = True
            self._serve()

    def _waits(self, job: LiveJob, queued: QueuedJob) -> None:
        if job.started:
            if not self._open_for_another(job):
                self.endings.requeued(job)
            job.wait_again()
            self._begin_start()
        if not (self._withdrawn or self.released):
            self._outlook.waits(job, queued)

    def _runs(self, job: LiveJob, snapshot: Snapshot) -> None:
        """Slurm says that the job runs, whatever else was thought."""
        doubt = self._doubt_since
        settled = doubt is None or time.monotonic() - doubt > _SETTLING_SECONDS
        if settled and snapshot.asked > self._since + _SETTLING_SECONDS:
            self.endings.answer(nothing_known=True)
        if settled and doubt is not None and job.finished is not None:
            self.endings.report(self.endings.explain(job, ""))

    def _job_over(self, job: LiveJob, state: str) -> None:
        if phase_of(state) is Phase.ENDING:
            return
        self.over = True
        job.look()
        if self.endings.reported or self._open_for_another(job):
            # what is open was ordered after that: it is for another job
            self._serve()
            return
        report = self.endings.explain(job, job.notice or state)
        self.endings.report(report)
        self._refuse_open(report.category, report.message, report.hint)

    def _open_for_another(self, job: LiveJob) -> bool:
        """Whether what is open is of a later attempt, of which this job was never told.

        An earlier supervisor, killed before it could submit the next job, knew how this one ended.
        One that Slurm has put back was not told yet, and is for that attempt all the same.
        """
        return (
            bool(self._open)
            and not job.requeued
            and all(
                order.attempt > job.attempt + (job.number or 0)
                and find_call(job, self._run, order) is None
                for order in self._open.values()
            )
        )

    def _publish(self, job: LiveJob) -> None:
        self.view = View(
            key=job.key,
            said=job.said,
            gone=frozenset(job.gone_waiters()),
            over=self.over or not job.started,
            suspended=self._suspended,
        )
