"""A second login node that sees the same home: the same runs, and whoever is there keeps them."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rankdeck.run.layout import RunDir
from rankdeck.run.lock import lock_holder
from tests.cluster.cluster import Options
from tests.cluster.testbed.bed import LOGIN, LOGIN2
from tests.e2e.conftest import FINAL, until

if TYPE_CHECKING:
    from typing import Any

    from tests.cluster.cluster import Cluster
    from tests.cluster.rankdeck_at_login import RankdeckAtLogin

CLUSTER = Options(hosts=2, slurm=False, broken_hosts=False)
TWO = ("--host", "node1,node2", "--nproc-per-node", "1", "--launcher", "direct")


class Training:
    """A run on two nodes that goes on until it is stopped, and writes checkpoints then."""

    def __init__(self, rankdeck: RankdeckAtLogin, programs: Path, backend: str) -> None:
        self.rankdeck = rankdeck
        self.cluster = rankdeck.cluster
        self.saved = self.cluster.shared / "saved-{rank}"
        more = ("--steps", "4000", "--checkpoint", self.saved)
        options = ("--backend", backend, *TWO)
        rankdeck.ok("run", "-d", *options, programs / "trainer.py", *more)
        self.run = rankdeck.run_dir()
        for rank in (0, 1):
            rankdeck.until_line(rank, "step 2/")
        # a rank's log may be ahead of what is said of the rank
        until(self.running)

    def running(self) -> bool:
        """Whether the run and both its nodes are told to run."""
        state = self.rankdeck.state()
        return {state["state"], *(node["state"] for node in state["nodes"])} == {"running"}

    def supervisor(self) -> dict[str, Any]:
        """The newest supervisor, by its own word."""
        state: dict[str, Any] = self.rankdeck.state()["supervisor"]
        return state

    def kill_supervisor(self) -> dict[str, Any]:
        """The login node's own, as a shortage of memory there would; returns who it was."""
        found = self.supervisor()
        assert found["host"] == "login"
        os.kill(found["pid"], signal.SIGKILL)
        # the kernel lets go of its lock only when its last thread is gone
        lock = RunDir(self.run).supervisor_lock
        until(lambda: lock_holder(lock) != found["pid"])
        return found

    def until_adopted(self, before: dict[str, Any]) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            now = self.supervisor()
            return now if now != before else None

        found: dict[str, Any] = until(look)
        return found

    def supervisors_told(self) -> list[str]:
        """Every supervisor that ever took the run over, by host."""
        lines = (self.run / "events.jsonl").read_text().splitlines()
        events = [json.loads(line) for line in lines]
        return [e["supervisor"]["host"] for e in events if e["kind"] == "supervisor"]

    def stopped_well(self) -> None:
        """It has been stopped properly: checkpoints written, logs whole, nothing left."""
        state = self.rankdeck.until_state(*FINAL)
        assert (state["state"], state["exit_code"]) == ("stopped", 130)
        for rank in (0, 1):
            assert Path(str(self.saved).replace("{rank}", str(rank))).exists()
            steps = re.findall(r"^step (\d+)/", self.rankdeck.log(rank).decode(), re.MULTILINE)
            assert [int(step) for step in steps] == list(range(1, len(steps) + 1))
        self.cluster.assert_nothing_left(self.run.name)


@pytest.fixture
def training(rankdeck: RankdeckAtLogin, programs: Path) -> Training:
    return Training(rankdeck, programs, "ssh")


def test_a_run_looks_the_same_from_there(training: Training, rankdeck: RankdeckAtLogin) -> None:
    (listed,) = json.loads(rankdeck.ok("ls", "--json", on=LOGIN2))["runs"]
    assert (listed["id"], listed["state"]) == (training.run.name, "running")
    shown = json.loads(rankdeck.ok("show", "last", "--json", on=LOGIN2))
    assert [node["state"] for node in shown["nodes"]] == ["running", "running"]
    # that kernel has no number for a process of the other login node
    supervisor = training.supervisor()
    assert (shown["supervisor_pid"], shown["supervisor_host"]) == (supervisor["pid"], "login")
    here = rankdeck.show()
    assert (here["supervisor_pid"], here["supervisor_host"]) == (supervisor["pid"], "login")
    assert "no rank has failed" in rankdeck.ok("why", "last", on=LOGIN2)
    assert training.supervisors_told() == ["login"]


def test_its_logs_can_be_followed_and_it_can_be_stopped_from_there(
    training: Training, rankdeck: RankdeckAtLogin
) -> None:
    follower = rankdeck.start("logs", "-f", "last", on=LOGIN2)
    assert follower.stdout is not None
    assert follower.stderr is not None
    seen = ""
    while not re.search(r"^\[1\] step 4/", seen, re.MULTILINE):
        line = follower.stdout.readline()
        assert line, follower.stderr.read()
        seen += line
    rankdeck.ok("stop", "last", on=LOGIN2)
    training.stopped_well()
    # it ends with the run
    seen += follower.stdout.read()
    assert (follower.wait(90), follower.stderr.read()) == (0, "")
    for rank in (0, 1):
        lines = re.findall(rf"^\[{rank}\] (.*)$", seen, re.MULTILINE)
        assert lines == rankdeck.log(rank).decode().splitlines()
    assert "stopped by the user" in rankdeck.ok("why", "last", on=LOGIN2)
    command = json.loads(rankdeck.ok("show", "last", "--events", "--json"))["events"]
    assert any("login2" in event.get("message", "") for event in command)


def test_a_failure_is_told_there_in_the_same_words(
    rankdeck: RankdeckAtLogin, programs: Path
) -> None:
    fail = ("--lockstep", "--fail-rank", "1", "--fail-at", "3")
    done = rankdeck("run", "--backend", "ssh", *TWO, programs / "trainer.py", *fail)
    assert done.returncode == 1
    assert rankdeck.ok("why", "last", on=LOGIN2) == rankdeck.ok("why", "last")
    assert "rank 1 on node2" in rankdeck.ok("why", "last", on=LOGIN2)


@pytest.mark.parametrize("command", ["stop", "wait"])
def test_it_is_adopted_there_when_its_supervisor_was_killed(
    command: str, training: Training, rankdeck: RankdeckAtLogin
) -> None:
    before = training.kill_supervisor()
    if command == "stop":
        rankdeck.ok("stop", "last", on=LOGIN2)
    else:
        waiting = rankdeck.start("wait", "last", on=LOGIN2)
        adopted = training.until_adopted(before)
        assert adopted["host"] == LOGIN2
        # seen from the node that has lost it
        shown = rankdeck.show()
        assert (shown["supervisor_pid"], shown["supervisor_host"]) == (adopted["pid"], LOGIN2)
        rankdeck.ok("stop", "last")
        waiting.communicate(timeout=90)
        assert waiting.returncode == 130
    training.stopped_well()
    assert training.supervisors_told() == ["login", "login2"]


def test_two_clients_at_once_make_one_supervisor(
    training: Training, rankdeck: RankdeckAtLogin
) -> None:
    before = training.kill_supervisor()
    waiting = [rankdeck.start("wait", "last", on=host) for host in (LOGIN, LOGIN2) * 2]
    adopted = training.until_adopted(before)
    # clients look after the run every two seconds: it must stay with one of those they started
    shown = [json.loads(rankdeck.ok("show", "last", "--json", on=host)) for host in (LOGIN, LOGIN2)]
    assert {document["supervisor_host"] for document in shown} == {adopted["host"]}
    rankdeck.ok("stop", "last")
    for client in waiting:
        client.communicate(timeout=90)
        assert client.returncode == 130
    training.stopped_well()
    assert len(training.supervisors_told()) == 2
    # nor did anybody act on it beside that one
    numbers = [
        json.loads(line)["seq"] for line in (training.run / "events.jsonl").read_text().splitlines()
    ]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_run_of_mpirun_belongs_to_the_node_that_mpirun_is_on(
    rankdeck: RankdeckAtLogin, programs: Path
) -> None:
    training = Training(rankdeck, programs, "mpi")
    training.kill_supervisor()
    done = rankdeck("show", "last", on=LOGIN2)
    assert done.returncode == 0
    alone = f"{training.run.name} has lost its supervisor, and only login can take it over"
    assert alone in done.stderr
    done = rankdeck("stop", "last", on=LOGIN2)
    assert done.returncode == 3
    first, second = done.stderr.splitlines()
    assert first == f"rankdeck: {alone}"
    assert f"rankdeck show {training.run.name}" in second
    assert training.supervisors_told() == ["login"]
    # what was asked there is done as soon as somebody comes who can
    rankdeck.ok("show", "last")
    training.stopped_well()
    assert training.supervisors_told() == ["login", "login"]


def test_a_run_of_one_login_node_alone_is_left_to_it(
    rankdeck: RankdeckAtLogin, programs: Path, cluster: Cluster
) -> None:
    local = ("--backend", "local", "--launcher", "direct", "--nproc-per-node", "1")
    rankdeck.ok("run", "-d", *local, programs / "trainer.py", "--steps", "4000")
    rankdeck.until_line(0, "step 2/")
    os.kill(rankdeck.state()["supervisor"]["pid"], signal.SIGKILL)
    done = rankdeck("wait", "last", on=LOGIN2)
    assert done.returncode == 3
    assert "only login can take it over" in done.stderr
    rankdeck.ok("stop", "last")
    cluster.assert_nothing_left(rankdeck.run_id())
