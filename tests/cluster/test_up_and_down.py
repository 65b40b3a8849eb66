"""Up and down of the test bed: repeated, failing, killed half way, for an owner that dies."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster.testbed import lifecycle, machine, network
from tests.cluster.testbed.bed import Bed, Options, checkout_bed, free_bed
from tests.cluster.testbed.errors import BedError
from tests.cluster.testbed.processes import Process
from tests.e2e.conftest import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.cluster import Cluster

HERE = Path(__file__).parent
SMALL = Options(hosts=1, slurm=False, broken_hosts=False)
CLUSTER = SMALL


@pytest.fixture
def bed() -> Iterator[Bed]:
    bed = free_bed()
    yield bed
    lifecycle.down(bed)


def command(bed: Bed, word: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [HERE / word, *options],
        env={**os.environ, "CLUSTER_NAME": bed.name},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def small_up(bed: Bed, *options: str) -> subprocess.CompletedProcess[str]:
    return command(bed, "up", "--hosts", "1", "--no-slurm", "--no-broken-hosts", *options)


def left_of(bed: Bed) -> list[str]:
    """Everything that a bed leaves if it does not go down."""
    namespaces = network.namespaces(bed)
    running = [str(process.pid) for process in network.processes_in(namespaces)]
    return [*namespaces, *running, *(str(path) for path in (bed.run, bed.sockets) if path.exists())]


def test_up_and_down_can_be_repeated(bed: Bed) -> None:
    first = small_up(bed)
    assert re.search(r"login \S*rankdeck run --backend ssh", first.stdout), first.stderr
    assert "up already" in small_up(bed).stdout
    assert "with other options" in small_up(bed, "--gpus", "1").stderr
    status = json.loads(command(bed, "bed", "status").stdout)
    assert set(status["hosts"]) == {"node1", "login", "login2"}
    assert command(bed, "login", "ssh", "node1", "hostname").stdout == "node1\n"
    assert command(bed, "bed", "exec", "node1", "pgrep", "-c", "sshd").stdout == "1\n"
    assert "3 hosts down" in command(bed, "down").stdout
    assert left_of(bed) == []
    again = command(bed, "down")
    assert (again.returncode, "nothing was up" in again.stdout) == (0, True)
    assert "is not up" in command(bed, "login", "true").stderr


def test_every_command_of_the_bed_is_there(bed: Bed) -> None:
    assert small_up(bed).returncode == 0
    words = [
        *("cut node1", "heal node1", "drop node1 5", "drop node1 0", "rate node1 900"),
        *("delay node1 5", "delay node1 0", "freeze node1", "thaw node1", "sshd node1 restart"),
        *("key node1", "key node1 known", "fill node1", "free node1", "hide node1 /srv"),
        *("show node1 /srv", "clock node1 3", "clock node1 0", "home node1 private"),
        *("home node1 shared", "nopython node1", "python node1", "maxstartups node1 3"),
        *("crash node1", "boot node1", "restore", "restore node1", "status"),
    ]
    for line in words:
        done = command(bed, "bed", *line.split())
        assert done.returncode == 0, (line, done.stdout, done.stderr)
    for line in ("cut nowhere", "freeze login", "slurmd node1 stop", "slurmctld stop"):
        done = command(bed, "bed", *line.split())
        assert (done.returncode, done.stderr[:4]) == (1, "bed:"), (line, done.stderr)
    assert command(bed, "login", "ssh", "node1", "hostname").stdout == "node1\n"


@pytest.mark.parametrize("sign", ["etc/hostfile", "hosts/login/sshd.pid", "hosts/node4/init.log"])
def test_an_up_that_is_killed_half_way_leaves_nothing_after_down(bed: Bed, sign: str) -> None:
    process = subprocess.Popen([HERE / "up"], env={**os.environ, "CLUSTER_NAME": bed.name})
    until(lambda: (bed.run / sign).exists() or process.poll() is not None)
    process.kill()
    process.wait()
    lifecycle.down(bed)
    assert left_of(bed) == []


def test_what_a_killed_up_was_waiting_for_ends_with_down(bed: Bed, tmp_path: Path) -> None:
    slow = tmp_path / "ip"
    number = tmp_path / "number"
    hang = f"[ $1 = -batch ] && echo $$ >{number} && exec sleep 300"
    slow.write_text(f"#!/bin/sh\n{hang}\nexec /sbin/ip $*\n")
    slow.chmod(0o755)
    env = {**os.environ, "CLUSTER_NAME": bed.name, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    process = subprocess.Popen([HERE / "up"], env=env)
    until(lambda: number.exists() and number.read_text().strip())
    helper = Process.of(int(number.read_text()))
    process.kill()
    process.wait()
    assert helper.alive()
    lifecycle.down(bed)
    assert not helper.alive()


def test_an_up_that_fails_leaves_nothing_that_runs(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise BedError("the switch is on fire")

    monkeypatch.setattr(lifecycle, "_wait_for_sshd", broken)
    with pytest.raises(BedError, match="on fire"):
        lifecycle.up(bed, SMALL)
    assert network.namespaces(bed) == ()
    assert not (bed.etc / "ssh_config").exists()


def test_a_bed_goes_down_with_its_owner(bed: Bed) -> None:
    owner = subprocess.Popen(["sleep", "300"])
    lifecycle.up(bed, SMALL, owner.pid)
    owner.kill()
    owner.wait()
    until(lambda: not left_of(bed))


def test_a_bed_whose_owner_and_watcher_were_killed_goes_when_the_next_comes_up(bed: Bed) -> None:
    owner = subprocess.Popen(["sleep", "300"])
    lifecycle.up(bed, SMALL, owner.pid)
    bed.read().daemons["watcher"].signal(signal.SIGKILL)
    owner.kill()
    owner.wait()
    other = free_bed()
    try:
        lifecycle.up(other, SMALL)
        # another bed of this machine that came up meanwhile may be the one that takes it down
        until(lambda: left_of(bed) == [])
    finally:
        lifecycle.down(other)


def test_two_beds_do_not_meet(bed: Bed, cluster: Cluster) -> None:
    lifecycle.up(bed, SMALL)
    assert command(bed, "login", "ssh", "node1", "hostname; touch /tmp/here").stdout == "node1\n"
    assert cluster.ssh("node1", "ls /tmp | grep -c here; true").strip() == "0"
    assert checkout_bed().name not in (bed.name, cluster.bed.name)


def test_sixty_four_hosts_come_up_and_go(bed: Bed) -> None:
    lifecycle.up(bed, Options(hosts=64, slurm=False, broken_hosts=False))
    assert command(bed, "login", "ssh", "node64", "hostname").stdout == "node64\n"
    lifecycle.down(bed)
    assert left_of(bed) == []


def test_room_for_many_hosts_is_given_back_when_the_last_of_them_is_down(
    bed: Bed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("gc_thresh1", "gc_thresh2", "gc_thresh3"):
        (tmp_path / name).write_text("128\n")
    monkeypatch.setattr(machine, "_NEIGHBOURS", tmp_path)
    monkeypatch.setattr(machine, "ROOT", tmp_path)
    monkeypatch.setattr(machine, "all_beds", lambda: (bed,))
    setting = tmp_path / "gc_thresh3"
    many = Options(hosts=25, slurm=False, broken_hosts=False)
    lifecycle.up(bed, many)
    assert int(setting.read_text()) == 25 * 300
    machine.make_room_for_neighbours(Options(hosts=64))
    assert int(setting.read_text()) == 64 * 300
    machine.give_back_room()
    assert int(setting.read_text()) == 64 * 300, "a large bed is up"
    lifecycle.down(bed)
    assert setting.read_text().strip() == "128"
    machine.make_room_for_neighbours(SMALL)
    assert setting.read_text().strip() == "128"


def test_what_a_machine_lacks_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    assert "apt-get install" in machine.lacking()
    assert "openssh-server" in machine.lacking()
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert machine.lacking() == "it needs root"


@pytest.mark.parametrize("required", ["", "CI", "RANKDECK_REQUIRE_CLUSTER"])
def test_without_root_one_line_names_what_was_not_run_unless_it_must_be(required: str) -> None:
    program = "import os, sys, pytest; os.geteuid = lambda: 1000; pytest.main(sys.argv[1:])"
    only = "tests/cluster/test_cluster.py::test_nothing_leaves_the_login_node"
    env = {name: value for name, value in os.environ.items() if name != "CI"}
    done = subprocess.run(
        [sys.executable, "-c", program, "-p", "no:cacheprovider", only],
        env=env | ({required: "1"} if required else {}),
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    if required:
        assert "the test cluster is required and cannot be had: it needs root" in done.stdout
        assert "1 error" in done.stdout
    else:
        (line,) = [line for line in done.stdout.splitlines() if "NOT RUN" in line]
        assert "1 tests of tests/cluster (SSH, Slurm and MPI on real hosts)" in line
        assert "it needs root" in line
