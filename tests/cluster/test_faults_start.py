"""Hosts that cannot be logged in to: who is to blame and why, at once; nothing is left anywhere."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.cluster.cluster import Options
from tests.cluster.terminal import on_a_terminal
from tests.cluster.testbed.ssh_files import PASSPHRASE
from tests.e2e.conftest import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from tests.cluster.cluster import Cluster
    from tests.cluster.rankdeck_at_login import RankdeckAtLogin

CLUSTER = Options(hosts=4, slurm=False)
SSH = ("--backend", "ssh", "--launcher", "direct", "--nproc-per-node", "1")
TRANSPORTS = ("paramiko", "openssh")
SOON = 80.0
"""Seconds in which a start that cannot succeed is over; a node's silence is borne for longer."""

# the message's words, by transport where they differ: ssh tells less than we can find out ourselves
REFUSED = {
    "sshdown": ("ssh-refused", "sshdown refuses connections on port 22"),
    "badkey": ("ssh-auth", "badkey refuses the keys of root"),
    "wronghk": ("ssh-host-key-changed", "the host key of wronghk has changed: it shows"),
    "tarpit": ("ssh-timeout", "tarpit (accepts connections on|does not answer on) port 22"),
    "cutoff": ("ssh-timeout|ssh-no-route", "cutoff (does not answer|cannot be reached) on port 22"),
}


@pytest.fixture
def trainer(programs: Path) -> Path:
    return programs / "trainer.py"


def all_lines_once(output: str, ranks: int) -> None:
    """Every rank has done its three steps, and each line was printed once."""
    steps = sorted(re.findall(r"\[(\d+) [^]]*\].*?step (\d)/3", output))
    assert steps == [(str(rank), str(step)) for rank in range(ranks) for step in (1, 2, 3)], output


def failed_start(
    rankdeck: RankdeckAtLogin, done: subprocess.CompletedProcess[str], *, several: bool = False
) -> dict[str, Any]:
    """A run that could not begin: no traceback, nothing of it anywhere; its failure.

    With `several`, other hosts may have been found in the same trouble.
    """
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "Traceback" not in said
    assert "step 1/" not in said
    cluster = rankdeck.cluster
    cluster.assert_nothing_left(rankdeck.run_id())
    shown = rankdeck.show()
    assert (shown["state"], shown["exit_code"]) == ("failed", 1)
    told = json.loads(rankdeck.ok("why", "last", "--json"))["failure"]
    assert told == shown["failure"]
    assert (told["rank"], told["certainty"]) == (None, "certain")
    first, *rest = rankdeck.ok("why", "last").splitlines()
    assert first == told["summary"]
    if several:
        rest = [line for line in rest if not line.startswith(("  also: ", "    try: "))]
    assert len(rest) <= 2, rest
    assert first in done.stderr
    failure: dict[str, Any] = told
    return failure


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("bad", REFUSED)
def test_one_bad_host_among_good_ones_is_named_with_its_cause(
    bad: str, transport: str, cluster: Cluster, rankdeck: RankdeckAtLogin, trainer: Path
) -> None:
    # the others may take longer: they are not in trouble
    alias(cluster, "Host tarpit cutoff\n  ConnectTimeout 2\n")
    hosts = ("--transport", transport, "--host", f"node1,node2,{bad},node3,node4")
    done = rankdeck("run", *SSH, *hosts, trainer, timeout=SOON)
    failure = failed_start(rankdeck, done)
    category, words = REFUSED[bad]
    assert failure["node"] == bad
    assert re.fullmatch(category, failure["category"])
    assert re.match(words, failure["summary"])
    assert failure["hint"]
    (problem,) = [node["problem"] for node in rankdeck.show()["nodes"] if node["problem"]]
    assert problem["message"] == failure["summary"]


def test_what_to_do_is_what_helps(rankdeck: RankdeckAtLogin, trainer: Path) -> None:
    hints = {"badkey": "ssh-copy-id root@badkey", "wronghk": "ssh-keygen -R wronghk"}
    for bad, command in hints.items():
        done = rankdeck("run", *SSH, "--host", f"node1,{bad}", trainer, timeout=SOON)
        assert command in failed_start(rankdeck, done)["hint"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_name_that_does_not_resolve_is_refused_before_there_is_a_run(
    transport: str, rankdeck: RankdeckAtLogin, trainer: Path
) -> None:
    hosts = ("--transport", transport, "--host", "node1,nowhere,node2")
    done = rankdeck("run", *SSH, *hosts, trainer, timeout=SOON)
    assert done.returncode == 3, done.stderr
    first, second = done.stderr.splitlines()
    assert "the name 'nowhere' does not resolve" in first
    assert "check its spelling" in second
    assert not list((rankdeck.home / "runs").glob("2*"))


def test_a_host_that_was_known_and_has_lost_its_name(
    cluster: Cluster, rankdeck: RankdeckAtLogin, trainer: Path
) -> None:
    known = cluster.user_ssh / "known_hosts"
    known.write_text(known.read_text() + known.read_text().replace("node1,", "retired,"))
    done = rankdeck("run", *SSH, "--host", "node1,retired", trainer, timeout=SOON)
    failure = failed_start(rankdeck, done)
    assert (failure["node"], failure["category"]) == ("retired", "ssh-unknown-host")


class TestUnknownHostKeys:
    """`stranger` shows a key that no known_hosts file has."""

    @pytest.mark.parametrize("transport", TRANSPORTS)
    def test_without_a_terminal_the_fingerprint_and_the_command_are_told(
        self, transport: str, cluster: Cluster, rankdeck: RankdeckAtLogin, trainer: Path
    ) -> None:
        run = ("run", *SSH, "--transport", transport, "--host", "node1,stranger", trainer)
        done = rankdeck(*run, timeout=SOON)
        assert done.returncode == 3, done.stderr
        first, second = done.stderr.splitlines()
        fingerprint = cluster.exec(
            "stranger",
            "ssh-keygen",
            "-lf",
            f"{cluster.bed.of_host('stranger')}/ssh_host_ed25519_key",
        ).split()[1]
        assert "the host key of stranger is not known" in first
        assert first.endswith(fingerprint)
        assert not list((rankdeck.home / "runs").glob("2*"))
        # the command that is told is the one that helps
        command = second.partition("then: ")[2]
        assert cluster.login("sh", "-c", command).returncode == 0
        done = rankdeck(*run)
        assert done.returncode == 0, done.stderr

    def test_several_are_told_with_a_command_each(
        self, cluster: Cluster, rankdeck: RankdeckAtLogin, trainer: Path
    ) -> None:
        (cluster.user_ssh / "known_hosts").unlink()
        done = rankdeck("run", *SSH, "--host", "node1,node2,stranger", trainer, timeout=SOON)
        assert done.returncode == 3, done.stderr
        first, second, *commands = done.stderr.splitlines()
        assert first == "rankdeck: the host keys of 3 hosts are not known: node1, node2, stranger"
        assert "from a terminal" in second
        named = [line.removeprefix("  echo '").split()[0] for line in commands]
        assert named == ["node1", "node2", "stranger"]

    def test_on_a_terminal_a_yes_is_kept(
        self, cluster: Cluster, rankdeck: RankdeckAtLogin, trainer: Path
    ) -> None:
        run = ("run", *SSH, "--host", "node1,stranger", trainer, "--steps", "3")
        before = (cluster.user_ssh / "known_hosts").read_text()
        with on_a_terminal(cluster, rankdeck, *run) as terminal:
            terminal.until("trust and add this key? [yes/no] ")
            assert "stranger: ssh-ed25519 SHA256:" in terminal.text
            terminal.type("yes")
            assert terminal.end() == 0, terminal.text
        all_lines_once(terminal.text, 2)
        assert len((cluster.user_ssh / "known_hosts").read_text()) > len(before)
        # it is asked once
        assert rankdeck(*run).returncode == 0

    def test_on_a_terminal_a_no_starts_nothing(
        self, cluster: Cluster, rankdeck: RankdeckAtLogin, trainer: Path
    ) -> None:
        before = (cluster.user_ssh / "known_hosts").read_text()
        hosts = ("--host", "node1,stranger")
        with on_a_terminal(cluster, rankdeck, "run", *SSH, *hosts, trainer) as terminal:
            terminal.until("[yes/no] ")
            terminal.type("no")
            assert terminal.end() == 3
        assert "the host keys were not confirmed" in terminal.text
        assert (cluster.user_ssh / "known_hosts").read_text() == before
        assert not list((rankdeck.home / "runs").glob("2*"))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_all_get_in_where_sshd_lets_in_one_at_a_time(
    transport: str, cluster: Cluster, rankdeck: RankdeckAtLogin, trainer: Path
) -> None:
    cluster.max_startups("node1", 1)
    names = [f"part{number}" for number in range(4)]
    alias(cluster, f"Host {' '.join(names)}\n  HostName node1\n  HostKeyAlias node1\n")
    # all of them on one host, so that they come in each other's way
    hosts = ("--transport", transport, "--host", ",".join(names))
    done = rankdeck("run", *SSH, *hosts, trainer, "--steps", "3")
    assert done.returncode == 0, done.stderr
    all_lines_once(done.stdout, 4)
    # the ranks met although these names mean something only to our own ssh
    assert rankdeck.show()["master_addr"] == "10.77.0.1"


def alias(cluster: Cluster, lines: str) -> None:
    """More lines for ~/.ssh/config, before what is there."""
    path = cluster.user_ssh / "config"
    path.write_text(lines + path.read_text())


class TestEncryptedKeys:
    """The user's only key has a passphrase."""

    @pytest.fixture(autouse=True)
    def key(self, cluster: Cluster) -> Path:
        path = cluster.user_ssh / "id_ed25519"
        for end in ("", ".pub"):
            source = cluster.bed.etc / f"id_encrypted{end}"
            path.with_name(path.name + end).write_bytes(source.read_bytes())
        return path

    def test_it_is_asked_for_once_for_all_hosts(
        self, cluster: Cluster, rankdeck: RankdeckAtLogin, trainer: Path
    ) -> None:
        run = ("run", *SSH, "--host", "node[1-3]", trainer, "--steps", "3")
        with on_a_terminal(cluster, rankdeck, *run) as terminal:
            terminal.until("id_ed25519: ")
            terminal.type("not this one")
            terminal.until("that was wrong; passphrase for ")
            terminal.until("id_ed25519: ", 2)
            terminal.type(PASSPHRASE)
            assert terminal.end() == 0, terminal.text
        all_lines_once(terminal.text, 3)
        assert terminal.text.count("passphrase for ") == 2
        assert PASSPHRASE not in terminal.text
        # not kept anywhere
        kept = [path for path in rankdeck.home.rglob("*") if path.is_file()]
        assert not any(PASSPHRASE.encode() in path.read_bytes() for path in kept)

    @pytest.mark.parametrize(("typed", "why"), [("wrong", "3 passphrases were wrong"), ("", "no")])
    def test_without_the_right_one_nothing_starts(
        self, typed: str, why: str, cluster: Cluster, rankdeck: RankdeckAtLogin, trainer: Path
    ) -> None:
        hosts = ("--host", "node[1-3]")
        with on_a_terminal(cluster, rankdeck, "run", *SSH, *hosts, trainer) as terminal:
            for count in range(1, 4 if typed else 2):
                terminal.until("id_ed25519: ", count)
                terminal.type(typed)
            assert terminal.end() == 3, terminal.text
        assert f"is locked, and {why}" in terminal.text
        assert "ssh-add" in terminal.text
        assert not list((rankdeck.home / "runs").glob("2*"))

    @pytest.mark.parametrize(
        ("transport", "why"),
        [
            ("paramiko", "is needed, and nobody can be asked here"),
            ("openssh", "is locked, and ssh cannot be handed its passphrase"),
        ],
    )
    def test_without_a_terminal_it_is_refused(
        self, transport: str, why: str, key: Path, rankdeck: RankdeckAtLogin, trainer: Path
    ) -> None:
        hosts = ("--transport", transport, "--host", "node1,node2")
        done = rankdeck("run", *SSH, *hosts, trainer, timeout=SOON)
        assert done.returncode == 3, done.stderr
        first, second = done.stderr.splitlines()
        assert why in first
        assert str(key) in first
        assert "ssh-add" in second

    def test_another_key_serves_without_a_question(
        self, cluster: Cluster, rankdeck: RankdeckAtLogin, trainer: Path
    ) -> None:
        alias(cluster, f"IdentityFile {cluster.bed.etc}/id_ed25519\n")
        done = rankdeck("run", *SSH, "--host", "node1,node2", trainer, "--steps", "3")
        assert done.returncode == 0, done.stderr
        all_lines_once(done.stdout, 2)

    @pytest.mark.parametrize("transport", TRANSPORTS)
    def test_an_agent_that_holds_it_serves(
        self, transport: str, key: Path, rankdeck: RankdeckAtLogin, trainer: Path, tmp_path: Path
    ) -> None:
        with agent_with(key, tmp_path) as place:
            hosts = ("--transport", transport, "--host", "node1,node2")
            done = rankdeck("run", *SSH, *hosts, trainer, "--steps", "3", SSH_AUTH_SOCK=str(place))
        assert done.returncode == 0, done.stderr
        all_lines_once(done.stdout, 2)


def answers(path: Path) -> bool:
    """Whether somebody listens at a socket; its file is there a little earlier."""
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(path)) == 0


@contextmanager
def agent_with(key: Path, folder: Path) -> Iterator[Path]:
    """An ssh-agent that holds the encrypted key; its socket."""
    place, answer = folder / "agent", folder / "answer"
    answer.write_text(f"#!/bin/sh\necho '{PASSPHRASE}'\n")
    answer.chmod(0o700)
    asking = {"SSH_ASKPASS": str(answer), "SSH_ASKPASS_REQUIRE": "force"}
    with subprocess.Popen(["ssh-agent", "-D", "-a", place], stdout=subprocess.DEVNULL) as agent:
        try:
            until(lambda: answers(place))
            env = {**os.environ, **asking, "SSH_AUTH_SOCK": str(place)}
            subprocess.run(["ssh-add", "-q", key], env=env, check=True)
            yield place
        finally:
            agent.terminate()


class TestJumpHost:
    """node2 and node3 are reached through node1."""

    @pytest.fixture(autouse=True)
    def jump(self, cluster: Cluster) -> None:
        alias(cluster, "Host node2 node3\n  ProxyJump node1\n")

    def run(
        self, transport: str, rankdeck: RankdeckAtLogin, trainer: Path
    ) -> subprocess.CompletedProcess[str]:
        hosts = ("--transport", transport, "--host", "node2,node3")
        return rankdeck("run", *SSH, *hosts, trainer, "--steps", "3", timeout=SOON)

    @pytest.mark.parametrize("transport", TRANSPORTS)
    def test_it_leads_to_the_hosts_behind_it(
        self, transport: str, rankdeck: RankdeckAtLogin, trainer: Path
    ) -> None:
        done = self.run(transport, rankdeck, trainer)
        assert done.returncode == 0, done.stderr
        all_lines_once(done.stdout, 2)

    @pytest.mark.parametrize("transport", TRANSPORTS)
    def test_it_is_named_when_it_is_to_blame(
        self, transport: str, cluster: Cluster, rankdeck: RankdeckAtLogin, trainer: Path
    ) -> None:
        cluster.sshd("node1", "stop")
        done = self.run(transport, rankdeck, trainer)
        failure = failed_start(rankdeck, done, several=True)
        assert failure["category"] == "ssh-refused"
        assert "node1" in failure["summary"]
        assert not re.search("node[23] refuses", failure["summary"])

    @pytest.mark.parametrize("transport", TRANSPORTS)
    def test_a_host_behind_it_that_is_down_is_named(
        self, transport: str, cluster: Cluster, rankdeck: RankdeckAtLogin, trainer: Path
    ) -> None:
        cluster.sshd("node3", "stop")
        failure = failed_start(rankdeck, self.run(transport, rankdeck, trainer))
        assert failure["node"] == "node3"
        # with the user's LogLevel ssh does not tell that it was refused
        assert failure["category"] in ("ssh-refused", "ssh-no-route")
        assert "node1" in failure["summary"]


def test_mistakes_in_a_hostfile_are_told_with_their_lines(
    shared: Path, rankdeck: RankdeckAtLogin, trainer: Path
) -> None:
    hostfile = shared / "hosts"
    hostfile.write_text("# ours\nnode1 slots=2\nnode2 slots=two\nnode1\nnode[3-\nnode4 gpus=1\n")
    done = rankdeck("run", *SSH, "--hostfile", hostfile, trainer, timeout=SOON)
    assert done.returncode == 2
    told = [line.removeprefix(f"rankdeck: {hostfile}:") for line in done.stderr.splitlines()]
    assert [line.partition(":")[0] for line in told] == ["3", "4", "5", "6"]
    for words, line in zip(
        ("'two'", "first on line 2", "'node[3-'", "'gpus=1'"), told, strict=True
    ):
        assert words in line
    missing = rankdeck("run", *SSH, "--hostfile", shared / "none", trainer)
    assert missing.returncode == 2
    assert f"{shared}/none: the hostfile cannot be read" in missing.stderr


def test_a_run_without_hosts_says_how_to_name_them(
    rankdeck: RankdeckAtLogin, trainer: Path
) -> None:
    done = rankdeck("run", *SSH, trainer, timeout=SOON)
    assert done.returncode == 3
    first, second = done.stderr.splitlines()
    assert first == "rankdeck: no nodes are known to run on"
    assert "--hostfile" in second
