"""Carrier: one run's jobs, from submission to end. Used by one thread, which may wait.

Slurm is asked little: that a job has started or ended is in files its script writes; the queue
says why it waits, and what has become of it when those files say nothing.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import msgspec

from backends.slurm import words
from backends.slurm.calls import call_agent, find_call, recall_agent
from backends.slurm.facts import JobFacts, Site, ask_site, find_facts
from backends.slurm.layout import job_dir, slurm_dir
from backends.slurm.live_job import LiveJob
from backends.slurm.refusals import explain
from backends.slurm.submit import Kind, Stage, Submission
from backends.slurm.words import Phase, phase_of, when
from rankdeck.backend_reports import Absent, Allocated, Ended, NotPlaced, Placed, Queued, Told

if TYPE_CHECKING:
    from collections.abc import Callable

    from backends.slurm.queue import QueuedJob, SharedQueue, Snapshot
    from backends.slurm.script import Placement
    from backends.slurm.settings import Settings
    from backends.slurm.tools import Slurm
    from rankdeck.agent_order import AgentOrder
    from rankdeck.backend_reports import Report
    from rankdeck.run.layout import RunDir

_QUESTION_SECONDS = 5.0
"""For so long Slurm is asked what has become of a job, before it counts as unknown."""
_SETTLING_SECONDS = 3.0
"""What Slurm may take to say in its queue what the job's own files said."""
_WAITER_SECONDS = 90.0
"""What a node may take to start its waiter when the first has started."""
_NO_WAITER = "every node needs the run directory ($RANKDECK_HOME), and the interpreter (--python)"
_NO_REASON = ("", "None")
"""The scheduler has not looked at it yet."""
_FAILURES = 2
"""So many unanswered questions are told; a single one is nothing."""
_DOUBT_SECONDS = 10.0
"""For so long the queue is asked often when something has ended without a word."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What other threads may know of the current start."""

    key: tuple[int, int] = (-1, -1)
    said: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    """Nodes whose waiter has ended."""
    over: bool = False
    """Nothing of it runs any more."""
    suspended: bool = False


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
        self.site: Site | None = None
        self.view = View()
        self.released = False
        self._open: dict[str, AgentOrder] = {}
        self._called: dict[str, str] = {}
        """Nodes whose waiters have not come yet, and how their agents are found."""
        self._announced: tuple[int, int] | None = None
        self._withdrawn = False
        self._told_error = False
        self._told_nodes: set[tuple[str, str]] = set()
        self._begin_start()

    def _begin_start(self) -> None:
        self.over = False
        self._ended = False
        self._suspended = False
        self._warned = False
        self._since = time.time()
        self._told_queued: tuple[str, str] | None = None
        self._asked_since: float | None = None
        self._doubt_since: float | None = None

    # What the session asks for

    def place(self, orders: tuple[AgentOrder, ...]) -> None:
        """Start agents for these orders, when there are nodes."""
        self._withdrawn = False
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
            self._requeued(self.job)

    def withdraw(self) -> None:
        """Give up what has not begun."""
        self._withdrawn = True
        for node in self._open:
            self._tell(Absent(node=node))
        self._open.clear()
        for node, ref in self._called.items():
            # the order lies there: its agent may start at any moment
            self._tell(Placed(node=node, ref=ref))
        self._called.clear()
        if self.job is not None and not (self.job.started or self.over):
            self.cancel(self.job)

    def inquire(self) -> None:
        """Find out soon why agents were ended."""
        self._asked_since = time.monotonic()

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
        if self.submission is not None or self._asked_since is not None:
            return 0.1
        if self.job is None or self.over:
            return 5.0
        return 1.0 if self.job.started and not (self._open or self._called) else 0.25

    def turn(self) -> None:
        """Look at everything once."""
        if self.submission is not None:
            self._turn_submission()
        job = self.job
        if job is not None and not self.over:
            if job.look():
                self._job_started(job)
            if job.started:
                self._watch(job)
            if not self.over:
                self._ask_queue(job)
            self._publish(job)
        self._answer_inquiry()

    # Submission

    def _serve(self) -> None:
        if not self._open or self.submission is not None:
            return
        attempt = max(order.attempt for order in self._open.values())
        job = self.job
        if job is not None and not self.over:
            if job.started and not self._ended:
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
                self.site = self.site or ask_site(self._slurm)
                placement = msgspec.structs.replace(
                    self._plan(attempt), kill_after=self.site.kill_wait
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
        for node in (*self._open, *self._called):
            self._tell(NotPlaced(node=node, category=category, message=message, hint=hint))
        self._open.clear()
        self._called.clear()

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
        elif submission.stage is Stage.UNDER_WAY:
            self.submission = submission

    # Nodes

    def _job_started(self, job: LiveJob) -> None:
        if self._announced is not None and not self._ended:
            self._requeued(job)
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
            for order in orders:
                self._call(job, order)
        else:
            self._announced = job.key
            self._open.clear()
            names = ", ".join(job.nodes) if len(job.nodes) <= 4 else f"{len(job.nodes)} nodes"
            hosts = tuple((name, name) for name in job.nodes)
            self._tell(Allocated(hosts=hosts, message=f"job {job.id} started on {names}"))
        self._bound = False

    def _call(self, job: LiveJob, order: AgentOrder) -> None:
        del self._open[order.node]
        try:
            self._called[order.node] = call_agent(job, self._run, order)
        except OSError as error:
            message = f"{self._run.path}: the agent cannot be called: {error.strerror}"
            self._tell(NotPlaced(node=order.node, category="spawn", message=message))

    # Watching

    def _watch(self, job: LiveJob) -> None:
        """What the job's own files say."""
        if not self._warned and job.start.warned.exists():
            self._warned = True
            message = f"Slurm warns of the time limit of job {job.id}: the ranks are told"
            self._tell(Told(message=message))
        self._answer_called(job)
        if self._ended:
            return
        if notice := job.notice:
            requeues = job.kind is Kind.BATCH and self._settings.requeue
            node = words.failed_node(job.log)
            self._report_end(words.ended_report(job.id, notice, requeues=requeues, node=node))
        elif job.finished is not None or job.told or job.gone_waiters():
            if self._doubt_since is None:
                self._doubt_since = time.monotonic()
            if job.finished is not None and job.kind is Kind.STEP:
                self._job_over(job, "")

    def _answer_called(self, job: LiveJob) -> None:
        """An order is placed when its waiter is there to take it."""
        gone = job.gone_waiters()
        late = time.time() - self._since > _WAITER_SECONDS
        for node, ref in tuple(self._called.items()):
            if f"{node}.here" in job.said:
                del self._called[node]
                self._tell(Placed(node=node, ref=ref))
            elif node in gone or late:
                del self._called[node]
                why = f"it has not come in {_WAITER_SECONDS:.0f} s" if late else job.why_gone(node)
                recall_agent(job, node, ref)
                message = f"no agent could be started on {node}: {why}"
                self._tell(NotPlaced(node=node, category="spawn", message=message, hint=_NO_WAITER))

    def _ask_queue(self, job: LiveJob) -> None:
        doubt = self._doubt_since
        doubted = doubt is not None and time.monotonic() - doubt < _DOUBT_SECONDS
        hurried = doubted or self._asked_since is not None
        snapshot = self._queue.look(newer_than=time.time() - 1.0 if hurried else None)
        self._tell_error(snapshot)
        self._tell_nodes(job, snapshot)
        if snapshot.error or snapshot.asked < self._since:
            return
        queued = snapshot.job(job.id)
        phase = Phase.UNKNOWN if queued is None else phase_of(queued.state)
        self._suspended = phase is Phase.SUSPENDED
        if queued is None:
            if snapshot.asked > self._since + _SETTLING_SECONDS:
                self._job_over(job, (self._facts(job) or JobFacts(state="")).state)
        elif phase is Phase.WAITING:
            self._waits(job, queued)
        elif phase is Phase.OVER:
            self._job_over(job, queued.state)
        elif phase is Phase.RUNNING:
            self._runs(job, snapshot)

    def _waits(self, job: LiveJob, queued: QueuedJob) -> None:
        if job.started:
            self._requeued(job)
            job.wait_again()
            self._begin_start()
        if self._withdrawn or self.released or queued.reason in _NO_REASON:
            return
        start = when(queued.start)
        told = self._told_queued
        # an estimate changes with every look of the scheduler; a reason does not
        if told is None or told[0] != queued.reason or (not told[1] and start):
            self._told_queued = (queued.reason, start)
            self._tell(Queued(message=words.queued_text(job.id, queued.reason, start)))

    def _runs(self, job: LiveJob, snapshot: Snapshot) -> None:
        """Slurm says that the job runs, whatever else was thought."""
        if self._asked_since is not None and snapshot.asked > self._since + _SETTLING_SECONDS:
            doubt = self._doubt_since
            if doubt is None or time.monotonic() - doubt > _SETTLING_SECONDS:
                self._asked_since = time.monotonic() - _QUESTION_SECONDS - 1.0
        doubt = self._doubt_since
        settled = doubt is not None and time.monotonic() - doubt > _SETTLING_SECONDS
        if job.finished is not None and settled:
            self._report_end(self._end_of(job, ""))

    def _requeued(self, job: LiveJob) -> None:
        self._report_end(words.ended_report(job.id, "REQUEUED", requeues=True))

    def _job_over(self, job: LiveJob, state: str) -> None:
        if phase_of(state) is Phase.ENDING:
            return
        self.over = True
        job.look()
        report = self._end_of(job, job.notice or state)
        self._report_end(report)
        self._refuse_open(report.category, report.message, report.hint)

    def _end_of(self, job: LiveJob, state: str) -> Ended:
        if state == "CANCELLED" and self.site is not None and self.site.accounting:
            # only accounting says who it was
            facts = self._facts(job)
            state = facts.state if facts is not None and facts.state.startswith(state) else state
        node = words.failed_node(job.log)
        detail = job.last_words()
        report = words.ended_report(job.id, state, requeues=False, node=node, detail=detail)
        if job.number is None and report.category == "launcher-died":
            return msgspec.structs.replace(report, hint=_NO_WAITER)
        return report

    def _report_end(self, report: Ended) -> None:
        if self._ended:
            return
        self._ended = True
        self._asked_since = None
        if not (self.released or self._withdrawn):
            self._tell(report)

    def _facts(self, job: LiveJob) -> JobFacts | None:
        self.site = self.site or ask_site(self._slurm)
        return find_facts(self._slurm, job.id, self.site)

    def _answer_inquiry(self) -> None:
        asked = self._asked_since
        if asked is not None and time.monotonic() - asked > _QUESTION_SECONDS:
            self._asked_since = None
            self._tell(Ended())

    def _tell_error(self, snapshot: Snapshot) -> None:
        if snapshot.failures >= _FAILURES and not self._told_error:
            self._told_error = True
            self._tell(Told(message=f"Slurm does not answer: {snapshot.error}; the run goes on"))
        elif not snapshot.failures and self._told_error:
            self._told_error = False
            self._tell(Told(message="Slurm answers again"))

    def _tell_nodes(self, job: LiveJob, snapshot: Snapshot) -> None:
        for trouble in snapshot.troubles:
            for node in job.nodes:
                told = (node, trouble.state)
                if node in trouble.nodes and told not in self._told_nodes:
                    self._told_nodes.add(told)
                    self._tell(Told(node=node, message=f"{node} is {trouble.text}"))

    def _publish(self, job: LiveJob) -> None:
        self.view = View(
            key=job.key,
            said=job.said,
            gone=frozenset(job.gone_waiters()),
            over=self.over or not job.started,
            suspended=self._suspended,
        )
