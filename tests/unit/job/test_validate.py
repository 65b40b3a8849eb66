from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from rankdeck.backend import BackendOption, Capability
from rankdeck.errors import Problem, Severity
from rankdeck.job import validate as module
from rankdeck.job.spec import JobSpec, PassAs
from rankdeck.job.validate import validate

if TYPE_CHECKING:
    from pathlib import Path


class Stub:
    """As much of a backend as validation looks at."""

    name = "stub"
    capabilities: frozenset[Capability] = frozenset()
    options = (
        BackendOption(name="queue", type="str", help="", choices=("day", "night")),
        BackendOption(name="width", type="int", help=""),
    )


@pytest.fixture
def job(tmp_path: Path) -> JobSpec:
    (tmp_path / "train.py").write_text("")
    return JobSpec(name="a", entry=str(tmp_path / "train.py"), project=str(tmp_path))


def fields(spec: JobSpec, **changes: Any) -> list[str]:
    return [problem.field for problem in validate(msgspec.structs.replace(spec, **changes))]


def only(spec: JobSpec, **changes: Any) -> Problem:
    (problem,) = validate(msgspec.structs.replace(spec, **changes))
    return problem


def test_a_good_job_has_no_problems(job: JobSpec) -> None:
    assert validate(job) == ()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nproc_per_node", 0), ("nproc_per_node", "many"), ("master_port", 0),
        ("master_port", 70000), ("time_limit", 0.0), ("time_limit", -1.0), ("grace", -1.0),
        ("max_restarts", -1), ("nnodes", 0), ("name", "a/b"), ("launcher", "torchrum"),
        ("backend", "cloud"), ("entry", ""), ("host", ("a",)), ("hostfile", "/h"),
        ("include", "a"), ("exclude", "a"), ("nnodes", 2), ("dataset_dir", "/no/such/data"),
        ("model_dir", "/no/such/model"), ("output_dir", "/dev/null/out"),
        ("args", ("a\0",)), ("project", "/no/such/project"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(job: JobSpec, field: str, value: object) -> None:
    problem = next(p for p in validate(msgspec.structs.replace(job, **{field: value})))
    assert problem.field == field
    assert problem.severity is Severity.ERROR


def test_all_problems_are_found_at_once(job: JobSpec) -> None:
    found = fields(
        job, nproc_per_node=0, master_port=99999, launcher="x", backend="y",
        output_dir="/dev/null/x", env={"RANK": "1"}, hyperparameters={"PATH": "x"},
    )  # fmt: skip
    assert found == [
        "master_port", "nproc_per_node", "hyperparameters.PATH", "env.RANK", "launcher",
        "backend", "output_dir",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"args": "abc"}, "args"),
        ({"nnodes": "two"}, "nnodes"),
        ({"hyperparameters": {"lr": 0.1}}, "hyperparameters"),
        ({"env": ["A=1"]}, "env"),
        ({"hooks": "yes"}, "hooks"),
    ],
)
def test_types_are_checked_for_jobs_made_in_python(
    job: JobSpec, changes: dict[str, Any], field: str
) -> None:
    assert only(job, **changes).field == field


@pytest.mark.parametrize("field", ["hostfile", "include", "exclude", "host", "nnodes"])
def test_a_local_backend_refuses_other_nodes_in_a_sentence(job: JobSpec, field: str) -> None:
    value: Any = {"host": ("n1", "n2"), "nnodes": 3}.get(field, "/hosts")
    assert "the local backend runs on this machine only" in only(job, **{field: value}).message


def test_a_backend_with_several_nodes_takes_them(
    job: JobSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wide(Stub):
        capabilities = frozenset({Capability.MULTI_NODE})

    monkeypatch.setattr(module, "load_backend", lambda name: Wide())
    assert fields(job, host=("n1", "n2"), nnodes=2, include="n1", exclude="n2") == []


def test_what_is_not_here_may_be_on_other_machines(
    job: JobSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wide(Stub):
        capabilities = frozenset({Capability.MULTI_NODE})

    monkeypatch.setattr(module, "load_backend", lambda name: Wide())
    there = msgspec.structs.replace(
        job, backend="wide", dataset_dir="/no/data", model_dir="/no/model",
        output_dir="/dev/null/out",
    )  # fmt: skip
    found = {problem.field: problem.severity for problem in validate(there)}
    assert found == {"dataset_dir": Severity.WARNING, "model_dir": Severity.WARNING}
    assert fields(there, launcher="direct", entry="no-such-program", dataset_dir=None) == [
        "model_dir"
    ]
    assert "entry" in fields(there, entry="/no/such/train.py")
    assert "project" in fields(there, project="/no/such/project")
    assert fields(there, backend="local")[-1] == "output_dir"


def test_an_option_of_another_backend_is_told_as_that(
    job: JobSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = {"local": (), "ssh": (), "slurm": Stub.options, "mpi": Stub.options[1:]}
    monkeypatch.setattr(module, "backend_names", lambda: tuple(tables))
    monkeypatch.setattr(module, "backend_options", tables.__getitem__)
    problem = only(job, backend_options={"queue": "day"})
    assert problem.message == "is not an option of the local backend"
    assert problem.hint == "it is one of slurm: choose it with --backend slurm"
    hint = only(job, backend_options={"width": 1}).hint
    assert hint == "it is one of slurm and mpi: choose it with --backend slurm"


def test_backend_options_are_checked_against_the_backend(
    job: JobSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "its options: none" in only(job, backend_options={"queue": "day"}).hint
    monkeypatch.setattr(module, "load_backend", lambda name: Stub())
    assert fields(job, backend_options={"queue": "day", "width": 3}) == []
    wrong = {"queue": "noon", "width": True, "depth": 1}
    assert fields(job, backend_options=wrong) == [
        f"backend_options.{name}" for name in ("queue", "width", "depth")
    ]


@pytest.mark.parametrize("name", ["LD_PRELOAD", "BASH_ENV", "a%%b", "MASTER_PORT", "f()"])
def test_reserved_hyperparameters_are_refused(job: JobSpec, name: str) -> None:
    assert only(job, hyperparameters={name: "x"}).field == f"hyperparameters.{name}"


def test_env_may_set_what_programs_read_but_not_the_contract(job: JobSpec) -> None:
    assert fields(job, env={"PYTHONPATH": "/x", "LD_LIBRARY_PATH": "/y", "NCCL_DEBUG": "1"}) == []
    assert fields(job, env={"WORLD_SIZE": "3", "RANKDECK_X": "1"}) == [
        "env.WORLD_SIZE", "env.RANKDECK_X",
    ]  # fmt: skip


def test_one_name_cannot_be_both(job: JobSpec) -> None:
    assert fields(job, env={"lr": "1"}, hyperparameters={"lr": "2"}) == ["env.lr"]


def test_values_that_no_process_can_hold_are_refused(job: JobSpec) -> None:
    assert fields(job, env={"A": "x\0"}, hyperparameters={"b": "\udcff"}) == [
        "hyperparameters.b", "env.A",
    ]  # fmt: skip


def test_a_secret_on_the_command_line_is_a_warning(job: JobSpec) -> None:
    problem = only(job, hyperparameters={"api_key": "x"}, pass_as=PassAs.ARGS)
    assert problem.severity is Severity.WARNING
    assert fields(job, hyperparameters={"api_key": "x"}) == []


def test_an_output_directory_below_a_file_names_the_file(job: JobSpec, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    problem = only(job, output_dir=str(tmp_path / "file" / "a" / "b"))
    assert f"{tmp_path / 'file'} is not a directory" in problem.message
    dangling = tmp_path / "link"
    dangling.symlink_to(tmp_path / "gone")
    assert only(job, output_dir=str(dangling / "x")).field == "output_dir"
    assert fields(job, output_dir=str(tmp_path / "new" / "deep")) == []
