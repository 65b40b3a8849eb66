"""The scripts of a job: the options in them, and that shells can read what stands there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import pytest

from backends.slurm.layout import JobDir
from backends.slurm.script import Placement, job_name, job_options, job_script, step_script
from backends.slurm.settings import Settings, read_settings

PLACEMENT = Placement(
    run_id="20260101-000000-gpt-abcd",
    attempt=0,
    name="gpt",
    nodes=2,
    nproc=4,
    python="/opt/my python/bin/python3",
    bundle="/home/u/cache/agent-1.pyz",
    settings=Settings(),
)
JOB = JobDir(Path("/home/u/it's 50%/runs/r/slurm/attempt-0"))


def placed(**fields: object) -> Placement:
    options = fields.pop("options", None)
    if options is not None:
        fields["settings"] = read_settings(options)  # type: ignore[arg-type]
    return msgspec.structs.replace(PLACEMENT, **fields)


def header(placement: Placement) -> list[str]:
    lines = job_script(placement, JOB).splitlines()
    return [line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH ")]


def test_a_plain_job() -> None:
    assert job_options(PLACEMENT) == (
        "--job-name=gpt",
        "--comment=rankdeck:20260101-000000-gpt-abcd:0",
        "--nodes=2",
        "--ntasks-per-node=1",
        "--cpus-per-task=4",
    )
    assert "--no-requeue" in header(PLACEMENT)


def test_every_setting_becomes_an_option() -> None:
    options = {
        "partition": "gpu", "account": "acc", "qos": "high", "constraint": "a100&ib",
        "reservation": "r1", "gres": "nvme:1", "mem": "64G", "gpus_per_node": 8,
        "cpus_per_task": 6, "time": "2:00:00", "requeue": True, "signal": "USR1@300",
        "sbatch_line": "--mail-type=END\n--licenses=x",
    }  # fmt: skip
    lines = header(placed(options=options, exclude="node3"))
    for wanted in (
        "--partition=gpu", "--account=acc", "--qos=high", "--constraint=a100&ib",
        "--reservation=r1", "--gres=nvme:1", "--mem=64G", "--gpus-per-node=8",
        "--cpus-per-task=24", "--time=2:00:00", "--requeue", "--signal=B:USR1@300",
        "--mail-type=END", "--licenses=x", "--exclude=node3",
    ):  # fmt: skip
        assert wanted in lines


def test_exclusive_nodes_have_all_their_cpus() -> None:
    options = job_options(placed(options={"exclusive": True}))
    assert "--exclusive" in options
    assert not any(option.startswith("--cpus-per-task") for option in options)


@pytest.mark.parametrize(
    ("limit", "minutes"), [(60.0, "3"), (61.0, "4"), (3600.0, "62"), (0.5, "3")]
)
def test_slurm_s_limit_leaves_the_run_time_to_end_by_its_own(limit: float, minutes: str) -> None:
    assert f"--time={minutes}" in job_options(placed(time_limit=limit))


def test_named_nodes_are_all_of_them() -> None:
    options = job_options(placed(nodelist=("node4", "node2")))
    assert "--nodelist=node4,node2" in options
    assert "--nodes=2" in options


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("gpt", "gpt"),
        ("my run!", "my-run"),
        ("", "rankdeck"),
        ("\n--uid=0", "uid-0"),
        ("ü", "rankdeck"),
    ],
)
def test_names_that_squeue_can_show(name: str, shown: str) -> None:
    assert job_name(name) == shown


def test_paths_are_taken_as_they_are() -> None:
    lines = header(PLACEMENT)
    assert '--output="/home/u/it\'s 50%%/runs/r/slurm/attempt-0/job.log"' in lines
    assert '--chdir="/home/u/it\'s 50%/runs/r/slurm/attempt-0"' in lines


@pytest.mark.parametrize(
    "placement",
    [
        PLACEMENT,
        placed(inside="77", nodelist=("a", "b")),
        placed(options={"srun": True}),
        placed(options={"signal": "USR1@60", "requeue": True}),
    ],
)
def test_shells_can_read_the_scripts(placement: Placement, tmp_path: Path) -> None:
    for text in (job_script(placement, JOB), step_script(placement, JOB)):
        path = tmp_path / "script.sh"
        path.write_text(text)
        for shell in ("/bin/sh", "/bin/bash"):
            subprocess.run([shell, "-n", str(path)], check=True, timeout=60)


def test_a_step_in_an_allocation_leaves_the_rest_of_it_alone() -> None:
    text = job_script(placed(inside="77", nodelist=("a", "b")), JOB)
    assert "#SBATCH" not in text
    assert "--jobid=77 --overlap --nodelist=a,b" in text
    assert "claim" not in text


def test_without_sbatch_the_options_go_to_srun() -> None:
    text = job_script(placed(options={"srun": True, "partition": "gpu"}), JOB)
    assert "#SBATCH" not in text
    assert "--partition=gpu" in text
