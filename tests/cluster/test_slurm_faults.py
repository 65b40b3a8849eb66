"""What Slurm, its users and its nodes do to a run: the right state, a named cause, nothing left."""

from __future__ import annotations

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


# refused before anything is submitted


def test_a_partition_that_is_not_there(slurm: SlurmBench) -> None:
    done = slurm.refuse("--partition", "nowhere")
    assert "partition" in done.stderr
    assert "nowhere" in done.stderr
    assert "sinfo" in done.stderr


def test_a_node_that_is_not_there(slurm: SlurmBench) -> None:
    assert "Invalid node name" in slurm.refuse("--include", "node1,node77").stderr


def test_more_nodes_than_there_are(slurm: SlurmBench) -> None:
    assert "9 nodes are wanted, the cluster has 4" in slurm.refuse(nodes=9).stderr


def test_more_gpus_than_a_node_has(slurm: SlurmBench) -> None:
    error = slurm.refuse("--gpus-per-node", "3").stderr
    assert "2 nodes with 3 GPUs are wanted" in error
    assert "at most 2" in error


def test_an_option_that_sbatch_does_not_know(slurm: SlurmBench) -> None:
    assert "--nonsense" in slurm.refuse("--sbatch-line", "--nonsense=1").stderr


def test_slurmctld_is_down(slurm: SlurmBench) -> None:
    slurm.cluster.slurmctld("stop")
    error = slurm.refuse().stderr
    assert "scontrol ping" in error


# in the queue


def test_a_job_that_waits_says_why_and_is_cancelled_with_its_run(slurm: SlurmBench) -> None:
    blocker = slurm.ask("sbatch", "--parsable", "-N4", "--exclusive", "--wrap=sleep 600")
    slurm.submit()
    state = slurm.rankdeck.until_state("queued")
    slurm.until_told("Resources: next in line")
    job = slurm.job()
    assert f"job {job} waits" in slurm.messages()
    slurm.rankdeck.ok("stop", "last")
    slurm.rankdeck.until_state("stopped")
    assert state["state"] == "queued"
    until(lambda: slurm.queue() == [f"{blocker.strip()} RUNNING"], TIMEOUT)


def test_a_job_that_can_never_start_says_so(slurm: SlurmBench) -> None:
    slurm.ask("scontrol", "update", "nodename=node[1-3]", "state=drain", "reason=test")
    slurm.submit()
    slurm.rankdeck.until_state("queued")
    slurm.until_told("a node it needs is down, drained or reserved")
    slurm.rankdeck.ok("stop", "last")
    slurm.ended("stopped")


def test_scancel_from_outside_while_the_job_waits(slurm: SlurmBench) -> None:
    slurm.ask("sbatch", "-N4", "--exclusive", "--wrap=sleep 600")
    slurm.submit()
    slurm.until_told("waits")
    slurm.ask("scancel", slurm.job())
    state = slurm.rankdeck.until_state("stopped", "failed")
    assert state["state"] == "stopped", slurm.messages()
    assert f"job {slurm.job()} was cancelled" in state["reason"]
    slurm.ask("scancel", "-u", "root")


# while it runs


def test_scancel_from_outside(slurm: SlurmBench) -> None:
    job = slurm.running(*FOREVER)
    slurm.ask("scancel", job)
    state = slurm.ended("stopped")
    assert state["reason"] == f"job {job} was cancelled"
    assert {rank["state"] for rank in state["ranks"]} == {"killed"}


def test_scancel_of_ranks_that_do_not_listen(slurm: SlurmBench) -> None:
    job = slurm.running(*FOREVER, "--ignore-term")
    slurm.ask("scancel", job)
    state = slurm.ended("stopped")
    assert {node["state"] for node in state["nodes"]} == {"done"}, state["nodes"]


def test_the_ranks_are_warned_of_the_time_limit_and_it_is_named(slurm: SlurmBench) -> None:
    checkpoint = slurm.cluster.shared / "checkpoint-{rank}"
    options = ("--time", "1", "--signal", "USR1@50")
    slurm.submit(*FOREVER, "--checkpoint", str(checkpoint), options=options)
    found = slurm.cluster.shared.glob
    until(lambda: len(list(found("checkpoint-[01]"))) == 2, 70.0)
    assert slurm.rankdeck.state()["state"] == "running"
    slurm.until_told("Slurm warns of the time limit")
    state = slurm.ended("failed", timeout=120.0)
    assert state["failure"]["category"] == "time-limit"
    assert "has reached Slurm's time limit" in state["failure"]["summary"]


def test_a_node_is_drained(slurm: SlurmBench) -> None:
    slurm.running(*FOREVER)
    slurm.ask("scontrol", "update", "nodename=node2", "state=drain", "reason=bad disk")
    slurm.until_told("node2 is draining: bad disk", timeout=60.0)
    assert slurm.rankdeck.state()["state"] == "running"
    slurm.rankdeck.ok("stop", "last")
    slurm.ended("stopped")


def test_slurmctld_restarts(slurm: SlurmBench) -> None:
    job = slurm.running(*FOREVER)
    slurm.cluster.slurmctld("stop")
    slurm.until_told("Slurm does not answer")
    assert slurm.rankdeck.state()["state"] == "running"
    slurm.cluster.slurmctld("start")
    slurm.until_told("Slurm answers again")
    assert slurm.rankdeck.state()["state"] == "running"
    assert slurm.queue() == [f"{job} RUNNING"]
    slurm.rankdeck.ok("stop", "last")
    slurm.ended("stopped")


def test_a_run_ends_while_slurmctld_is_away(slurm: SlurmBench) -> None:
    leave = slurm.cluster.shared / "leave"
    slurm.running(*FOREVER, "--until", str(leave))
    slurm.cluster.slurmctld("stop")
    leave.touch()
    state = slurm.rankdeck.until_state("succeeded", "failed", timeout=TIMEOUT)
    assert state["state"] == "succeeded"
    slurm.cluster.slurmctld("start")
    slurm.ended("succeeded")


def test_a_node_crashes(slurm: SlurmBench) -> None:
    slurm.running(*FOREVER)
    slurm.cluster.crash("node2")
    slurm.until_told("its agent says nothing")
    state = slurm.rankdeck.until_state("failed", "lost", timeout=120.0)
    assert state["failure"]["category"] == "node-failure", state["failure"]
    assert state["failure"]["node"] == "node2"
    slurm.cluster.assert_nothing_left(slurm.rankdeck.run_id())


def test_a_requeue_is_another_start_and_no_restart(slurm: SlurmBench) -> None:
    job = slurm.running(*FOREVER, options=("--requeue",))
    slurm.ask("scontrol", "requeue", job)
    slurm.until_told(f"Slurm has requeued job {job}")
    state = slurm.rankdeck.until_state("queued", timeout=TIMEOUT)
    assert state["attempt"] == 1
    # Slurm holds a requeued job back for two minutes. A job that starts in the second in which its
    # last start was ended is killed: its credential counts as revoked
    slurm.ask("scontrol", "update", f"jobid={job}", "starttime=now+3")
    slurm.until_ranks(2)
    state = slurm.rankdeck.until_state("running")
    assert (state["attempt"], slurm.job()) == (1, job)
    notes = [event["message"] for event in slurm.events() if event["kind"] == "note"]
    assert notes.count(f"Slurm has requeued job {job}") == 1, "it has not ended again"
    slurm.rankdeck.ok("stop", "last")
    slurm.ended("stopped")


def test_an_agent_and_its_guardian_are_killed(slurm: SlurmBench) -> None:
    slurm.running(*FOREVER)
    # whichever of them goes first has a moment to notice the other
    slurm.cluster.exec("node2", "pkill", "-KILL", "rankdeck-(guard|agent)")
    state = slurm.ended("failed")
    assert state["failure"]["node"] == "node2"
    assert state["failure"]["category"] in ("agent-lost", "agent")


def test_a_waiter_is_killed(slurm: SlurmBench) -> None:
    slurm.running(*FOREVER)
    slurm.cluster.exec("node2", "pkill", "-KILL", "rankdeck-wait")
    state = slurm.ended("failed")
    assert "node2" in str(state["failure"]) + slurm.messages()


def test_the_supervisor_is_killed_and_the_job_cancelled_meanwhile(slurm: SlurmBench) -> None:
    job = slurm.running(*FOREVER)
    slurm.kill_supervisor()
    slurm.ask("scancel", job)
    slurm.until_queue_is_empty()
    slurm.rankdeck.ok("ls")
    state = slurm.ended("stopped")
    assert f"job {job} was cancelled" in state["reason"]


def test_the_supervisor_is_killed_while_its_job_waits(slurm: SlurmBench) -> None:
    blocker = slurm.ask("sbatch", "--parsable", "-N4", "--exclusive", "--wrap=sleep 600")
    slurm.submit()
    slurm.until_told("waits")
    slurm.kill_supervisor()
    slurm.rankdeck.ok("ls")
    until(lambda: "took over" in slurm.messages(), TIMEOUT)
    slurm.ask("scancel", blocker.strip())
    state = slurm.ended("succeeded")
    assert state["attempt"] == 0
    assert len(list((slurm.rankdeck.run_dir() / "slurm").glob("attempt-*"))) == 1


@pytest.mark.parametrize("node", ["node1", "node2"])
def test_the_run_directory_is_not_shared_with_a_node(slurm: SlurmBench, node: str) -> None:
    slurm.rankdeck.home.mkdir()
    slurm.cluster.hide(node, slurm.rankdeck.home)
    slurm.submit()
    state = slurm.ended("failed")
    assert "RANKDECK_HOME" in state["failure"]["hint"], state["failure"]


def test_srun_from_here_waits_and_is_taken_out_of_the_queue(slurm: SlurmBench) -> None:
    blocker = slurm.ask("sbatch", "--parsable", "-N4", "--exclusive", "--wrap=sleep 600")
    slurm.submit(options=("--srun",))
    slurm.rankdeck.until_state("queued")
    slurm.until_told("waits: Resources")
    slurm.kill_supervisor()
    slurm.rankdeck.ok("ls")
    until(lambda: "took over" in slurm.messages(), TIMEOUT)
    slurm.rankdeck.ok("stop", "last")
    slurm.rankdeck.until_state("stopped")
    until(lambda: slurm.queue() == [f"{blocker.strip()} RUNNING"], TIMEOUT)
    slurm.cluster.assert_nothing_left(slurm.rankdeck.run_id())


def test_a_node_of_the_job_stands_by_for_the_submitting_host(slurm: SlurmBench) -> None:
    leave = slurm.cluster.shared / "leave"
    slurm.running(*FOREVER, "--until", str(leave), options=("--standby",))
    slurm.kill_supervisor()
    # no command is given any more: nobody but the job itself can notice
    slurm.until_told("took over")
    leave.touch()
    state = slurm.ended("succeeded", timeout=TIMEOUT)
    assert state["supervisor"]["host"] == "node1"
    assert not (slurm.rankdeck.run_dir() / "launch-env.json").exists()
