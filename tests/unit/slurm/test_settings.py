"""The options of a job: what is accepted, what is refused and in which words."""

from __future__ import annotations

import pytest

from backends.slurm.options import OPTIONS
from backends.slurm.settings import read_settings
from rankdeck.errors import InvalidJobError


def problems(**options: str | int | bool) -> str:
    with pytest.raises(InvalidJobError) as caught:
        read_settings(options)
    return "\n".join(f"{problem.key} {problem.message}" for problem in caught.value.problems)


def test_nothing_given_is_slurm_s_own_default() -> None:
    settings = read_settings({})
    assert (settings.partition, settings.gpus, settings.lines, settings.exclusive) == (
        "", 0, (), False,
    )  # fmt: skip


def test_every_option_is_read() -> None:
    given: dict[str, str | int | float] = {"str": "name", "int": 3, "bool": True, "float": 1.0}
    special = {"time": "1-02:00:00", "signal": "usr1@300", "sbatch_line": "--mail-type=END\n-C a"}
    options: dict[str, str | int | float | bool] = {
        option.name: special.get(option.name, given[option.type])
        for option in OPTIONS
        if option.name not in ("srun", "per_rank")
    }
    settings = read_settings(options)
    assert settings.partition == settings.account == settings.qos == settings.gres == "name"
    assert (settings.gpus_per_node, settings.cpus_per_task) == (3, 3)
    assert (settings.warning, settings.warning_seconds) == ("USR1", 300)
    assert settings.time == "1-02:00:00"
    assert settings.lines == ("--mail-type=END", "-C a")
    assert settings.requeue
    assert settings.exclusive


@pytest.mark.parametrize(
    ("gres", "gpus"),
    [("gpu:2", 2), ("gpu", 1), ("gpu:a100:4,nvme:1", 4), ("nvme:1", 0), ("gpu:a:1,gpu:b:2", 3)],
)
def test_gpus_are_counted_from_generic_resources(gres: str, gpus: int) -> None:
    assert read_settings({"gres": gres}).gpus == gpus


@pytest.mark.parametrize("time", ["90", "90:00", "1:30:00", "2-0", "2-12:30", "UNLIMITED"])
def test_times_as_slurm_writes_them(time: str) -> None:
    assert read_settings({"time": time}).time == time


@pytest.mark.parametrize("time", ["1h", "1:2:3:4", "two", "1-", "-5", "5 --wrap=x"])
def test_times_that_slurm_would_not_read(time: str) -> None:
    assert problems(time=time).startswith("--time is not a time")


@pytest.mark.parametrize("text", ["USR1", "@300", "NOPE@300", "USR1@soon", "B:USR1@300"])
def test_signals_that_are_none(text: str) -> None:
    assert problems(signal=text).startswith("--signal must be NAME@SECONDS")


@pytest.mark.parametrize("value", ["two words", "line\n#SBATCH --uid=0", "\x1b[31m"])
def test_a_name_cannot_bring_a_line_of_its_own(value: str) -> None:
    assert "must be one word" in problems(partition=value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--nodes=4", "--nodes is set by Rankdeck"),
        ("-N4", "-N is set by Rankdeck"),
        ("--mail-type=END --array=1-3", "--array is set by Rankdeck"),
        ("rm -rf /", "is not an option"),
        ("--comment='x", "cannot be read"),
    ],
)
def test_lines_that_would_make_it_another_job(line: str, said: str) -> None:
    assert said in problems(sbatch_line=line)


def test_a_line_may_be_copied_from_a_script() -> None:
    assert read_settings({"sbatch_line": "#SBATCH --mail-type=END"}).lines == ("--mail-type=END",)


def test_every_mistake_is_told() -> None:
    text = problems(time="x", signal="x", gpus_per_node=0, partition="a b")
    assert [line.split()[0] for line in text.splitlines()] == [
        "--partition", "--time", "--signal", "--gpus-per-node",
    ]  # fmt: skip


def test_what_needs_a_batch_job_is_refused_without_one() -> None:
    assert "does without a batch job" in problems(srun=True, requeue=True)
