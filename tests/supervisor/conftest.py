"""Real supervisors and real agents; the ranks are small shell scripts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rankdeck.job.spec import JobSpec
from rankdeck.run.control import RunCommand, RunCommandKind, send_command
from rankdeck.run.eventlog import read_events
from rankdeck.run.fold import fold, initial_state
from rankdeck.run.launch import ensure_supervised, submit
from rankdeck.run.lock import lock_holder
from rankdeck.run.store import RunStore
from rankdeck.run.stored import created_time, read_plan, read_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rankdeck.run.events import Event
    from rankdeck.run.layout import RunDir
    from rankdeck.run.state import RunState

MANY = Path(__file__).parent / "many"
DEADLINE = 90.0
UNTIL_TOLD = "until test -e told; do sleep 0.05; done"
"""For a script: go on when the test says so (`Deck.tell`)."""


def wait_for(condition: Callable[[], object], what: str) -> object:
    """Wait until `condition` holds."""
    deadline = time.monotonic() + DEADLINE
    while not (value := condition()):
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.01)
    return value


def processes_of(run_id: str) -> list[int]:
    """Living processes that carry the run's id."""
    mark = f"RANKDECK_RUN_ID={run_id}".encode()
    found = []
    for name in os.listdir("/proc"):
        with suppress(OSError):
            if name.isdigit() and mark in Path("/proc", name, "environ").read_bytes().split(b"\0"):
                found.append(int(name))
    return found


def supervisors_of(run: RunDir) -> list[int]:
    """Living supervisors of the run, those that have not got its lock yet included."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            words = Path("/proc", name, "cmdline").read_bytes().split(b"\0")
            if words[1:2] == [b"-c"] and words[3:4] == [os.fsencode(run.path)]:
                found.append(int(name))
    return found


def fill(disk: Path) -> None:
    """Write until nothing fits any more."""
    with suppress(OSError), open(disk / "filler", "wb", buffering=0) as stream:
        while True:
            stream.write(b"x" * 4096)


class Deck:
    """Starts runs of shell scripts and looks at them from outside."""

    def __init__(self, tmp_path: Path, home: Path) -> None:
        self.store = RunStore(home)
        self.tmp_path = tmp_path
        self.runs: list[RunDir] = []

    def start(self, script: str, **fields: object) -> RunDir:
        """Submit a run whose every rank runs this script."""
        project = self.tmp_path / "project"
        project.mkdir(exist_ok=True)
        entry = project / "rank.sh"
        entry.write_text(f"#!/bin/sh\n{script}\n")
        entry.chmod(0o755)
        settings = {
            "name": "small",
            "nproc_per_node": 2,
            "launcher": "direct",
            "python": sys.executable,
            **fields,
        }
        spec = JobSpec(entry=str(entry), project=str(project), **settings)
        run = submit(spec, self.store, cwd=self.tmp_path, environ=dict(os.environ))
        self.runs.append(run)
        return run

    def tell(self) -> None:
        """Let the scripts go on that wait for it."""
        (self.tmp_path / "project" / "told").touch()

    def state(self, run: RunDir) -> RunState:
        return read_state(run)

    def wait_rank(self, run: RunDir, rung: str, rank: int = 0) -> RunState:
        """Wait until a rank has been at that rung."""
        wait_for(lambda: rung in self.state(run).ranks[rank].times, f"rank {rank} {rung}")
        return self.state(run)

    def end(self, run: RunDir, *, adopt: bool = False) -> RunState:
        """Wait until the run has ended and its supervisor with it."""

        def ended() -> bool:
            if adopt:
                ensure_supervised(run)
            return self.state(run).state.final

        wait_for(ended, f"end of {run.id}: {self.state(run)}")
        wait_for(lambda: lock_holder(run.supervisor_lock) is None, "end of the supervisor")
        return self.state(run)

    def command(self, run: RunDir, kind: str, **fields: object) -> None:
        send_command(run, RunCommand(command=RunCommandKind(kind), **fields))

    def supervisor(self, run: RunDir) -> int:
        pid = wait_for(lambda: lock_holder(run.supervisor_lock), "a supervisor")
        assert isinstance(pid, int)
        return pid

    def log(self, run: RunDir, rank: int, attempt: int = 0) -> str:
        node = self.state(run).ranks[rank].node
        return run.node(node).attempt(attempt).log(rank).read_text()

    def check_log(self, run: RunDir) -> list[Event]:
        """The log has no gap; state and snapshot are its fold."""
        events = read_events(run)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        folded = fold(initial_state(read_plan(run), created_time(run)), events)
        from msgspec.structs import replace

        assert replace(read_state(run), progress=None) == folded
        return events


@pytest.fixture
def deck(tmp_path: Path, private_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deck]:
    monkeypatch.setenv("PYTHONPATH", str(MANY))
    monkeypatch.syspath_prepend(str(MANY))
    deck = Deck(tmp_path, tmp_path / "state")
    yield deck
    for run in deck.runs:
        if pid := lock_holder(run.supervisor_lock):
            os.kill(pid, signal.SIGKILL)
        for pid in processes_of(run.id):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB."""
    path = tmp_path / "small"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m,mode=0700", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)
