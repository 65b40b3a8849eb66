"""The training programs and the command as other tests use them, alone and over hosts."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.cluster.rankdeck_at_login import RankdeckAtLogin

    Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start the trainer as one rank; its output goes to a file named after the rank."""
    started = []
    program = os.path.join(os.path.dirname(__file__), "programs", "trainer.py")

    def begin(*words: str, rank: int = 0, **env: str) -> subprocess.Popen[str]:
        with (tmp_path / f"{rank}.log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, program, *words],
                env={**os.environ, "RANK": str(rank), **env},
                cwd=tmp_path,
                stdout=log,
                stderr=log,
                text=True,
            )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


def until_in(path: Path, text: str) -> None:
    until(lambda: text in path.read_text())


@pytest.mark.parametrize(
    ("how", "status"),
    [("exception", 1), ("exit:7", 7), ("signal:SEGV", -signal.SIGSEGV), ("signal:KILL", -9)],
)
def test_it_fails_as_told_at_the_step_told(
    start: Start, tmp_path: Path, how: str, status: int
) -> None:
    words = ["--step-seconds", "0", "--fail-at", "2", "--fail-rank", "0", "--fail-how", how]
    assert start(*words).wait(90) == status
    output = (tmp_path / "0.log").read_text()
    assert "step 1/3 loss=1.0000" in output
    assert "step 2/3" not in output
    assert ("ValueError: rank 0 was told to fail" in output) == (how == "exception")


def test_another_rank_does_not_fail(start: Start) -> None:
    words = ["--alone", "--step-seconds", "0", "--fail-at", "2", "--fail-rank", "0"]
    assert start(*words, rank=1).wait(90) == 0


def test_every_line_is_numbered_and_as_long_as_told(start: Start, tmp_path: Path) -> None:
    words = ["--steps", "50", "--step-seconds", "0", "--lines", "20", "--line-bytes", "200"]
    assert start(*words).wait(90) == 0
    lines = (tmp_path / "0.log").read_text().splitlines()
    numbered = [line for line in lines if line.startswith("line ")]
    assert [int(line.split()[1]) for line in numbered] == list(range(1, 1001))
    assert {len(line) for line in numbered} == {199}
    assert lines[-1] == "done rank 0, 1000 lines"


def test_a_hanging_rank_that_ignores_term_lives_on(start: Start, tmp_path: Path) -> None:
    words = ["--ignore-term", "--fail-at", "1", "--fail-rank", "0", "--fail-how", "hang"]
    process = start(*words)
    until_in(tmp_path / "0.log", "fails: hang")
    process.terminate()
    until_in(tmp_path / "0.log", "rank 0 ignores TERM")
    assert process.poll() is None


def test_it_saves_on_usr1_and_saves_and_leaves_on_term(start: Start, tmp_path: Path) -> None:
    process = start("--steps", "100000", "--step-seconds", "0.01", "--checkpoint", "rank-{rank}")
    until_in(tmp_path / "0.log", "step 1/")
    process.send_signal(signal.SIGUSR1)
    until(lambda: (tmp_path / "rank-0").exists())
    assert process.poll() is None
    (tmp_path / "rank-0").unlink()
    process.terminate()
    assert process.wait(90) == 0
    assert (tmp_path / "rank-0").read_text().startswith("step ")


def test_in_lockstep_the_end_of_a_rank_is_an_error_of_its_peers(
    start: Start, tmp_path: Path
) -> None:
    words = ["--lockstep", "--fail-at", "2", "--fail-rank", "2", "--fail-how", "exit:5"]
    with socket.socket() as held:
        # nobody else gets the port, and rank 0 can listen on it all the same
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        port = str(held.getsockname()[1])
        world = {"WORLD_SIZE": "3", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        ranks = [start(*words, rank=rank, **world) for rank in range(3)]
        assert [process.wait(90) for process in ranks] == [1, 1, 5]
    assert f"rank 0 met ranks 1,2 on port {port}" in (tmp_path / "0.log").read_text()
    for log in ("0.log", "1.log"):
        assert "] Connection closed by peer [" in (tmp_path / log).read_text().splitlines()[-1]


def test_a_master_that_is_not_there_is_named(start: Start, tmp_path: Path) -> None:
    world = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
    assert start("--patience", "0", rank=1, **world).wait(90) == 1
    assert "rank 1 cannot reach 127.0.0.1:1: " in (tmp_path / "1.log").read_text()


# over hosts


def test_the_command_runs_on_one_login_node_and_is_seen_on_the_other(
    rankdeck: RankdeckAtLogin, cluster: Cluster, programs: Path
) -> None:
    words = ["--steps", "100000", "--checkpoint", "{rank}.txt"]
    job: list[str | Path] = [
        "--launcher",
        "direct",
        "--nproc-per-node",
        "2",
        programs / "trainer.py",
        *words,
    ]
    rankdeck.ok("run", "--backend", "local", "-d", *job)
    rankdeck.until_line(1, "rank 1 reached 127.0.0.1")
    # a rank's log may be ahead of what is said of the run
    rankdeck.until_state("running")
    (listed,) = json.loads(rankdeck.ok("ls", "--json", on="login2"))["runs"]
    assert (listed["id"], listed["state"]) == (rankdeck.run_id(), "running")
    assert set(cluster.processes(rankdeck.run_id())) == {"login"}
    rankdeck.ok("stop", "last")
    assert rankdeck.until_state("stopped")["state"] == "stopped"
    cluster.assert_nothing_left(rankdeck.run_id())


def test_the_stand_in_trainer_proves_that_ranks_reach_each_other(
    cluster: Cluster, programs: Path
) -> None:
    words = f"RANK=$SLURM_PROCID WORLD_SIZE=$SLURM_NTASKS exec {sys.executable} "
    words += f"{programs}/trainer.py --steps 3 --lines 2 --lockstep"
    env = {"MASTER_ADDR": "node1", "MASTER_PORT": "23456"}
    done = cluster.login("srun", "-N2", "-w", "node[1-2]", "-l", "sh", "-c", words, env=env)
    lines = done.stdout.splitlines()
    assert "0: rank 0 met ranks 1 on port 23456" in lines, done.stderr
    assert "1: rank 1 reached node1 as 10.77.0.1" in lines
    assert [line for line in lines if line.startswith("1: done")] == ["1: done rank 1, 6 lines"]


@pytest.mark.torch
def test_the_torch_program_trains_over_two_hosts(cluster: Cluster, programs: Path) -> None:
    words = f"exec {sys.executable} -m torch.distributed.run --nnodes 2 --node-rank $SLURM_NODEID "
    words += f"--master-addr node1 --master-port 23457 {programs}/ddp.py"
    done = cluster.login("srun", "-N2", "-w", "node[1-2]", "sh", "-c", words, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "rank 1 of 2 on node2: sum 1, node1:23457" in done.stdout
