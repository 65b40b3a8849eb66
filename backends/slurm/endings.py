"""Why a job has ended: found out, and told once per start."""

from __future__ import annotations

import pwd
import time
from typing import TYPE_CHECKING

import msgspec

from backends.slurm import words
from backends.slurm.facts import JobFacts, Site, ask_site, find_facts, find_usage
from backends.slurm.queue import ask_troubles
from rankdeck.backend_reports import Ended

if TYPE_CHECKING:
    from collections.abc import Callable

    from backends.slurm.live_job import LiveJob
    from backends.slurm.tools import Slurm
    from rankdeck.backend_reports import Report

QUESTION_SECONDS = 10.0
"""For so long Slurm is asked what has become of a job, before it counts as unknown."""
NEEDED = "every node needs the run directory ($RANKDECK_HOME), and the interpreter (--python)"


class Endings:
    """The end of one start of a job."""

    def __init__(self, slurm: Slurm, tell: Callable[[Report], None]) -> None:
        self._slurm = slurm
        self._tell = tell
        self._site: Site | None = None
        self._asked_since: float | None = None
        self.reported = False
        """Whether the end of this start is known."""
        self.hushed = False
        """Whoever asked for the end need not be told of it."""

    @property
    def site(self) -> Site:
        """The cluster's configuration, asked for once."""
        self._site = self._site or ask_site(self._slurm)
        return self._site

    @property
    def asked(self) -> bool:
        """Whether somebody waits for an answer."""
        return self._asked_since is not None

    def begin(self) -> None:
        """Another start."""
        self.reported = False
        self._asked_since = None

    def inquire(self) -> None:
        """Somebody wants to know why agents were ended."""
        self._asked_since = time.monotonic()

    def answer(self, *, nothing_known: bool = False) -> None:
        """Answer an inquiry that has waited long enough, or when there is nothing to know."""
        asked = self._asked_since
        if asked is None:
            return
        if nothing_known or time.monotonic() - asked > QUESTION_SECONDS:
            self._asked_since = None
            self._tell(Ended())

    def report(self, report: Ended) -> None:
        """Tell of the end, unless that was done."""
        if self.reported:
            return
        self.reported = True
        self._asked_since = None
        if not self.hushed:
            self._tell(report)

    def requeued(self, job: LiveJob) -> None:
        """Slurm has put the job back."""
        self.report(words.ended_report(job.id, "REQUEUED", requeues=True))

    def explain(self, job: LiveJob, state: str, *, requeues: bool = False) -> Ended:
        """What it means that the job has ended in that state."""
        if state == "CANCELLED" and self.site.accounting:
            # only accounting says who it was
            usage = find_usage(self._slurm, job.id)
            if usage is not None and usage.state.startswith(state):
                state = _with_user_name(usage.state)
        node = self._failed_node(job, state)
        detail = job.last_words()
        report = words.ended_report(job.id, state, requeues=requeues, node=node, detail=detail)
        if job.number is None and report.category == "launcher-died":
            return msgspec.structs.replace(report, hint=NEEDED)
        return report

    def _failed_node(self, job: LiveJob, state: str) -> str | None:
        """The node that took the job along: srun names it, but may have been ended before."""
        node = words.failed_node(job.log)
        if node is None and state.startswith("NODE_FAIL"):
            down = [trouble for trouble in ask_troubles(self._slurm) or () if trouble.down]
            node = next((n for n in job.nodes if any(n in one.nodes for one in down)), None)
        return node

    def facts(self, job: LiveJob) -> JobFacts | None:
        """What Slurm remembers of the job."""
        return find_facts(self._slurm, job.id, self.site)


def _with_user_name(state: str) -> str:
    """`CANCELLED by 1000` with the user's name instead of the number, where it has one."""
    head, by, number = state.partition(" by ")
    if not by or not number.isdecimal():
        return state
    try:
        return f"{head} by {pwd.getpwuid(int(number)).pw_name}"
    except KeyError:
        return state
