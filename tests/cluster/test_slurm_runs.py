"""Whole runs through Slurm: a job of its own, an allocation at hand, srun without sbatch."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cluster.slurm_bench import FOREVER, TIMEOUT, SlurmBench
from tests.e2e.conftest import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.cluster.rankdeck_at_login import RankdeckAtLogin


@pytest.fixture
def slurm(rankdeck: RankdeckAtLogin, cluster: Cluster, programs: Path) -> SlurmBench:
    return SlurmBench(rankdeck, cluster, programs)


def test_a_job_of_its_own_runs_on_nodes_that_slurm_chose(slurm: SlurmBench) -> None:
    slurm.submit("--lines", "20", options=("--nproc-per-node", "2"), nodes=3)
    state = slurm.ended("succeeded")
    assert [node["name"] for node in state["nodes"]] == ["node1", "node2", "node3"]
    for rank in range(6):
        (path,) = slurm.rankdeck.run_dir().glob(f"nodes/*/attempt-0/rank-{rank}.log")
        assert path.read_text().endswith(f"done rank {rank}, 60 lines\n")
        assert path.read_text().count(f"of rank {rank} ") == 60
    assert "started on node1, node2, node3" in slurm.messages()
    script = (slurm.rankdeck.run_dir() / "slurm" / "attempt-0" / "job.sh").read_text()
    assert "#SBATCH --nodes=3\n" in script
    assert "#SBATCH --cpus-per-task=2\n" in script


def test_the_shell_s_environment_and_the_gpus_reach_the_ranks(slurm: SlurmBench) -> None:
    (slurm.project / "env.py").write_text(
        "import os\nprint(os.environ['CUDA_VISIBLE_DEVICES'], os.environ['TOKEN'], flush=True)\n"
    )
    words = slurm.words(options=("--gpus-per-node", "2"))[:-1]
    run = slurm.rankdeck.ok(*words, slurm.project / "env.py", cwd=slurm.project, TOKEN="s3cret,x")
    slurm.ended("succeeded")
    for rank in range(2):
        (path,) = slurm.rankdeck.run_dir().glob(f"nodes/*/attempt-0/rank-{rank}.log")
        assert path.read_text() == "0,1 s3cret,x\n"
    assert run.strip() in str(slurm.rankdeck.run_dir())
    for path in (slurm.rankdeck.run_dir() / "slurm").rglob("*"):
        assert path.is_dir() or "s3cret" not in path.read_text(), path


def test_nodes_that_are_named_are_the_ones_and_no_others(slurm: SlurmBench) -> None:
    slurm.submit(options=("--include", "node4,node2"))
    state = slurm.ended("succeeded")
    assert [node["name"] for node in state["nodes"]] == ["node2", "node4"]


def test_excluded_nodes_are_not_chosen(slurm: SlurmBench) -> None:
    slurm.submit(options=("--exclude", "node[1-2]"))
    state = slurm.ended("succeeded")
    assert [node["name"] for node in state["nodes"]] == ["node3", "node4"]


def test_an_allocation_at_hand_is_used_and_kept(slurm: SlurmBench) -> None:
    rankdeck, project = slurm.rankdeck, slurm.project
    command = [*rankdeck.argv, *slurm.words("--lines", "3"), "--steps", "5"]
    inner = " ".join(command) + f" && {' '.join(rankdeck.argv)} wait last && squeue -h -o %T"
    done = slurm.cluster.login(
        "salloc", "-N3", "bash", "-c", inner, cwd=project, env=rankdeck.env, timeout=TIMEOUT
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert done.stdout.splitlines()[-1] == "RUNNING"
    state = slurm.ended("succeeded")
    assert [node["name"] for node in state["nodes"]] == ["node1", "node2"]


def test_a_stop_inside_an_allocation_ends_the_step_only(slurm: SlurmBench) -> None:
    rankdeck = slurm.rankdeck
    allocation = slurm.cluster.start(
        "salloc", "-N2", "bash", "-c",
        " ".join([*rankdeck.argv, *slurm.words(*FOREVER)]) + "; read line; echo kept",
        cwd=slurm.project, env=rankdeck.env,
    )  # fmt: skip
    rankdeck.until_rank(1, "output", "stepping", timeout=TIMEOUT)
    rankdeck.ok("stop", "last")
    rankdeck.until_state("stopped")
    slurm.cluster.assert_nothing_left(rankdeck.run_id())
    # Slurm hears of the end of a step's processes a moment later
    until(lambda: not slurm.steps(), TIMEOUT)
    assert [line.split()[1] for line in slurm.queue()] == ["RUNNING"]
    assert allocation.poll() is None
    out, _ = allocation.communicate("go on\n", timeout=TIMEOUT)
    assert out.splitlines()[-1] == "kept"


def test_srun_from_the_login_node_without_sbatch(slurm: SlurmBench) -> None:
    slurm.submit("--lines", "5", options=("--srun",))
    slurm.ended("succeeded")
    slurm.submit(*FOREVER, options=("--srun",))
    slurm.rankdeck.until_rank(1, "output", "stepping", timeout=TIMEOUT)
    slurm.rankdeck.ok("stop", "last")
    slurm.ended("stopped")


def test_a_stop_is_gentle_and_gives_the_job_back(slurm: SlurmBench) -> None:
    checkpoint = slurm.cluster.shared / "checkpoint-{rank}"
    slurm.running(*FOREVER, "--checkpoint", str(checkpoint))
    slurm.rankdeck.ok("stop", "last")
    slurm.ended("stopped")
    assert sorted(path.name for path in slurm.cluster.shared.glob("checkpoint-*")) == [
        "checkpoint-0",
        "checkpoint-1",
    ]


def test_a_rank_that_fails_on_the_far_node_ends_all(slurm: SlurmBench) -> None:
    slurm.submit(
        *FOREVER[:-1], "--fail-at", "3", "--fail-rank", "2", "--fail-how", "exit:7", nodes=3
    )
    state = slurm.ended("failed")
    assert state["failure"]["rank"] == 2
    assert state["failure"]["exit_code"] == 7


def test_another_attempt_uses_the_same_job(slurm: SlurmBench) -> None:
    marker = slurm.cluster.shared / "failed-once"
    (slurm.project / "once.py").write_text(
        "import os, sys\n"
        f"path = {str(marker)!r}\n"
        "if os.environ['RANK'] == '1' and not os.path.exists(path):\n"
        "    open(path, 'w').close(); sys.exit(3)\n"
        "print('fine', flush=True)\n"
    )
    words = slurm.words(options=("--max-restarts", "1"))[:-1]
    slurm.rankdeck.ok(*words, slurm.project / "once.py", cwd=slurm.project)
    state = slurm.ended("succeeded")
    assert state["attempt"] == 1
    jobs = list((slurm.rankdeck.run_dir() / "slurm").glob("attempt-*"))
    assert [path.name for path in jobs] == ["attempt-0"]


def test_a_killed_supervisor_is_replaced_while_the_job_runs(slurm: SlurmBench) -> None:
    job = slurm.running(*FOREVER)
    slurm.kill_supervisor()
    slurm.rankdeck.ok("ls")
    until(lambda: "took over" in slurm.messages(), TIMEOUT)
    assert slurm.queue() == [f"{job} RUNNING"]
    slurm.rankdeck.ok("stop", "last")
    slurm.ended("stopped")


@pytest.mark.parametrize("moment", ["intent", "job", "allocation", "call"])
def test_a_supervisor_killed_while_it_starts_the_job_never_makes_a_second_one(
    slurm: SlurmBench, moment: str
) -> None:
    files = {
        "intent": "slurm/attempt-0/submitting",
        "job": "slurm/attempt-0/sbatch.out",
        "allocation": "slurm/attempt-0/start-0/allocation",
        "call": "slurm/attempt-0/start-0/calls/node1.0",
    }
    slurm.submit(*FOREVER)
    path = slurm.rankdeck.run_dir() / files[moment]
    until(path.exists, TIMEOUT)
    slurm.kill_supervisor()
    slurm.rankdeck.ok("ls")
    slurm.until_ranks(2)
    everything = slurm.squeue("-t", "all", "-o", "%i %T")
    assert [line for line in everything if line.endswith(" RUNNING")] == [f"{slurm.job()} RUNNING"]
    lines = slurm.squeue("-t", "all", "-o", "%i %k")
    assert {line.split()[0] for line in lines if slurm.rankdeck.run_id() in line} == {slurm.job()}
    # a child that an agent starts bears its name for a moment; a second agent would stay
    until(lambda: [slurm.agents_on(node) for node in ("node1", "node2")] == [1, 1])
    slurm.rankdeck.ok("stop", "last")
    slurm.ended("stopped")


def test_torchrun_is_not_needed_but_python_must_be_there(slurm: SlurmBench) -> None:
    words = slurm.words()
    words[words.index(sys.executable)] = "/nowhere/python3"
    slurm.rankdeck.ok(*words, cwd=slurm.project)
    state = slurm.ended("failed")
    assert "/nowhere/python3" in str(state["failure"]) + slurm.messages()


def test_srun_can_start_every_rank_itself(slurm: SlurmBench) -> None:
    (slurm.project / "who.py").write_text(
        "import os\nnames = ('RANK', 'LOCAL_RANK', 'WORLD_SIZE', 'SLURM_PROCID', 'SLURM_LOCALID')\n"
        "print(*(os.environ[name] for name in names), flush=True)\n"
    )
    words = slurm.words(options=("--per-rank", "--nproc-per-node", "2", "--mpi", "pmi2"))[:-1]
    slurm.rankdeck.ok(*words, slurm.project / "who.py", cwd=slurm.project)
    slurm.ended("succeeded")
    for rank in range(4):
        (path,) = slurm.rankdeck.run_dir().glob(f"nodes/*/attempt-0/rank-{rank}.log")
        assert path.read_text() == f"{rank} {rank % 2} 4 {rank} {rank % 2}\n"


def test_a_rank_that_srun_started_fails_and_a_stop_reaches_them(slurm: SlurmBench) -> None:
    options = ("--per-rank", "--nproc-per-node", "2")
    slurm.submit(*FOREVER, "--fail-at", "2", "--fail-rank", "3", "--fail-how", "exit:7",
                 options=options)  # fmt: skip
    state = slurm.ended("failed")
    assert (state["failure"]["rank"], state["failure"]["exit_code"]) == (3, 7)
    slurm.submit(*FOREVER, options=options)
    slurm.until_ranks(4)
    slurm.rankdeck.ok("stop", "last")
    slurm.ended("stopped")


def test_an_allocation_that_is_gone(slurm: SlurmBench) -> None:
    gone = {"SLURM_JOB_ID": "99999", "SLURM_JOB_NODELIST": "node[1-2]"}
    slurm.rankdeck.ok(*slurm.words(), cwd=slurm.project, **gone)
    state = slurm.ended("failed")
    assert "invalid job 99999" in state["failure"]["summary"], state["failure"]


def test_a_supervisor_killed_between_two_jobs_submits_the_second(slurm: SlurmBench) -> None:
    slurm.running(*FOREVER, options=("--max-restarts", "1"))
    supervisor = slurm.supervisor()
    os.kill(supervisor, signal.SIGSTOP)
    # the job is gone with everything in it, and nobody has cancelled it
    slurm.cluster.exec("node1", "pkill", "-KILL", "srun")
    slurm.until_queue_is_empty()
    os.kill(supervisor, signal.SIGCONT)
    second = slurm.rankdeck.run_dir() / "slurm" / "attempt-1"
    until(second.exists, TIMEOUT)
    os.kill(supervisor, signal.SIGKILL)
    slurm.rankdeck.ok("ls")
    until(lambda: (second / "start-0" / "said" / "node2.here").exists(), TIMEOUT)
    until(lambda: slurm.rankdeck.state()["state"] == "running", TIMEOUT)
    assert len(slurm.queue()) == 1
    slurm.rankdeck.ok("stop", "last")
    slurm.ended("stopped")
