"""Real runs through the real command line: every test gets its own state directory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rankdeck.run.lock import lock_holder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FINAL = {"succeeded", "failed", "stopped", "lost"}
ALL_HERE = """
import os, time
here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "here-")
open(here + os.environ["RANK"], "w").close()
while not all(os.path.exists(here + str(n)) for n in range(int(os.environ["WORLD_SIZE"]))):
    time.sleep(0.02)
"""
"""For a program: go on when every rank has come here."""


@dataclass
class Cli:
    """The `rankdeck` command with a private state directory, and questions about its runs."""

    home: Path
    env: dict[str, str]
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def argv(self) -> list[str]:
        return [sys.executable, "-m", "rankdeck.cli.entry"]

    def __call__(
        self, *args: str | Path, timeout: float = 600.0, cwd: Path | None = None, **env: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.argv, *map(str, args)],
            env={**self.env, **env},
            cwd=cwd or self.home.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )

    def ok(self, *args: str | Path, **options: Any) -> str:
        done = self(*args, **options)
        assert done.returncode == 0, (args, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def start(self, *args: str | Path, **options: Any) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [*self.argv, *map(str, args)],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.home.parent,
            **options,
        )
        self.started.append(process)
        return process

    def show(self, ref: str = "last") -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.ok("show", ref, "--json"))
        return document

    def run_dir(self) -> Path:
        """The newest run's directory, once it is there."""
        return until(lambda: max((self.home / "runs").glob("2*"), key=_when_made, default=None))

    def state(self) -> dict[str, Any]:
        """The newest run's snapshot, read as any other program would."""
        path = self.run_dir() / "state.json"
        document: dict[str, Any] = until(
            lambda: json.loads(path.read_text()) if path.exists() else None
        )
        return document

    def node_state(self) -> dict[str, Any] | None:
        """What the only node's agent says; None before it has said anything."""
        found = list((self.run_dir() / "nodes").glob("*/state.json"))
        return json.loads(found[0].read_text()) if found else None

    def until_state(self, *wanted: str, timeout: float = 240.0) -> dict[str, Any]:
        """Wait until the newest run is in one of these states."""
        return until(lambda: state if (state := self.state())["state"] in wanted else None, timeout)

    def until_rank(self, rank: int, *states: str, timeout: float = 240.0) -> dict[str, Any]:
        """Wait until a rank of the newest run has been in one of these states."""

        def look() -> dict[str, Any] | None:
            node = self.node_state()
            for record in (node or {}).get("ranks", ()):
                if record["rank"] == rank and not record["times"].keys().isdisjoint(states):
                    return dict(record)
            return None

        return until(look, timeout)

    def until_unsupervised(self) -> None:
        """Wait until nobody writes into the newest run's directory any more."""
        until(lambda: lock_holder(self.run_dir() / "supervisor.lock") is None)

    def log(self, rank: int = 0, attempt: int = 0) -> bytes:
        """A rank's log file, byte for byte."""
        (path,) = self.run_dir().glob(f"nodes/*/attempt-{attempt}/rank-{rank}.log")
        return path.read_bytes()


def _when_made(run: Path) -> tuple[str, int]:
    """Ids tell the second; two short runs may be made in one."""
    return run.name[: len("20261121-104512")], (run / "plan.json").stat().st_mtime_ns


def until(look: Callable[[], Any], timeout: float = 240.0) -> Any:
    """Call `look` until it returns something true; fail after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        if found := look():
            return found
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout} s")
        time.sleep(0.02)


def carriers(run_id: str) -> list[int]:
    """Processes that carry this run's id in their environment, zombies left out."""
    marker = f"RANKDECK_RUN_ID={run_id}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if marker in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def assert_nothing_left(run_id: str) -> None:
    """No process of the run is left, whatever it did to hide."""
    until(lambda: not carriers(run_id))


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    home = tmp_path / "state"
    env = {**os.environ, "RANKDECK_HOME": str(home), "RANKDECK_DEBUG": ""}
    command = Cli(home, env)
    yield command
    for process in command.started:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()
    for run in (home / "runs").glob("2*"):
        if command.show(run.name)["state"] not in FINAL:
            command("kill", run.name)
        assert_nothing_left(run.name)


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., Path]:
    """Write a Python program that ranks can run; returns its path."""

    def write(text: str, name: str = "work.py") -> Path:
        folder = tmp_path / "project"
        folder.mkdir(exist_ok=True)
        path = folder / name
        path.write_text(text)
        return path

    return write
