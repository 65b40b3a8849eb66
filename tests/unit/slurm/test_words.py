"""What Slurm says, in words: reasons, notices and ends."""

from __future__ import annotations

import pytest

from backends.slurm import words
from backends.slurm.refusals import explain
from backends.slurm.words import Phase

CANCELLED = (
    "srun: Job step aborted: Waiting up to 7 seconds for job step to finish.\n"
    "slurmstepd-node1: error: *** STEP 10.0 ON node1 CANCELLED AT 2026-11-21T15:34:42{due} ***\n"
)
FAILED_NODE = """srun: error: Node failure on node2
slurmstepd: error: *** STEP 7.0 ON node1 CANCELLED AT 2026-11-21T12:00:00 DUE TO NODE FAILURE, \
SEE SLURMCTLD LOG FOR DETAILS ***
"""


@pytest.mark.parametrize(
    ("state", "phase"),
    [
        ("PENDING", Phase.WAITING),
        ("RUNNING", Phase.RUNNING),
        ("COMPLETING", Phase.ENDING),
        ("CANCELLED by 1000", Phase.OVER),
        ("CANCELLED+", Phase.OVER),
        ("REQUEUED", Phase.WAITING),
        ("SUSPENDED", Phase.SUSPENDED),
        ("OUT_OF_MEMORY", Phase.OVER),
        ("BRAND_NEW", Phase.UNKNOWN),
        ("", Phase.UNKNOWN),
    ],
)
def test_states(state: str, phase: Phase) -> None:
    assert words.phase_of(state) is phase


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("Priority", "Priority: jobs of higher priority are before it"),
        ("(Resources)", "Resources: next in line"),
        ("ReqNodeNotAvail, UnavailableNodes:node[1-3]", "ReqNodeNotAvail: a node it needs is down"),
        ("PartitionNodeLimit", "more nodes than the partition allows"),
        ("QOSMaxJobsPerUserLimit", "a limit of your account or QOS"),
        ("AssocGrpGRES", "a limit of your account or QOS"),
        ("JobHeldUser", "scontrol release 12"),
        ("SomethingNew", "SomethingNew"),
        ("", "no reason is given"),
    ],
)
def test_reasons(reason: str, said: str) -> None:
    assert said in words.reason_text(reason, "12")


def test_what_a_waiting_job_is_told_to_wait_for() -> None:
    start = words.when("2026-11-21T15:30:48")
    assert words.queued_text("12", "Priority", start) == (
        "job 12 waits: Priority: jobs of higher priority are before it;"
        " estimated start 2026-11-21 15:30"
    )
    assert words.when("N/A") == ""


@pytest.mark.parametrize(
    ("due", "state"),
    [
        ("", "CANCELLED"),
        (" DUE TO TIME LIMIT", "TIMEOUT"),
        (" DUE TO PREEMPTION", "PREEMPTED"),
        (" DUE TO JOB REQUEUE", "REQUEUED"),
    ],
)
def test_notices_of_the_nodes(due: str, state: str) -> None:
    assert words.cancelled_as(CANCELLED.format(due=due), "10") == state
    assert words.cancelled_as(CANCELLED.format(due=due), "11") == ""


def test_a_failed_node_is_named() -> None:
    assert words.cancelled_as(FAILED_NODE, "7") == "NODE_FAIL"
    assert words.failed_node(FAILED_NODE) == "node2"
    ended = words.ended_report("7", "NODE_FAIL", requeues=False, node="node2")
    assert (ended.category, ended.node, ended.again) == ("node-failure", "node2", False)
    assert "node2" in ended.message


def test_waiters_that_should_not_have_ended() -> None:
    log = (
        "srun: error: node2: task 1: Killed\n"
        "srun: error: node3: tasks 2: Exited with exit code 127\n"
        "srun: error: task 0 launch failed: Slurmd could not connect IO\n"
        "srun: error: elsewhere: task 9: Killed\n"
    )
    assert words.ended_tasks(log, ("node1", "node2", "node3")) == {
        "node2": "Killed",
        "node3": "Exited with exit code 127",
        "node1": "launch failed: Slurmd could not connect IO",
    }


@pytest.mark.parametrize(
    ("state", "category", "stopped"),
    [
        ("CANCELLED by root", "cancelled", True),
        ("TIMEOUT", "time-limit", False),
        ("PREEMPTED", "preempted", False),
        ("OUT_OF_MEMORY", "out-of-memory", False),
        ("DEADLINE", "deadline", False),
        ("BOOT_FAIL", "node-failure", False),
        ("FAILED", "launcher-died", False),
        ("COMPLETED", "launcher-died", False),
        ("", "launcher-died", False),
    ],
)
def test_ends(state: str, category: str, stopped: bool) -> None:
    ended = words.ended_report("12", state, requeues=True)
    assert (ended.category, ended.stopped) == (category, stopped)
    assert "12" in ended.message


def test_who_cancelled_is_told_where_it_is_known() -> None:
    report = words.ended_report("12", "CANCELLED by 1000", requeues=False)
    assert report.message == "job 12 was cancelled by 1000"


@pytest.mark.parametrize("state", ["REQUEUED", "PENDING", "REQUEUE_HOLD"])
def test_a_requeue_is_another_start(state: str) -> None:
    assert words.ended_report("12", state, requeues=True).again


@pytest.mark.parametrize("state", ["PREEMPTED", "NODE_FAIL"])
def test_what_slurm_starts_again_depends_on_the_job(state: str) -> None:
    assert words.ended_report("12", state, requeues=True).again
    assert not words.ended_report("12", state, requeues=False).again


@pytest.mark.parametrize(
    ("complaint", "hint"),
    [
        ("Batch job submission failed: Invalid partition name specified", "sinfo"),
        ("Batch job submission failed: Invalid account or account/partition", "sacctmgr"),
        ("Invalid node name specified", "sinfo --Node"),
        ("Unable to contact slurm controller (connect failure)", "scontrol ping"),
        ("sbatch gave no answer in 20 s", "scontrol ping"),
        ("there is no sbatch on PATH", "where Slurm's commands are"),
        ("something nobody has heard of", ""),
    ],
)
def test_refusals_say_what_to_do(complaint: str, hint: str) -> None:
    message, advice = explain(complaint)
    assert message.startswith("Slurm does not take the job: ")
    assert "Batch job submission failed" not in message
    assert hint in advice
    assert bool(hint) == bool(advice)


def test_braces_in_what_a_program_printed_are_only_text() -> None:
    ended = words.ended_report("12", "FAILED", requeues=False, detail="{job} {nowhere}")
    assert ended.message == "job 12 has ended (FAILED): {job} {nowhere}"
    assert words.ended_report("12", "TIMEOUT", requeues=False, detail="x").message == (
        "job 12 has reached Slurm's time limit"
    )
