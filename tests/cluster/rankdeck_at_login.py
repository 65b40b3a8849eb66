"""The `rankdeck` command on the login node, with a state directory that every host sees."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from rankdeck.run.layout import RunDir
from rankdeck.run.lock import lock_holder
from tests.cluster.testbed.bed import LOGIN
from tests.e2e.conftest import FINAL, Cli, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cluster.cluster import Cluster


@dataclass
class RankdeckAtLogin(Cli):
    """What `Cli` is for one machine, for a cluster; also on a second login node."""

    cluster: Cluster = field(kw_only=True)

    def __call__(
        self,
        *args: str | Path,
        timeout: float = 120.0,
        cwd: Path | None = None,
        on: str = LOGIN,
        **env: str,
    ) -> subprocess.CompletedProcess[str]:
        words = [*self.argv, *map(str, args)]
        extra = {**self.env, **env}
        try:
            return self.cluster.login(*words, on=on, cwd=cwd, env=extra, timeout=timeout)
        except subprocess.TimeoutExpired:
            pytest.fail(f"{words} took longer than {timeout} s\n{self.story()}")

    def story(self) -> str:
        """What is known of the newest run, for a test that waited for it in vain."""
        run = self.run_dir()
        files = [run / "events.jsonl", *sorted(run.glob("nodes/*/state.json"))]
        files += sorted(run.glob("nodes/*/agent.log"))
        inboxes = [str(path) for path in run.glob("nodes/*/control/*")]
        texts = [f"{path}:\n{path.read_text()}" for path in files if path.exists()]
        return "\n".join([*texts, f"not taken from inboxes: {inboxes}"])

    def start(
        self, *args: str | Path, on: str = LOGIN, cwd: Path | None = None, **env: str
    ) -> subprocess.Popen[Any]:
        words = [*self.argv, *map(str, args)]
        return self.cluster.start(*words, on=on, cwd=cwd, env={**self.env, **env})

    @property
    def argv(self) -> list[str]:
        return [sys.executable, "-m", "rankdeck.cli.entry"]

    def run_id(self) -> str:
        """The newest run's id, once there is one."""
        return self.run_dir().name

    def node_states(self) -> dict[str, dict[str, Any]]:
        """What each node's agent has said so far."""
        return {
            path.parent.name: json.loads(path.read_text())
            for path in sorted(self.run_dir().glob("nodes/*/state.json"))
        }

    def rank(self, rank: int) -> dict[str, Any] | None:
        """What the newest run's agents say of a rank; None before any does."""
        for node in self.node_states().values():
            for record in node.get("ranks", ()):
                if record["rank"] == rank:
                    return dict(record)
        return None

    def until_rank(self, rank: int, *states: str, timeout: float = 120.0) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            record = self.rank(rank)
            return record if record and record["state"] in states else None

        found: dict[str, Any] = self._until(look, timeout)
        return found

    def until_state(self, *wanted: str, timeout: float = 120.0) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            state = self.state()
            return state if state["state"] in wanted else None

        found: dict[str, Any] = self._until(look, timeout)
        return found

    def until_line(self, rank: int, text: str, timeout: float = 120.0) -> None:
        """Wait until the login node has that text in a rank's log."""

        def look() -> bool:
            logs = self.run_dir().glob(f"nodes/*/attempt-*/rank-{rank}.log")
            return any(text.encode() in path.read_bytes() for path in logs)

        self._until(look, timeout)

    def _until(self, look: Callable[[], Any], timeout: float) -> Any:
        try:
            return until(look, timeout)
        except pytest.fail.Exception as failed:
            pytest.fail(f"{failed}\n{self.story()}")

    def kill_supervisor(self) -> None:
        """Kill the newest run's, and wait until it is gone: one that waits for a disk stays."""
        pid = self.state()["supervisor"]["pid"]
        os.kill(pid, signal.SIGKILL)
        lock = RunDir(self.run_dir()).supervisor_lock
        until(lambda: lock_holder(lock) != pid)

    def end_everything(self) -> None:
        """Kill what still runs, and see that nothing of any run is left on any host."""
        for run in sorted((self.home / "runs").glob("2*")):
            state = json.loads((run / "state.json").read_text())
            if state["state"] not in FINAL:
                self("kill", run.name)
            self.cluster.assert_nothing_left(run.name)

    def kill_leftovers(self) -> None:
        """Whatever a failed test left on the hosts, end it."""
        for run in (self.home / "runs").glob("2*"):
            for host, pids in self.cluster.processes(run.name).items():
                for pid in pids if host else ():
                    self.cluster.exec(host, "kill", f"-{signal.SIGKILL:d}", str(pid), check=False)
