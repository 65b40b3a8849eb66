"""Submission: a job handed to Slurm exactly once, whoever is killed in between.

The intent is on disk before anything is started, and the program that submits writes its answer
into a file itself. It holds a lock on the intent for as long as it lives, so a successor knows
whether to wait. A submission whose answer was lost is looked for in the queue. Should its job turn
up later all the same, there is one claim to the attempt, and a job that does not get it ends.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from enum import Enum
from typing import TYPE_CHECKING

import msgspec

from backends.slurm.script import Placement, comment_of, job_script, step_script
from backends.slurm.words import Phase, phase_of
from rankdeck.run.files import write_atomic

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path
    from typing import IO

    from backends.slurm.layout import JobDir
    from backends.slurm.queue import SharedQueue
    from backends.slurm.tools import Slurm

_UNCERTAIN = re.compile(
    r"timed? ?out|contact slurm controller|connection (failure|refused|reset)|zero bytes|"
    r"unexpected message|socket|try again|temporarily",
    re.I,
)
"""Complaints after which the job may have been taken all the same."""
_LOOKS = 3
_LOOK_SECONDS = 4.0
_QUEUED_LINE = re.compile(r"srun: job (\d+) (?:queued|has been allocated)")


class Kind(str, Enum):
    """How a job was started."""

    BATCH = "batch"
    SRUN = "srun"
    STEP = "step"
    """In an allocation that was there before."""


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """What is about to be submitted."""

    kind: Kind
    inside: str = ""
    time: float
    run_id: str
    attempt: int


class Stage(Enum):
    """How far a submission is."""

    UNDER_WAY = "under way"
    TAKEN = "taken"
    REFUSED = "refused"
    LOST = "lost"
    """Nothing was submitted, or nobody knows of it: it may be done again."""


class Submission:
    """One job on its way to Slurm; `turn` until it is no longer under way."""

    def __init__(self, job: JobDir, slurm: Slurm, queue: SharedQueue, intent: Intent) -> None:
        self.job = job
        self.intent = intent
        self.job_id = intent.inside
        self.complaint = ""
        self.stage = Stage.UNDER_WAY
        self._slurm = slurm
        self._queue = queue
        self._process: subprocess.Popen[bytes] | None = None
        self._looks = 0
        self._look_at = 0.0

    @classmethod
    def begin(
        cls, job: JobDir, slurm: Slurm, queue: SharedQueue, placement: Placement
    ) -> Submission:
        """Write the scripts and the intent, and start the program that submits.

        Raises:
            OSError: That is impossible; nothing was submitted.
        """
        kind = Kind.STEP if placement.inside else Kind.BATCH if placement.batch else Kind.SRUN
        intent = Intent(
            kind=kind,
            inside=placement.inside,
            time=time.time(),
            run_id=placement.run_id,
            attempt=placement.attempt,
        )
        job.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_script(job.script, job_script(placement, job))
        _write_script(job.path / "step.sh", step_script(placement, job))
        submission = cls(job, slurm, queue, intent)
        # O_EXCL: whoever finds the intent goes on from it, nobody makes another
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        descriptor = os.open(job.intent, flags, 0o600)
        try:
            os.write(descriptor, msgspec.json.encode(intent))
            os.fsync(descriptor)
            _lock(descriptor)
            submission._start(descriptor)
        finally:
            os.close(descriptor)
        return submission

    @classmethod
    def found(cls, job: JobDir, slurm: Slurm, queue: SharedQueue) -> Submission | None:
        """The submission that an earlier supervisor began; None when there is none."""
        try:
            intent = msgspec.json.decode(job.intent.read_bytes(), type=Intent)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError:
            # killed while writing it: nothing was started yet
            os.unlink(job.intent)
            return None
        return cls(job, slurm, queue, intent)

    def turn(self) -> None:
        """See how far it is."""
        if self.stage is not Stage.UNDER_WAY:
            return
        if self.intent.kind is not Kind.BATCH:
            self._turn_direct()
            return
        if self._runs():
            return
        answer = _text(self.job.answer).strip().splitlines()
        if not self.job.answer.exists():
            # its supervisor was killed before it could start anything
            self.stage = Stage.LOST
        elif answer and (job_id := answer[-1].split(";")[0].strip()).isdecimal():
            self._taken(job_id)
        elif self._process is not None and not _UNCERTAIN.search(_text(self.job.errors)):
            self._refused()
        else:
            self._look()

    def _turn_direct(self) -> None:
        """For srun from here: it is in the queue while it lives, or has said that it cannot be."""
        if self.job_id:
            self._taken(self.job_id)
        elif match := _QUEUED_LINE.search(_text(self.job.start(0).log)):
            self._taken(match[1])
        elif allocation := _text(self.job.start(0).allocation):
            self._taken(allocation.partition("job=")[2].split("\n")[0])
        elif not self._runs():
            self._refused()

    def _start(self, intent: int) -> None:
        marks = {"RANKDECK_RUN_ID": self.intent.run_id}
        if self.intent.kind is Kind.BATCH:
            command = ["sbatch", "--parsable", str(self.job.script)]
        else:
            command = ["/bin/sh", str(self.job.script)]
        with _private(self.job.answer) as out, _private(self.job.errors) as err:
            self._process = self._slurm.start(command, marks, out, err, intent)

    def _runs(self) -> bool:
        """Whether the submitting program still lives, on whichever host it was started."""
        if self._process is not None:
            return self._process.poll() is None
        descriptor = os.open(self.job.intent, os.O_RDWR)
        try:
            return not _lock(descriptor)
        finally:
            os.close(descriptor)

    def _look(self) -> None:
        """No answer is left of it: whether the queue has the job."""
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_SECONDS
        snapshot = self._queue.look(newer_than=time.time())
        comment = comment_of(self.intent.run_id, self.intent.attempt)
        jobs = [j for j in snapshot.marked(comment) if phase_of(j.state) is not Phase.OVER]
        if jobs or (jobs := list(snapshot.marked(comment))):
            self._taken(jobs[0].id)
        elif claimed := _claimed(self.job):
            self._taken(claimed)
        elif not snapshot.error:
            self._looks += 1
            if self._looks >= _LOOKS and not _text(self.job.errors).strip():
                self.stage = Stage.LOST
            elif self._looks >= _LOOKS:
                self._close()

    def _close(self) -> None:
        """No job may work for this attempt any more, unless one has just begun to."""
        own = self.job.path / ".claim.none"
        own.write_text("none\n")
        try:
            os.link(own, self.job.claim)
        except FileExistsError:
            self._taken(_claimed(self.job))
            return
        finally:
            own.unlink()
        self._refused()

    def _taken(self, job_id: str) -> None:
        self.job_id = job_id
        self.stage = Stage.TAKEN

    def _refused(self) -> None:
        from backends.slurm.tools import Answer

        text = _text(self.job.errors) + _text(self.job.start(0).log)
        self.complaint = Answer(code=1, err=text).complaint
        self.stage = Stage.REFUSED


def _claimed(job: JobDir) -> str:
    text = _text(job.claim).strip()
    return text if text.isdecimal() else ""


def _write_script(path: Path, text: str) -> None:
    write_atomic(path, text.encode(errors="surrogateescape"))
    path.chmod(0o700)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks: the queue is asked instead
    return True


def _private(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
