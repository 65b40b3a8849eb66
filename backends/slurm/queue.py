"""The queue, asked for once for all runs of this user and shared by their supervisors.

The last answer is a file; whoever finds it too old asks, one at a time. An answer that says what
the last one said makes the next one come later. An error keeps the last answer and delays.
"""

from __future__ import annotations

import fcntl
import os
import time
import zlib
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import msgspec

from rankdeck.nodes.slurm_list import expand_nodelist
from rankdeck.run.files import write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from backends.slurm.tools import Slurm

_FORMAT = "%i|%T|%D|%S|%N|%r|%k"
"""The comment comes last: it may hold anything but line ends."""
_FIELDS = _FORMAT.count("|")
_NOTHING = frozenset({"", "N/A", "(null)", "None", "Unknown"})
SHORTEST, LONGEST = 2.0, 30.0
_REASONS = "%N|%T|%E"
_TROUBLE_SECONDS = 8.0
"""The nodes are asked about less often than the jobs."""
_SLOWING = 0.1
"""Of the time nothing has changed, the time until the next question."""


class QueuedJob(msgspec.Struct, frozen=True, kw_only=True):
    """One line of squeue."""

    id: str
    state: str
    nodes: int = 0
    start: str = ""
    """When it has started, or will by Slurm's estimate; empty: not known."""
    nodelist: str = ""
    reason: str = ""
    comment: str = ""


class NodeTrouble(msgspec.Struct, frozen=True, kw_only=True):
    """Nodes that are down, drained or failing, for one reason."""

    nodes: tuple[str, ...]
    state: str
    reason: str = ""

    @property
    def down(self) -> bool:
        """Whether nothing runs on them."""
        return self.state.startswith("down")

    @property
    def text(self) -> str:
        """As in `draining: bad disk`."""
        return f"{self.state}: {self.reason}" if self.reason else self.state


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the queue."""

    asked: float = 0.0
    """When Slurm was asked last, whether it answered or not."""
    answered: float = 0.0
    changed: float = 0.0
    error: str = ""
    """Why the last question had no answer; empty: it had."""
    failures: int = 0
    jobs: tuple[QueuedJob, ...] = ()
    troubles: tuple[NodeTrouble, ...] = ()
    troubles_asked: float = 0.0

    def job(self, job_id: str) -> QueuedJob | None:
        """The job of that id."""
        return next((job for job in self.jobs if job.id == job_id), None)

    def marked(self, comment: str) -> tuple[QueuedJob, ...]:
        """The jobs with that comment."""
        return tuple(job for job in self.jobs if job.comment == comment)

    def due(self, now: float) -> bool:
        """Whether Slurm should be asked again."""
        return not 0 <= now - self.asked < pause(self, now)


def pause(snapshot: Snapshot, now: float) -> float:
    """Seconds from one question to the next."""
    if snapshot.failures:
        return float(min(LONGEST, SHORTEST * 2 ** min(snapshot.failures, 8)))
    return min(LONGEST, max(SHORTEST, _SLOWING * (now - snapshot.changed)))


def parse_squeue(text: str) -> tuple[QueuedJob, ...]:
    """The jobs of `squeue --noheader --format FORMAT`.

    Raises:
        ValueError: A line is not of that form.
    """
    jobs = []
    for line in text.splitlines():
        if not line.strip():
            continue
        fields = line.split("|", _FIELDS)
        if len(fields) <= _FIELDS or not fields[0].strip():
            raise ValueError(f"squeue printed a line that cannot be read: {line[:80]!r}")
        job, state, nodes, start, nodelist, reason, comment = map(str.strip, fields)
        jobs.append(
            QueuedJob(
                id=job,
                state=state,
                nodes=int(nodes) if nodes.isdecimal() else 0,
                start=_known(start),
                nodelist=_known(nodelist),
                reason=reason,
                comment=_known(comment),
            )
        )
    return tuple(jobs)


def parse_reasons(text: str) -> tuple[NodeTrouble, ...]:
    """The nodes of `sinfo --list-reasons`, without lines that cannot be read."""
    troubles = []
    for line in text.splitlines():
        nodes, state, reason = ([part.strip() for part in line.split("|", 2)] + ["", ""])[:3]
        with suppress(ValueError):
            if nodes and state:
                names = expand_nodelist(nodes)
                troubles.append(
                    NodeTrouble(nodes=names, state=state.rstrip("*"), reason=_known(reason))
                )
    return tuple(troubles)


def ask_troubles(slurm: Slurm) -> tuple[NodeTrouble, ...] | None:
    """The nodes that Slurm will not use, with the reason; None: it does not say."""
    answer = slurm.ask("sinfo", "--noheader", "--list-reasons", f"--format={_REASONS}")
    return parse_reasons(answer.out) if answer.ok else None


def _cluster(environ: Mapping[str, str]) -> str:
    """What tells the answers of several clusters apart; mostly nothing."""
    which = [environ.get(name, "") for name in ("SLURM_CONF", "SLURM_CLUSTERS")]
    return f"-{zlib.crc32(os.fsencode(chr(0).join(which))):08x}" if any(which) else ""


def _known(text: str) -> str:
    return "" if text in _NOTHING else text


class SharedQueue:
    """The queue as all supervisors of this user know it."""

    def __init__(self, slurm: Slurm, cache_dir: Path) -> None:
        self._slurm = slurm
        name = f"slurm-queue{_cluster(slurm.environ)}"
        self._path = cache_dir / f"{name}.json"
        self._lock = cache_dir / f"{name}.lock"

    def look(self, *, newer_than: float | None = None) -> Snapshot:
        """What is known; asks Slurm if that is due, or older than `newer_than` (wall clock).

        Asking takes as long as Slurm does: for a thread that may wait.
        """
        known = self._read()
        now = time.time()
        wanted = newer_than is not None and known.asked < newer_than
        if not wanted and not known.due(now):
            return known
        with self._turn(wait=wanted) as ours:
            if not ours:
                return known
            known = self._read()  # somebody else may have asked meanwhile
            if known.due(now) or (newer_than is not None and known.asked < newer_than):
                known = self._ask(known)
        return known

    def _ask(self, known: Snapshot) -> Snapshot:
        asked = time.time()
        answer = self._slurm.ask(
            "squeue", "--noheader", "--states=all", f"--user={os.geteuid()}",
            f"--format={_FORMAT}",
        )  # fmt: skip
        error = "" if answer.ok else answer.complaint
        jobs = known.jobs
        if not error:
            try:
                jobs = parse_squeue(answer.out)
            except ValueError as broken:
                error = str(broken)
        now = time.time()
        troubles, troubles_asked = known.troubles, known.troubles_asked
        runs = any(job.state == "RUNNING" for job in jobs)
        if not error and runs and not 0 <= now - troubles_asked < _TROUBLE_SECONDS:
            answered = ask_troubles(self._slurm)
            troubles, troubles_asked = troubles if answered is None else answered, now
        told = msgspec.structs.replace(
            known,
            asked=asked,
            answered=known.answered if error else asked,
            changed=now if jobs != known.jobs else known.changed,
            error=error,
            failures=known.failures + 1 if error else 0,
            jobs=jobs,
            troubles=troubles,
            troubles_asked=troubles_asked,
        )
        with suppress(OSError):
            write_atomic(self._path, msgspec.json.encode(told))
        return told

    def _read(self) -> Snapshot:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Snapshot)
        except (OSError, msgspec.DecodeError):
            return Snapshot()

    @contextmanager
    def _turn(self, *, wait: bool) -> Iterator[bool]:
        """Whether it is our turn to ask; with `wait`, after those who ask already."""
        descriptor = -1
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            ours = True
        except BlockingIOError:
            ours = False
        except OSError:
            ours = True  # no locks here: to ask once too often does no harm
        try:
            yield ours
        finally:
            if descriptor >= 0:
                os.close(descriptor)
