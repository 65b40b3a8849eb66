"""LiveJob: what the files of one job say about it. Reads; concludes nothing and asks nobody."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from backends.slurm import words
from backends.slurm.submit import Kind
from rankdeck.nodes.slurm_list import expand_nodelist

if TYPE_CHECKING:
    from pathlib import Path

    from backends.slurm.layout import JobDir, StartDir

_LARGEST_LOG = 1 << 20


class LiveJob:
    """A submitted job, through all its starts."""

    def __init__(self, attempt: int, folder: JobDir, job_id: str, kind: Kind) -> None:
        self.attempt = attempt
        self.folder = folder
        self.id = job_id
        self.kind = kind
        self.number: int | None = None
        """Which start it is on; None: it has not started yet."""
        self.requeued = False
        """Whether Slurm was seen to put it back: it serves later attempts, too."""
        self.nodes: tuple[str, ...] = ()
        self.step = ""
        self.said: frozenset[str] = frozenset()
        self.finished: int | None = None
        """The exit code of its srun, when that has ended."""
        self.log = ""
        """What srun and the batch step have printed in this start."""
        self._log_sizes: tuple[int, int] = (0, 0)
        self._log_from = 0

    @property
    def start(self) -> StartDir:
        """The start it is on, or will be."""
        return self.folder.start(self.number or 0)

    @property
    def key(self) -> tuple[int, int]:
        """Names this start among all of the run."""
        return self.attempt, self.number or 0

    @property
    def started(self) -> bool:
        """Whether its nodes are known."""
        return bool(self.nodes)

    @property
    def told(self) -> bool:
        """Whether a waiter was told to end by a signal."""
        return any(name.endswith(".told") for name in self.said)

    @property
    def notice(self) -> str:
        """The state that the nodes' own notices say it ends in."""
        return words.cancelled_as(self.log, self.id)

    def look(self) -> bool:
        """Read what is new; whether it has started, or started again, since the last look."""
        began = self._look_for_start()
        if self.started:
            self.said = frozenset(_names(self.start.said))
        if self.finished is None and (self.started or self.kind is Kind.STEP):
            code = _text(self.start.finished).strip()
            if code:
                self.finished = int(code) if code.lstrip("-").isdecimal() else 1
        self._read_logs()
        return began

    def wait_again(self) -> None:
        """Slurm has put it back into the queue: what is known is of the start before."""
        self.requeued = True
        self.nodes, self.said, self.finished, self.log = (), frozenset(), None, ""

    def gone_waiters(self) -> dict[str, str]:
        """How waiters ended that should not have, by node."""
        return words.ended_tasks(self.log, self.nodes)

    def why_gone(self, node: str) -> str:
        """Why a node's waiter has ended: its own last line, else srun's words."""
        lines = _text(self.start.path / f"{node}.log").splitlines()
        said = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return said[:300] or self.gone_waiters().get(node, "it has ended")

    def last_words(self) -> str:
        """The last line that says something."""
        if gone := self.gone_waiters():
            node = min(gone)
            return f"{node}: {self.why_gone(node)}"
        noise = (
            "srun: Job step aborted",
            "srun: forcing job",
            "srun: got SIGCONT",
            "srun: cluster configuration lacks support",
        )
        lines = [line.strip() for line in self.log.splitlines()]
        return next(
            (line[:200] for line in reversed(lines) if line and not line.startswith(noise)), ""
        )

    def _look_for_start(self) -> bool:
        last = -1 if self.number is None else self.number
        numbers = [
            int(name[len("start-") :])
            for name in _names(self.folder.path)
            if name.startswith("start-") and name[len("start-") :].isdecimal()
        ]
        for number in sorted(numbers, reverse=True):
            if number <= last:
                return False
            fields = _fields(_text(self.folder.start(number).allocation))
            if fields is None:
                continue
            self.requeued = self.requeued or self.number is not None
            self.number = number
            self.id, self.step = fields["job"], fields["step"]
            self.nodes = expand_nodelist(fields["nodes"])
            self.finished = None
            self.said = frozenset()
            self._log_from = 0 if last < 0 else self._log_sizes[0]
            self._log_sizes = (-1, -1)
            return True
        return False

    def _read_logs(self) -> None:
        sizes = (_size(self.folder.log), _size(self.start.log))
        if sizes == self._log_sizes:
            return
        self._log_sizes = sizes
        # the batch step's log goes on through all starts
        self.log = _text(self.folder.log, self._log_from) + "\n" + _text(self.start.log)


def _fields(text: str) -> dict[str, str] | None:
    found = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return found if {"job", "step", "nodes"} <= found.keys() else None


def _names(folder: Path) -> list[str]:
    """The names in a folder that other hosts write into."""
    with suppress(OSError):
        # a network file system's client asks its server again after this
        os.utime(folder)
        return os.listdir(folder)
    return []


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _text(path: Path, start: int = 0) -> str:
    try:
        with open(path, "rb") as stream:
            stream.seek(max(start, _size(path) - _LARGEST_LOG))
            return stream.read().decode(errors="replace")
    except OSError:
        return ""
