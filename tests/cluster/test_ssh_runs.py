"""Whole runs over SSH on hosts that share nothing but the network, and what may befall them."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.cluster import Options
from tests.e2e.conftest import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.cluster.rankdeck_at_login import RankdeckAtLogin

CLUSTER = Options(hosts=3, slurm=False, broken_hosts=False)
TOLD = 90.0
"""Seconds; only what is never told, or never goes, exceeds them."""


class SshBench:
    """Runs of the stand-in trainer over SSH, and what is known of them."""

    def __init__(self, rankdeck: RankdeckAtLogin, cluster: Cluster, project: Path) -> None:
        self.rankdeck = rankdeck
        self.cluster = cluster
        self.project = project

    def submit(self, *args: str, hosts: str = "node1,node2", options: tuple[str, ...] = ()) -> None:
        """Start a run in the background."""
        self.rankdeck.ok(
            "run", "--detach", "--backend", "ssh", "--launcher", "direct", "--host", hosts,
            "--grace", "3", *options, self.project / "trainer.py", "--", *args,
            cwd=self.project,
        )  # fmt: skip

    def training(self, *args: str, hosts: str = "node1,node2", **more: Any) -> None:
        """Start a run and wait until every rank is training."""
        self.submit(*args, hosts=hosts, **more)
        for rank in range(len(hosts.split(","))):
            try:
                self.rankdeck.until_rank(rank, "output", "stepping", timeout=90)
            except pytest.fail.Exception:
                pytest.fail(f"rank {rank} does not train:\n{self.story()}")

    def training_until_told(self, *args: str, steps: int, wait_at: int = 0, **more: Any) -> None:
        """Start a run of so many steps, of which the second half begins with `go_on`.

        However late a fault comes, it finds ranks that train, and much is to be carried after it.
        """
        wait = ("--wait-at", str(wait_at or steps // 2), "--wait-for", str(self.project / "go"))
        self.training(
            "--steps", str(steps), "--step-seconds", "0.1", "--lines", "50", *wait, *args, **more
        )

    def go_on(self) -> None:
        """Let the ranks begin the second half."""
        (self.project / "go").touch()

    def ended(self, *states: str, timeout: float = 120.0) -> dict[str, Any]:
        """Wait for the end; no process of the run is left on any host then."""
        state = self.rankdeck.until_state("succeeded", "failed", "stopped", "lost", timeout=timeout)
        assert state["state"] in states, self.story()
        self.cluster.assert_nothing_left(self.rankdeck.run_id())
        return state

    def nothing_on(self, *hosts: str) -> None:
        """No file of the run is on these hosts."""
        run = self.rankdeck.run_id()
        for host in hosts:
            until(lambda host=host: run not in self.files_on(host), TOLD)

    def files_on(self, host: str) -> str:
        return self.cluster.exec(host, "sh", "-c", "ls -R /tmp/rankdeck-root/runs 2>/dev/null || :")

    def events(self) -> list[dict[str, Any]]:
        text = (self.rankdeck.run_dir() / "events.jsonl").read_text()
        # what is behind the last end of a line is still being written
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def story(self) -> str:
        """What was told so far."""
        return "\n".join(
            f"{event['t']:.1f} {event['kind']} {event.get('node', '')} {event.get('message', '')}"
            for event in self.events()
            if event.get("message")
        )

    def until_told(self, pattern: str, timeout: float = TOLD) -> str:
        """Wait until something that fits was told."""

        def look() -> str | None:
            found = re.search(pattern, self.story())
            return found.group() if found else None

        try:
            told: str = until(look, timeout)
        except pytest.fail.Exception:
            pytest.fail(f"nobody said {pattern!r}:\n{self.story()}")
        return told

    def whole_log(self, rank: int, lines: int) -> None:
        """Every line that the rank wrote is at home, once, in order."""
        text = self.rankdeck.log(rank).decode()
        found = [int(n) for n in re.findall(rf"^line (\d+) of rank {rank} ", text, re.MULTILINE)]
        assert found == list(range(1, lines + 1))
        assert text.endswith(f"done rank {rank}, {lines} lines\n")

    def pids(self, host: str, name: str) -> list[int]:
        """Processes of that name on a host (15 characters at most)."""
        out = self.cluster.exec(host, "ps", "-e", "-o", "pid=,comm=")
        lines = (line.split(None, 1) for line in out.splitlines())
        return [int(pid) for pid, found in lines if found == name]


def _sessions(ssh: SshBench) -> list[int]:
    """The sshd processes of connections to node2, without the one that listens."""
    out = ssh.cluster.exec("node2", "ps", "-e", "-o", "pid=,args=")
    lines = (line.split(None, 1) for line in out.splitlines())
    return [
        int(pid) for pid, words in lines if words.startswith("sshd: ") and "listen" not in words
    ]


@pytest.fixture
def ssh(rankdeck: RankdeckAtLogin, cluster: Cluster, programs: Path) -> SshBench:
    return SshBench(rankdeck, cluster, programs)


@pytest.mark.parametrize("transport", ["paramiko", "openssh"])
def test_a_run_on_three_hosts_comes_home_whole(ssh: SshBench, transport: str) -> None:
    ssh.submit(
        "--steps", "5", "--lines", "2000",
        hosts="node1,node2,node3", options=("--transport", transport),
    )  # fmt: skip
    ssh.ended("succeeded")
    for rank in range(3):
        ssh.whole_log(rank, 10000)
    ssh.nothing_on("node1", "node2", "node3")


def test_a_rank_that_fails_on_the_far_node_ends_all(ssh: SshBench) -> None:
    ssh.submit("--steps", "1000", "--fail-at", "3", "--fail-rank", "1", "--fail-how", "exit:7")
    state = ssh.ended("failed")
    assert (state["failure"]["rank"], state["failure"]["node"]) == (1, "node2")
    ssh.nothing_on("node1", "node2")


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_run_is_ended_from_here(ssh: SshBench, how: str) -> None:
    ssh.training("--steps", "10000")
    ssh.rankdeck.ok(how, "last")
    ssh.ended("stopped")
    ssh.nothing_on("node1", "node2")


def test_a_short_cut_loses_nothing(ssh: SshBench) -> None:
    ssh.training_until_told("--alone", steps=120)
    ssh.cluster.cut("node2")
    time.sleep(5.0)
    ssh.cluster.heal("node2")
    ssh.go_on()
    ssh.ended("succeeded")
    for rank in (0, 1):
        ssh.whole_log(rank, 6000)


@pytest.mark.parametrize(("transport", "seconds"), [("paramiko", 60), ("openssh", 15)])
def test_a_long_cut_is_told_and_loses_nothing(ssh: SshBench, transport: str, seconds: int) -> None:
    steps = 10 * seconds + 100
    options = ("--transport", transport, "--connect-timeout", "4")
    ssh.training_until_told("--alone", steps=steps, wait_at=10 * seconds, options=options)
    ssh.cluster.cut("node2")
    healed = time.monotonic() + seconds
    ssh.until_told("node2.*(nothing was heard|timed out)")
    assert ssh.rankdeck.state()["state"] == "running"
    time.sleep(max(0.0, healed - time.monotonic()))
    ssh.cluster.heal("node2")
    ssh.go_on()
    ssh.ended("succeeded", timeout=150)
    for rank in (0, 1):
        ssh.whole_log(rank, 50 * steps)


def test_a_node_that_stays_away_is_given_up(ssh: SshBench) -> None:
    ssh.training(
        "--steps",
        "10000",
        "--alone",
        options=("--unreachable-after", "12", "--connect-timeout", "4"),
    )
    ssh.cluster.cut("node2")
    state = ssh.rankdeck.until_state("lost")
    assert state["reason"] == "node2 cannot be reached"
    ssh.cluster.heal("node2")
    ssh.cluster.assert_nothing_left(ssh.rankdeck.run_id(), seconds=90)
    ssh.nothing_on("node1", "node2")


def test_a_dropped_connection_is_mended(ssh: SshBench) -> None:
    ssh.training_until_told(steps=60)
    courier = ssh.pids("node2", "rankdeck-courie")
    assert len(courier) == 1
    for pid in _sessions(ssh):
        ssh.cluster.kill("node2", pid)
    ssh.until_told("node2")
    ssh.go_on()
    ssh.ended("succeeded")
    for rank in (0, 1):
        ssh.whole_log(rank, 3000)


def test_sshd_killed_with_all_it_has_is_survived(ssh: SshBench) -> None:
    ssh.training_until_told(steps=80)
    ssh.cluster.sshd("node2", "stop")
    for pid in ssh.pids("node2", "sshd"):
        ssh.cluster.kill("node2", pid)
    ssh.until_told("node2")
    time.sleep(2.0)
    ssh.cluster.sshd("node2", "start")
    ssh.go_on()
    ssh.ended("succeeded")
    for rank in (0, 1):
        ssh.whole_log(rank, 4000)


def test_a_killed_courier_is_replaced(ssh: SshBench) -> None:
    ssh.training_until_told(steps=60)
    for pid in ssh.pids("node2", "rankdeck-courie"):
        ssh.cluster.kill("node2", pid)
    ssh.go_on()
    ssh.ended("succeeded")
    for rank in (0, 1):
        ssh.whole_log(rank, 3000)


def test_a_killed_agent_ends_the_run(ssh: SshBench) -> None:
    ssh.training("--steps", "10000")
    pids = (*ssh.pids("node2", "rankdeck-guard"), *ssh.pids("node2", "rankdeck-agent"))
    assert len(pids) == 2
    # the second may have ended already, of the first one's end
    ssh.cluster.exec("node2", "kill", "-KILL", *map(str, pids), check=False)
    state = ssh.ended("failed")
    assert "node2" in json.dumps(state["failure"])
    ssh.nothing_on("node1", "node2")


def test_a_killed_supervisor_is_replaced_and_nothing_is_lost(ssh: SshBench) -> None:
    ssh.training_until_told(steps=80)
    ssh.rankdeck.kill_supervisor()
    ssh.rankdeck.ok("ls")
    ssh.go_on()
    ssh.rankdeck("attach", "last", timeout=150)
    ssh.ended("succeeded")
    for rank in (0, 1):
        ssh.whole_log(rank, 4000)
    ssh.nothing_on("node1", "node2")


def test_a_supervisor_killed_while_it_places_agents_starts_none_twice(ssh: SshBench) -> None:
    ssh.cluster.freeze("node2")
    # an answer of node2 is waited for until its host is thawed, however late that is
    ssh.submit("--steps", "20", "--lines", "10", options=("--connect-timeout", "90"))
    run = ssh.rankdeck.run_id()
    until(lambda: ssh.cluster.processes_on("node1", run))
    ssh.rankdeck.kill_supervisor()
    ssh.cluster.thaw("node2")
    ssh.rankdeck("attach", "last", timeout=150)
    ssh.ended("succeeded")
    for rank in (0, 1):
        ssh.whole_log(rank, 200)


def test_a_host_that_loses_power_is_named(ssh: SshBench) -> None:
    ssh.training("--steps", "10000", options=("--connect-timeout", "3"))
    ssh.cluster.crash("node2")
    ssh.until_told("node2")
    ssh.cluster.boot("node2")
    state = ssh.ended("failed")
    assert "node2" in json.dumps(state["failure"])


def test_a_full_disk_on_one_node_is_named(ssh: SshBench) -> None:
    ssh.cluster.fill("node2", "/tmp")
    ssh.submit("--steps", "10")
    state = ssh.ended("failed")
    failure = json.dumps(state["failure"])
    assert "disk-full" in failure
    assert "node2" in failure
    ssh.nothing_on("node1")


def test_a_host_without_python_is_named(ssh: SshBench) -> None:
    ssh.cluster.no_python("node2")
    ssh.submit("--steps", "10")
    state = ssh.ended("failed")
    assert "node2 has no Python 3.8 or newer" in json.dumps(state["failure"])


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ("mkdir /tmp/r && ln -s /tmp/r /tmp/rankdeck-root", "symbolic link"),
        ("mkdir /tmp/rankdeck-root && chown 65534 /tmp/rankdeck-root", "belongs to user"),
    ],
)
def test_a_folder_that_is_not_ours_is_refused(ssh: SshBench, made: str, told: str) -> None:
    ssh.cluster.exec("node2", "sh", "-c", f"rm -rf /tmp/rankdeck-root /tmp/r; {made}")
    try:
        ssh.submit("--steps", "10")
        state = ssh.ended("failed")
        assert told in json.dumps(state["failure"])
    finally:
        ssh.cluster.exec("node2", "rm", "-rf", "/tmp/rankdeck-root", "/tmp/r")


def test_a_clock_that_is_off_is_told(ssh: SshBench) -> None:
    ssh.cluster.clock("node2", 3.0)
    ssh.cluster.sshd("node2", "restart")
    ssh.training("--steps", "60")
    ssh.until_told(r"clock of node2 is \d\.\d s ahead")
    ssh.ended("succeeded")


def test_the_project_is_copied_where_nothing_is_shared(ssh: SshBench) -> None:
    for host in ("node1", "node2"):
        ssh.cluster.hide(host, ssh.project)
    (ssh.project / "data").mkdir()
    (ssh.project / "data" / "numbers.txt").write_text("1 2 3\n")
    (ssh.project / ".gitignore").write_text("*.bin\n")
    (ssh.project / "large.bin").write_bytes(b"x" * 100000)
    ssh.submit("--steps", "3", "--lines", "10", options=("--sync",))
    ssh.ended("succeeded")
    for rank in (0, 1):
        ssh.whole_log(rank, 30)
    listing = ssh.cluster.exec("node2", "sh", "-c", "cd /tmp/rankdeck-root/projects/*/ && find .")
    assert "./data/numbers.txt" in listing
    assert "large.bin" not in listing
    assert re.search("the project is on node2: .* sent", ssh.story())
    ssh.submit("--steps", "3", "--lines", "10", options=("--sync",))
    ssh.ended("succeeded")
    assert "the project is on" not in ssh.story()


def test_a_second_attempt_is_started_where_the_first_failed(ssh: SshBench) -> None:
    ssh.submit(
        "--steps", "10", "--fail-at", "3", "--fail-rank", "1", options=("--max-restarts", "1")
    )
    ssh.ended("failed")
    run = ssh.rankdeck.run_dir()
    for attempt in (0, 1):
        for rank, node in enumerate(("node1", "node2")):
            assert (run / "nodes" / node / f"attempt-{attempt}" / f"rank-{rank}.log").exists()
    ssh.nothing_on("node1", "node2")
