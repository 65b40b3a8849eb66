"""Runs through a real Open MPI on real hosts: how they start, what ends them, what is left."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from rankdeck.run.layout import RunDir
from rankdeck.run.lock import lock_holder
from tests.cluster.cluster import Options
from tests.e2e.conftest import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.cluster.rankdeck_at_login import RankdeckAtLogin

CLUSTER = Options(hosts=3, slurm=False)
NODES = ("node1", "node2", "node3")


class MpiBench:
    """Runs of the stand-in trainer through mpirun, and what is known of them."""

    def __init__(self, rankdeck: RankdeckAtLogin, cluster: Cluster, project: Path) -> None:
        self.rankdeck = rankdeck
        self.cluster = cluster
        self.project = project

    def submit(
        self, *args: str, hosts: str = ",".join(NODES), options: tuple[str, ...] = ()
    ) -> None:
        """Start a run in the background."""
        self.rankdeck.ok(
            "run", "--detach", "--backend", "mpi", "--launcher", "direct", "--host", hosts,
            "--nproc-per-node", "2", "--grace", "3", *options, self.project / "trainer.py",
            "--", *args, cwd=self.project,
        )  # fmt: skip

    def training(self, *args: str, options: tuple[str, ...] = ()) -> str:
        """Start a long run and wait until every rank is training; its id."""
        self.submit("--steps", "5000", *args, options=options)
        for rank in range(6):
            self.rankdeck.until_rank(rank, "stepping")
        return self.rankdeck.run_id()

    def ended(self, *states: str) -> dict[str, Any]:
        """Wait for the end; what was told of it. Nothing is left on any host."""
        state = self.rankdeck.until_state("succeeded", "failed", "stopped", "lost")
        assert state["state"] in states, self.said()
        self.cluster.assert_nothing_left(self.rankdeck.run_id())
        until(lambda: not self.machinery())
        shown: dict[str, Any] = self.rankdeck.show()
        return shown

    def machinery(self) -> list[str]:
        """What mpirun and we have put on the hosts, besides the run's own processes."""
        found = []
        for host in NODES:
            table = self.cluster.exec(host, "ps", "axo", "comm=,args=")
            wanted = re.compile(r"^(orted|rankdeck-)|agent-\w+\.pyz|/trainer\.py", re.MULTILINE)
            lines = [line for line in table.splitlines() if wanted.search(line)]
            found += [f"{host}: {line}" for line in lines]
        return found

    def mpirun(self, attempt: int = 0) -> int:
        """Its pid on the login node, which is one of this machine's."""
        path = self.rankdeck.run_dir() / "mpi" / f"mpirun-{attempt}.json"
        return int(json.loads(path.read_text())["pid"])

    def said(self) -> str:
        """What became known of the run, and what mpirun has printed."""
        logs = self.rankdeck.run_dir().glob("mpi/mpirun-*.log")
        return "\n".join([self.rankdeck.story(), *(log.read_text() for log in logs)])

    def kill_supervisor(self) -> None:
        """Kill it, and wait until it holds the run no more."""
        lock = RunDir(self.rankdeck.run_dir()).supervisor_lock
        holder = lock_holder(lock)
        assert holder is not None
        os.kill(holder, signal.SIGKILL)
        until(lambda: lock_holder(lock) != holder)

    def on(self, host: str, name: str, number: int = signal.SIGKILL) -> None:
        """Signal the processes of that name on a host."""
        self.cluster.exec(host, "pkill", f"-{number:d}", "-x", name)

    def logs_are_whole(self) -> None:
        """Every line is a whole one, and none is missing between the first and the last."""
        for path in self.rankdeck.run_dir().glob("nodes/*/attempt-0/rank-*.log"):
            steps = re.findall(r"^step (\d+)/5000 loss=[\d.]+$", path.read_text(), re.MULTILINE)
            assert [int(step) for step in steps] == list(range(1, len(steps) + 1)), path


@pytest.fixture
def mpi(rankdeck: RankdeckAtLogin, cluster: Cluster, programs: Path) -> MpiBench:
    return MpiBench(rankdeck, cluster, programs)


def test_ranks_are_where_the_plan_has_them_and_meet(mpi: MpiBench) -> None:
    mpi.submit("--steps", "3", "--lockstep", hosts="node3,node1,node2")
    shown = mpi.ended("succeeded")
    # mpirun itself would sort hosts its own way
    assert [node["name"] for node in shown["nodes"]] == ["node3", "node1", "node2"]
    for rank in range(6):
        node = ("node3", "node1", "node2")[rank // 2]
        assert f"rank {rank} of 6 on {node} ".encode() in mpi.rankdeck.log(rank)


def test_cores_are_not_shared_out_by_mpirun(mpi: MpiBench) -> None:
    script = mpi.project / "where.sh"
    script.write_text("#!/bin/sh\nexec nproc\n")
    script.chmod(0o755)
    mpi.rankdeck.ok(
        "run", "--backend", "mpi", "--launcher", "direct", "--host", "node1,node2", script
    )
    assert int(mpi.rankdeck.log(0)) == len(os.sched_getaffinity(0))


# A start that fails


@pytest.mark.parametrize(
    ("host", "category"),
    [
        ("badkey", "ssh-auth"),
        ("sshdown", "ssh-refused"),
        ("wronghk", "ssh-host-key-changed"),
        ("nosuch", "ssh-unknown-host"),
        ("cutoff", "ssh-timeout|ssh-no-route"),
        ("tarpit", "ssh-timeout"),
    ],
)
def test_a_host_that_cannot_be_reached_is_named(mpi: MpiBench, host: str, category: str) -> None:
    mpi.submit(hosts=f"node1,{host},node2", options=("--connect-timeout", "4"))
    shown = mpi.ended("failed")
    failure = shown["failure"]
    assert failure["node"] == host, mpi.said()
    assert re.fullmatch(category, failure["category"])
    assert host in failure["summary"]
    assert not list(mpi.rankdeck.run_dir().glob("nodes/*/state.json"))


def test_an_interpreter_that_is_not_there(mpi: MpiBench) -> None:
    mpi.submit(options=("--python", "/no/such/python"))
    failure = mpi.ended("failed")["failure"]
    assert failure["category"] == "no-python"
    assert "/no/such/python cannot be run on node" in failure["summary"]


def test_a_host_without_open_mpi(mpi: MpiBench) -> None:
    mpi.cluster.exec("node2", "mount", "--bind", "/dev/null", "/usr/bin/orted")
    try:
        mpi.submit()
        failure = mpi.ended("failed")["failure"]
    finally:
        mpi.cluster.exec("node2", "umount", "/usr/bin/orted")
    assert (failure["node"], failure["category"]) == ("node2", "no-mpi")


def test_options_that_mpirun_does_not_know(mpi: MpiBench) -> None:
    mpi.submit(options=("--mpirun-arg=--no-such-option",))
    failure = mpi.ended("failed")["failure"]
    assert failure["category"] == "mpirun"
    assert 'unknown option "--no-such-option"' in failure["summary"]


# What befalls a run


def test_a_stop_reaches_every_rank(mpi: MpiBench) -> None:
    mpi.training()
    mpi.rankdeck.ok("stop", "last")
    shown = mpi.ended("stopped")
    assert {rank["state"] for rank in shown["ranks"]} == {"killed"}
    mpi.logs_are_whole()


def test_killed_mpirun(mpi: MpiBench) -> None:
    mpi.training()
    pid = mpi.mpirun()
    os.kill(pid, signal.SIGKILL)
    shown = mpi.ended("failed")
    failure = shown["failure"]
    assert (failure["category"], failure["rank"]) == ("mpirun", None)
    assert f"mpirun (pid {pid} on login) was killed by SIGKILL" in failure["summary"]
    assert {rank["state"] for rank in shown["ranks"]} == {"killed"}
    mpi.logs_are_whole()


def test_ranks_get_their_grace_also_when_mpirun_is_killed(mpi: MpiBench) -> None:
    saved = mpi.project / "saved-{rank}"
    mpi.training("--checkpoint", str(saved), "--step-seconds", "1.5", options=("--grace", "60"))
    os.kill(mpi.mpirun(), signal.SIGTERM)
    mpi.ended("failed")
    # orted kills one second after TERM; a step takes longer than that
    assert [(mpi.project / f"saved-{rank}").exists() for rank in range(6)] == [True] * 6


def test_killed_daemon_of_mpirun(mpi: MpiBench) -> None:
    mpi.training()
    mpi.on("node2", "orted")
    failure = mpi.ended("failed")["failure"]
    assert (failure["category"], failure["node"]) == ("node-failure", "node2"), mpi.said()
    mpi.logs_are_whole()


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("rankdeck-agent", "agent-lost"),
        # an agent that is held up at that moment is ended before it can say why it ends
        ("rankdeck-guard", "agent|agent-lost"),
        ("rankdeck-leash", "mpirun"),
    ],
)
def test_killed_agent(mpi: MpiBench, name: str, category: str) -> None:
    mpi.training()
    mpi.on("node2", name)
    failure = mpi.ended("failed")["failure"]
    assert re.fullmatch(category, failure["category"]), mpi.said()
    assert failure["node"] == "node2", mpi.said()
    mpi.logs_are_whole()


def test_everything_of_ours_killed_at_once_on_a_node(mpi: MpiBench) -> None:
    mpi.training()
    mpi.cluster.exec("node2", "pkill", "-9", "orted|rankdeck-")
    failure = mpi.ended("failed")["failure"]
    assert (failure["category"], failure["node"]) == ("node-failure", "node2"), mpi.said()


def test_a_rank_that_fails_on_the_far_node(mpi: MpiBench) -> None:
    mpi.submit(
        "--steps", "5000", "--lockstep", "--fail-at", "5", "--fail-rank", "5", "--fail-how",
        "exit:7",
    )  # fmt: skip
    shown = mpi.ended("failed")
    failure = shown["failure"]
    assert (failure["rank"], failure["node"], failure["exit_code"]) == (5, "node3", 7)


def test_a_node_that_is_cut_off_for_a_while(mpi: MpiBench) -> None:
    mpi.training()
    mpi.cluster.cut("node2")
    time.sleep(5.0)  # the fault itself
    mpi.cluster.heal("node2")
    step = mpi.rankdeck.rank(2)["step"]
    until(lambda: mpi.rankdeck.rank(2)["step"] > step + 5)
    assert mpi.rankdeck.state()["state"] == "running"
    mpi.rankdeck.ok("stop", "last")
    mpi.ended("stopped")


def test_a_node_without_power_is_told_to_be_silent(mpi: MpiBench) -> None:
    mpi.training()
    mpi.cluster.crash("node2")
    until(lambda: mpi.rankdeck.show()["nodes"][1]["silent_since"])
    mpi.rankdeck.ok("kill", "last")
    mpi.rankdeck.until_state("stopped")
    mpi.cluster.boot("node2")


def test_another_supervisor_takes_over(mpi: MpiBench) -> None:
    mpi.training()
    mpi.kill_supervisor()
    step = mpi.rankdeck.rank(5)["step"]
    mpi.rankdeck.ok("ls")
    mpi.rankdeck.ok("stop", "last")
    shown = mpi.ended("stopped")
    assert shown["ranks"][5]["step"] >= step
    mpi.logs_are_whole()


def test_mpirun_ends_while_nobody_supervises(mpi: MpiBench) -> None:
    mpi.training()
    mpi.kill_supervisor()
    os.kill(mpi.mpirun(), signal.SIGKILL)
    until(lambda: not mpi.machinery())
    mpi.rankdeck.ok("ls")
    failure = mpi.ended("failed")["failure"]
    assert failure["category"] == "mpirun"


def test_a_restart_has_an_mpirun_of_its_own(mpi: MpiBench) -> None:
    script = mpi.project / "once.sh"
    script.write_text('#!/bin/sh\ntest "$RANKDECK_ATTEMPT" != 0 || test "$RANK" != 1 || exit 3\n')
    script.chmod(0o755)
    mpi.rankdeck.ok(
        "run", "--backend", "mpi", "--launcher", "direct", "--host", "node1,node2",
        "--max-restarts", "1", script,
    )  # fmt: skip
    assert mpi.mpirun(0) != mpi.mpirun(1)
    mpi.ended("succeeded")


# One process a rank


def test_every_rank_started_by_mpirun(mpi: MpiBench) -> None:
    mpi.submit("--steps", "3", "--lockstep", options=("--per-rank",))
    shown = mpi.ended("succeeded")
    assert [rank["exit_code"] for rank in shown["ranks"]] == [0] * 6
    assert b"rank 5 of 6 on node3 " in mpi.rankdeck.log(5)


def test_a_rank_of_mpirun_s_own_that_fails(mpi: MpiBench) -> None:
    mpi.submit(
        "--steps", "5000", "--lockstep", "--fail-at", "5", "--fail-rank", "3",
        options=("--per-rank",),
    )  # fmt: skip
    failure = mpi.ended("failed")["failure"]
    assert (failure["rank"], failure["node"], failure["category"]) == (3, "node2", "exception")


@pytest.mark.parametrize("name", ["mpirun", "rankdeck-agent", "rankdeck-shim", "orted"])
def test_what_is_killed_when_mpirun_starts_the_ranks(mpi: MpiBench, name: str) -> None:
    mpi.training(options=("--per-rank",))
    if name == "mpirun":
        os.kill(mpi.mpirun(), signal.SIGKILL)
    else:
        mpi.on("node2", name)
    shown = mpi.ended("failed")
    assert shown["failure"]["category"] != "unknown", mpi.said()
    mpi.logs_are_whole()


def test_ranks_that_mpirun_starts_can_use_mpi(mpi: MpiBench) -> None:
    program = mpi.project / "sum.py"
    program.write_text(
        "import ctypes, os\n"
        "mpi = ctypes.CDLL('libmpi.so.40', mode=ctypes.RTLD_GLOBAL)\n"
        "mpi.MPI_Init(None, None)\n"
        "world = ctypes.c_char.in_dll(mpi, 'ompi_mpi_comm_world')\n"
        "world = ctypes.c_void_p(ctypes.addressof(world))\n"
        "rank, size = ctypes.c_int(), ctypes.c_int()\n"
        "mpi.MPI_Comm_rank(world, ctypes.byref(rank))\n"
        "mpi.MPI_Comm_size(world, ctypes.byref(size))\n"
        "mpi.MPI_Barrier(world)\n"
        "print(rank.value, size.value, os.environ['RANK'], os.environ['WORLD_SIZE'])\n"
        "mpi.MPI_Finalize()\n"
    )
    mpi.rankdeck.ok(
        "run", "--backend", "mpi", "--launcher", "direct", "--host", "node1,node2",
        "--nproc-per-node", "2", "--per-rank", "--python", sys.executable, program,
    )  # fmt: skip
    for rank in range(4):
        assert mpi.rankdeck.log(rank).decode().split() == [str(rank), "4", str(rank), "4"]


@pytest.mark.torch
def test_torch_over_two_hosts_started_by_mpirun(mpi: MpiBench) -> None:
    mpi.rankdeck.ok(
        "run", "--backend", "mpi", "--launcher", "direct", "--host", "node1,node2", "--per-rank",
        mpi.project / "ddp.py", timeout=240,
    )  # fmt: skip
    assert b"sum 1, " in mpi.rankdeck.log(1)
