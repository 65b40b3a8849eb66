"""The address where ranks meet, on hosts that see each other's names in every wrong way."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.cluster.cluster import Options

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.cluster.rankdeck_at_login import RankdeckAtLogin

CLUSTER = Options(hosts=2, slurm=False, broken_hosts=False)
BACKENDS = ("ssh", "mpi")
_SHOW = """\
#!/bin/sh
echo "gloo ${GLOO_SOCKET_IFNAME-unset} nccl ${NCCL_SOCKET_IFNAME-unset} at $MASTER_ADDR"
exec python3 "$(dirname "$0")/trainer.py" --steps 2 --lockstep
"""


class Names:
    """What names mean on each host."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._changed: list[str] = []

    def mean(self, host: str, script: str) -> None:
        """Let a host have another `/etc/hosts`: its own, edited by a sed script."""
        copy = f"/run/hosts-of-{host}"
        command = f"sed -E {script!r} /etc/hosts >{copy} && mount --bind {copy} /etc/hosts"
        self._cluster.exec(host, "sh", "-c", command)
        self._changed.append(host)

    def restore(self) -> None:
        """Let every name mean what it meant."""
        for host in self._changed:
            self._cluster.exec(host, "umount", "/etc/hosts")


@pytest.fixture
def names(cluster: Cluster) -> Iterator[Names]:
    names = Names(cluster)
    yield names
    names.restore()


def own_name_is(address: str, host: str) -> str:
    """As many systems have it: `127.0.1.1 node1`."""
    return rf"s/^[0-9.]+ {host}$/{address} {host}/"


def address_of(cluster: Cluster, host: str) -> str:
    return cluster.exec("node2", "getent", "hosts", host).split()[0]


def run(rankdeck: RankdeckAtLogin, project: Path, backend: str, *more: str) -> int:
    """A run on both hosts whose ranks must meet; its exit code."""
    script = project / "show.sh"
    script.write_text(_SHOW)
    script.chmod(0o755)
    done = rankdeck(
        "run", "--backend", backend, "--launcher", "direct", "--host", "node1,node2", *more, script
    )
    return done.returncode


def notes(rankdeck: RankdeckAtLogin) -> str:
    return (rankdeck.run_dir() / "events.jsonl").read_text()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_name_that_all_hosts_know_is_kept(
    rankdeck: RankdeckAtLogin, programs: Path, backend: str
) -> None:
    assert run(rankdeck, programs, backend) == 0
    for rank in (0, 1):
        assert b"gloo unset nccl unset at node1\n" in rankdeck.log(rank)
    assert rankdeck.show()["master_addr"] == "node1"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_master_whose_own_name_is_loopback(
    cluster: Cluster, rankdeck: RankdeckAtLogin, programs: Path, names: Names, backend: str
) -> None:
    address = address_of(cluster, "node1")
    names.mean("node1", own_name_is("127.0.1.1", "node1"))
    assert run(rankdeck, programs, backend) == 0
    # gloo would bind to its own name's address on node1, and only there
    assert f"gloo eth0 nccl eth0 at {address}\n".encode() in rankdeck.log(0)
    assert f"gloo unset nccl unset at {address}\n".encode() in rankdeck.log(1)
    said = f"node1 is 127.0.1.1 on node1; the ranks meet at {address} instead"
    assert said in notes(rankdeck)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_host_that_does_not_know_the_masters_name(
    cluster: Cluster, rankdeck: RankdeckAtLogin, programs: Path, names: Names, backend: str
) -> None:
    address = address_of(cluster, "node1")
    names.mean("node2", "/ node1$/d")
    assert run(rankdeck, programs, backend) == 0
    assert f"at {address}\n".encode() in rankdeck.log(1)
    assert "node2 cannot resolve node1" in notes(rankdeck)


@pytest.mark.parametrize("backend", BACKENDS)
def test_hosts_that_do_not_know_their_own_names(
    rankdeck: RankdeckAtLogin, programs: Path, names: Names, backend: str
) -> None:
    names.mean("node2", "/ node2$/d")
    assert run(rankdeck, programs, backend) == 0
    assert b"gloo eth0 nccl eth0 at node1\n" in rankdeck.log(1)
    assert b"gloo unset nccl unset at node1\n" in rankdeck.log(0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_address_of_the_users_own_is_kept(
    cluster: Cluster, rankdeck: RankdeckAtLogin, programs: Path, names: Names, backend: str
) -> None:
    address = address_of(cluster, "node1")
    names.mean("node1", own_name_is("127.0.1.1", "node1"))
    more = ("--master-addr", address, "--env", "GLOO_SOCKET_IFNAME=lo,eth0")
    assert run(rankdeck, programs, backend, *more) == 0
    assert f"gloo lo,eth0 nccl eth0 at {address}\n".encode() in rankdeck.log(0)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("script", "wrong"),
    [
        ("$a 127.0.0.1 meeting-point", "it is 127.0.0.1 there"),
        ("$a 127.0.0.1 other", "it cannot be resolved there"),
    ],
)
def test_an_address_of_the_users_own_that_leads_nowhere_ends_the_run_at_once(
    rankdeck: RankdeckAtLogin, programs: Path, names: Names, backend: str, script: str, wrong: str
) -> None:
    names.mean("node1", "$a 198.51.100.1 meeting-point")
    names.mean("node2", script)
    assert run(rankdeck, programs, backend, "--master-addr", "meeting-point") == 1
    failure = rankdeck.show()["failure"]
    assert (failure["category"], failure["node"]) == ("master-addr", "node2")
    assert wrong in failure["summary"]
    assert "node2 cannot reach the master address meeting-point" in failure["summary"]


@pytest.mark.torch
def test_gloo_between_hosts_whose_own_names_are_all_loopback(
    cluster: Cluster, rankdeck: RankdeckAtLogin, programs: Path, names: Names
) -> None:
    address = address_of(cluster, "node1")
    for host in ("node1", "node2"):
        names.mean(host, own_name_is("127.0.1.1", host))
    rankdeck.ok(
        "run", "--backend", "mpi", "--host", "node1,node2", programs / "ddp.py", timeout=240
    )
    line = re.search(r"rank 1 of 2 on node2: sum 1, (\S+):\d+", rankdeck.log(1).decode())
    assert line is not None
    assert line.group(1) == address
