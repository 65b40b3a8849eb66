"""Runs through Slurm on the test cluster, and questions about what Slurm knows of them."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.conftest import FINAL, until

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.cluster.rankdeck_at_login import RankdeckAtLogin

FOREVER = ("--steps", "600", "--step-seconds", "0.5", "--alone")
TIMEOUT = 90.0


@dataclass
class SlurmBench:
    """The command, the cluster, and a project to run."""

    rankdeck: RankdeckAtLogin
    cluster: Cluster
    project: Path

    def words(self, *script: str, options: tuple[str, ...] = (), nodes: int = 2) -> list[str]:
        """A command line that runs the stand-in trainer, one rank per node."""
        return [
            "run", "--detach", "--backend", "slurm", "--launcher", "direct",
            "--python", sys.executable, "--nnodes", str(nodes), *options,
            str(self.project / "trainer.py"), *script,
        ]  # fmt: skip

    def submit(self, *script: str, options: tuple[str, ...] = (), nodes: int = 2) -> str:
        """Start a run; its id."""
        words = self.words(*script, options=options, nodes=nodes)
        return self.rankdeck.ok(*words, cwd=self.project).strip()

    def refuse(self, *options: str, nodes: int = 2) -> subprocess.CompletedProcess[str]:
        """Start a run that must not begin."""
        done = self.rankdeck(*self.words(options=options, nodes=nodes), cwd=self.project)
        assert done.returncode in (2, 3), (done.returncode, done.stdout, done.stderr)
        assert not list((self.rankdeck.home / "runs").glob("2*"))
        return done

    def running(self, *script: str, options: tuple[str, ...] = (), nodes: int = 2) -> str:
        """Start a run and wait until every rank has written; its job's id."""
        self.submit(*script, options=options, nodes=nodes)
        self.until_ranks(nodes)
        return self.job()

    def until_ranks(self, count: int) -> None:
        """Wait until every rank has written and goes on."""
        for rank in range(count):
            self.rankdeck.until_rank(rank, "output", "stepping", timeout=TIMEOUT)

    def job(self) -> str:
        """The id of the newest run's newest job."""
        folder = self.rankdeck.run_dir() / "slurm"

        def look() -> str:
            for path in sorted(folder.glob("attempt-*/sbatch.out"), reverse=True):
                return path.read_text().strip()
            return ""

        return str(until(look, TIMEOUT))

    def ended(self, *wanted: str, timeout: float = TIMEOUT) -> dict[str, Any]:
        """Wait for the end; its state must be among those wanted, and nothing may be left."""
        try:
            state = self.rankdeck.until_state(*FINAL, timeout=timeout)
        except pytest.fail.Exception:
            pytest.fail(f"no end: {self.rankdeck.state()}\n{self.rankdeck.story()}\n{self.queue()}")
        assert state["state"] in wanted, (state["state"], state.get("reason"), self.events())
        run_id = self.rankdeck.run_id()
        self.cluster.assert_nothing_left(run_id)
        self.until_queue_is_empty()
        return state

    def until_queue_is_empty(self) -> None:
        """Wait until Slurm has no job any more, not even one that is being cleaned up."""
        until(lambda: not self.queue(), TIMEOUT)

    def queue(self) -> list[str]:
        """Job ids and states of what Slurm still has."""
        return self.squeue("-o", "%i %T")

    def steps(self) -> list[str]:
        """Ids of the steps that Slurm still has, of those that somebody started."""
        return [
            step
            for step in self.squeue("-s", "-o", "%i")
            if not step.endswith((".extern", ".batch"))
        ]

    def squeue(self, *options: str) -> list[str]:
        """The lines of squeue, once it answers: a controller that has just started may not yet."""

        def look() -> tuple[list[str]] | None:
            done = self.cluster.login("squeue", "-h", *options)
            return (done.stdout.splitlines(),) if done.returncode == 0 else None

        (lines,) = until(look, TIMEOUT)
        return list(lines)

    def ask(self, *command: str) -> str:
        """What Slurm answers; it must, or its silence would pass for an answer."""
        done = self.cluster.login(*command)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def events(self) -> list[dict[str, Any]]:
        """The newest run's history."""
        path = self.rankdeck.run_dir() / "events.jsonl"
        text = path.read_text() if path.exists() else ""
        return [json.loads(line) for line in text.splitlines() if line.endswith("}")]

    def messages(self) -> str:
        """Everything its history says in words."""
        return "\n".join(event.get("message") or "" for event in self.events())

    def until_told(self, *texts: str, timeout: float = TIMEOUT) -> None:
        """Wait until the history says all of this."""
        until(lambda: all(text in self.messages() for text in texts), timeout)

    def agents_on(self, node: str) -> int:
        """How many processes of a node are named like an agent."""
        return int(self.cluster.exec(node, "pgrep", "-c", "rankdeck-agent", check=False))

    def supervisor(self) -> int:
        """The pid of the newest run's supervisor, as the machine counts."""
        return int(self.rankdeck.state()["supervisor"]["pid"])

    def kill_supervisor(self) -> None:
        """Kill it, and wait until it has gone."""
        self.rankdeck.kill_supervisor()
