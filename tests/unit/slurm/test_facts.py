"""What Slurm remembers of a job, read from what it prints."""

from __future__ import annotations

import pytest

from backends.slurm.facts import (
    JobFacts,
    Site,
    Usage,
    parse_completion,
    parse_job,
    parse_usage,
    read_site,
)

SHOWN = (
    "JobId=11 JobName=train UserId=root(0) GroupId=root(0) MCS_label=N/A Priority=42 Nice=0"
    " Account=(null) QOS=(null) JobState=PENDING Reason=BeginTime Dependency=(null) Requeue=1"
    " Restarts=2 BatchFlag=1 Reboot=0 ExitCode=0:15 RunTime=00:00:00 ReqNodeList=(null)"
    " ExcNodeList=(null) NodeList=node[1-2] NumNodes=2 Comment=JobState=FAILED"
)
ACCOUNTED = """12|TIMEOUT|0:0|0:9|61||node[1-2]
12.batch|CANCELLED|0:15||62|5120K|node1
12.0|CANCELLED|0:15||61|1.5G|node[1-2]
13|COMPLETED|0:0|0:0|5||node1
"""


def test_a_job_as_the_controller_shows_it() -> None:
    assert parse_job(SHOWN) == JobFacts(
        state="PENDING", reason="BeginTime", restarts=2, requeue=True, exit_code="0:15",
        nodelist="node[1-2]",
    )  # fmt: skip


@pytest.mark.parametrize("text", ["", "slurm_load_jobs error: Invalid job id specified"])
def test_no_job(text: str) -> None:
    assert parse_job(text) is None
    assert parse_completion(text) is None
    assert parse_usage(text, "12") is None


def test_the_record_of_ended_jobs() -> None:
    text = "12|NODE_FAIL|node[1-2]|x\n12|CANCELLED|node3|y\n"
    assert parse_completion(text) == JobFacts(state="CANCELLED", nodelist="node3")


def test_accounting_of_a_job_and_its_steps() -> None:
    usage = parse_usage(ACCOUNTED, "12")
    assert usage == Usage(
        state="TIMEOUT", seconds=61, peak_bytes=int(1.5 * (1 << 30)), exit_code="0:0",
        derived_exit_code="0:9",
    )  # fmt: skip
    assert usage.text == (
        "accounting: TIMEOUT, 61 s, at most 1536 MiB in one node's task, highest of its steps 0:9"
    )


def test_the_configuration() -> None:
    text = (
        "Configuration data as of 2026\nAccountingStorageType   = accounting_storage/slurmdbd\n"
        "JobCompType             = jobcomp/none\nKillWait                = 5 sec\n"
    )
    assert read_site(text) == Site(kill_wait=5.0, accounting=True, completions=False)
    assert read_site("") == Site(kill_wait=30.0, accounting=False, completions=False)
