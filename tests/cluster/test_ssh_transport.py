"""Connections to hosts that are cut off, crash, freeze or change their key, by both transports."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.testbed.bed import SILENT, Options

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from tests.cluster.cluster import Cluster

CLUSTER = Options(hosts=2, slurm=False)
CHECKOUT = Path(__file__).resolve().parents[2]
PATIENCE, LITTLE = 90, 3
"""ConnectTimeout where an answer comes, and where none does."""
MARGIN = 80.0
"""On a loaded machine; only a call that hangs exceeds it."""


@dataclass
class Probe:
    """`ssh_probe.py` on the login node."""

    process: subprocess.Popen[str]

    def say(self, verb: str, words: str = "") -> dict[str, Any]:
        self.tell(verb, words)
        return self.hear()

    def tell(self, verb: str, words: str = "") -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{verb} {words}\n")
        self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.stderr and self.process.stderr.read()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def well(self, verb: str, words: str = "") -> Any:
        answer = self.say(verb, words)
        assert "fault" not in answer, answer
        return answer["result"]


@pytest.fixture(params=["paramiko", "openssh"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def probe(cluster: Cluster, kind: str) -> Callable[..., Probe]:
    def start(keepalive: float = 30.0, connect_timeout: int = PATIENCE) -> Probe:
        config = cluster.shared / "ssh_config"
        limit = f"Host *\n  ConnectTimeout {connect_timeout}\n"
        config.write_text(limit + cluster.ssh_config.read_text())
        program = (sys.executable, CHECKOUT / "tests/cluster/ssh_probe.py")
        words = (kind, config, str(keepalive))
        return Probe(cluster.start(*program, *words, env={"PYTHONPATH": str(CHECKOUT)}))

    return start


@pytest.mark.parametrize(
    ("host", "faults"),
    [
        ("badkey", ("ssh-auth",)),
        ("sshdown", ("ssh-refused",)),
        ("wronghk", ("ssh-host-key-changed",)),
        ("stranger", ("ssh-host-key-unknown",)),
        ("tarpit", ("ssh-timeout",)),
        # the kernel says one or the other, depending on what it still knows of that address
        ("cutoff", ("ssh-timeout", "ssh-no-route")),
        ("nosuch", ("ssh-unknown-host",)),
    ],
)
def test_hosts_that_never_work(probe, host: str, faults: tuple[str, ...]) -> None:
    limit = LITTLE if host in SILENT else PATIENCE
    answer = probe(connect_timeout=limit).say("connect", host)
    assert answer["fault"] in faults
    assert host in answer["message"]
    assert answer["seconds"] < MARGIN


def test_a_host_that_works(probe, cluster: Cluster) -> None:
    one = probe()
    assert one.well("connect", "node1") == cluster.state().host("node1").ip
    one.well("exec", "hostname")
    assert one.well("read") == "node1\n"


@pytest.mark.parametrize("how", ["cut", "crash"])
@pytest.mark.parametrize("sending", [False, True], ids=["idle", "sending"])
def test_a_host_that_vanishes_mid_stream(probe, cluster: Cluster, how: str, sending: bool) -> None:
    one = probe(keepalive=1.0)
    one.well("connect", "node1")
    one.well("exec", "echo up; cat > /dev/null")
    assert one.well("read") == "up\n"
    getattr(cluster, how)("node1")
    if sending:
        one.say("write", "x")
    answer = one.say("read")
    assert answer["fault"] == "ssh-lost"
    assert "node1" in answer["message"]
    assert answer["seconds"] < MARGIN
    if how == "cut":
        cluster.heal("node1")
    else:
        cluster.boot("node1")
    one.well("connect", "node1")
    one.well("exec", "echo again")
    assert one.well("read") == "again\n"


def test_a_short_cut_loses_nothing(probe, cluster: Cluster) -> None:
    one = probe()
    one.well("connect", "node1")
    one.well("exec", "i=0; while [ $i -lt 30 ]; do i=$((i+1)); echo $i; sleep 0.1; done")
    text = one.well("read")
    cluster.cut("node1")
    cluster.exec("node2", "sleep", "2")
    cluster.heal("node1")
    while chunk := one.well("read"):
        text += chunk
    assert text.split() == [str(number) for number in range(1, 31)]


def test_a_frozen_host_lets_nobody_in(probe, cluster: Cluster) -> None:
    cluster.freeze("node1")
    answer = probe(connect_timeout=LITTLE).say("connect", "node1")
    assert answer["fault"] == "ssh-timeout"
    assert answer["seconds"] < MARGIN


def test_sshd_stopped_in_the_middle(probe, cluster: Cluster) -> None:
    one = probe()
    one.well("connect", "node1")
    one.well("exec", "cat")
    cluster.sshd("node1", "stop")
    one.well("write", "still here")
    assert one.well("read") == "still here\n"
    assert one.say("connect", "node1")["fault"] == "ssh-refused"
    cluster.sshd("node1", "start")
    one.well("connect", "node1")


def test_a_key_that_changes_between_two_connections(probe, cluster: Cluster) -> None:
    one = probe()
    one.well("connect", "node1")
    cluster.new_key("node1")
    answer = one.say("connect", "node1")
    assert answer["fault"] == "ssh-host-key-changed"
    assert "known_hosts:" in answer["message"]
    cluster.known_key("node1")
    one.well("connect", "node1")


def test_a_server_that_limits_connections(probe, cluster: Cluster) -> None:
    cluster.max_startups("node1", 2)
    assert probe().well("crowd", "node1 8") == ["in"] * 8
