from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rankdeck.errors import InvalidJobError, Problem
from rankdeck.job.draft import JobDraft
from rankdeck.job.resolve import resolve, resolve_inventory, resolve_job
from rankdeck.job.spec import JobSpec, PassAs

HYPERPARAMETERS = """{"HyperParameters": [
  {"name": "lr", "types": "float", "defaultValue": "0.1"},
  {"name": "epochs", "types": "int", "defaultValue": 3}
]}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "gpt demo"
    folder.mkdir()
    (folder / "train.py").write_text("print('x')\n")
    (folder / "HyperParameters.json").write_text(HYPERPARAMETERS)
    return folder


def job(target: Path | str | None, cwd: Path, **given: Any) -> JobSpec:
    return resolve_job(None if target is None else str(target), JobDraft(**given), cwd, os.environ)


def refused(target: Path | str | None, cwd: Path, **given: Any) -> tuple[Problem, ...]:
    with pytest.raises(InvalidJobError) as caught:
        job(target, cwd, **given)
    return caught.value.problems


def test_a_project_folder_suggests_its_job(project: Path, tmp_path: Path) -> None:
    spec = job(project, tmp_path)
    assert spec.name == "gpt-demo"
    assert spec.project == str(project)
    assert spec.entry == str(project / "train.py")
    assert (spec.launcher, spec.backend, spec.nproc_per_node) == ("torchrun", "local", 1)
    assert spec.hyperparameters == {"lr": "0.1", "epochs": "3"}
    assert spec.python is not None
    assert os.path.isabs(spec.python)


def test_a_train_sh_comes_before_a_train_py(project: Path, tmp_path: Path) -> None:
    (project / "train.sh").write_text("true\n")
    assert job(project, tmp_path).launcher == "script"
    assert job(project, tmp_path, launcher="torchrun").entry.endswith("train.py")
    assert job(project, tmp_path, entry="train.py").launcher == "torchrun"


@pytest.mark.parametrize("launcher", ["torchrun", "accelerate", "deepspeed", "msrun"])
def test_launchers_of_python_files_pass_a_train_sh_over(
    project: Path, tmp_path: Path, launcher: str
) -> None:
    (project / "train.sh").write_text("")
    spec = resolve_job(str(project), JobDraft(launcher=launcher), tmp_path, os.environ)
    assert (spec.entry, spec.launcher) == (str(project / "train.py"), launcher)


def test_options_of_one_launcher_are_no_options_of_another(project: Path, tmp_path: Path) -> None:
    (project / "job.yaml").write_text("launcher: accelerate\nlauncher_args: [--cpu]\n")
    spec = resolve_job(str(project), JobDraft(), tmp_path, os.environ)
    assert (spec.launcher, spec.launcher_args) == ("accelerate", ("--cpu",))
    again = JobDraft(launcher="accelerate")
    assert resolve_job(str(project), again, tmp_path, os.environ).launcher_args == ("--cpu",)
    other = JobDraft(launcher="deepspeed")
    assert resolve_job(str(project), other, tmp_path, os.environ).launcher_args == ()


def test_no_target_is_the_current_folder(project: Path, tmp_path: Path) -> None:
    assert job(None, project) == job(project, tmp_path)
    assert job(None, tmp_path, project=str(project)) == job(project, tmp_path)
    assert job("gpt demo", tmp_path) == job(project, tmp_path)


def test_a_job_file_in_the_project_is_the_base(project: Path, tmp_path: Path) -> None:
    (project / "job.yaml").write_text(
        "name: base\nnproc_per_node: 4\ntime_limit: 2h\nhyperparameters:\n  lr: 0.5\n"
        "output_dir: out\npass_as: both\n"
    )
    spec = job(project, tmp_path)
    assert (spec.name, spec.nproc_per_node, spec.time_limit) == ("base", 4, 7200.0)
    assert spec.hyperparameters == {"lr": "0.5", "epochs": "3"}
    assert spec.output_dir == str(project / "out")
    assert spec.pass_as is PassAs.BOTH
    assert job(project / "job.yaml", tmp_path) == spec


def test_options_win_over_the_file(project: Path, tmp_path: Path) -> None:
    (project / "job.yaml").write_text("nproc_per_node: 4\nhyperparameters: {lr: 0.5, epochs: 9}\n")
    spec = job(
        project, tmp_path, nproc_per_node="2", hyperparameters={"lr": "0.7"}, output_dir="here"
    )
    assert spec.nproc_per_node == 2
    assert spec.hyperparameters == {"lr": "0.7", "epochs": "9"}
    assert spec.output_dir == str(tmp_path / "here")


@pytest.mark.parametrize(
    ("name", "launcher"), [("a.py", "torchrun"), ("a.sh", "script"), ("a", "direct")]
)
def test_a_file_is_run_where_the_user_stands(tmp_path: Path, name: str, launcher: str) -> None:
    (tmp_path / "sub").mkdir()
    path = tmp_path / "sub" / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    spec = job(f"sub/{name}", tmp_path, args=("--x", "1"))
    assert spec.project == str(tmp_path)
    assert spec.entry == str(path)
    assert spec.launcher == launcher
    assert spec.name == "a"
    assert spec.args == ("--x", "1")


def test_a_file_brings_the_hyperparameters_beside_it(project: Path, tmp_path: Path) -> None:
    spec = job(project / "train.py", tmp_path, hyperparameters={"lr": "1"})
    assert spec.project == str(tmp_path)
    assert spec.hyperparameters == {"lr": "1", "epochs": "3"}


def test_without_a_hyperparameter_file_any_name_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("")
    spec = job("a.py", tmp_path, hyperparameters={"whatever": "$(x)"})
    assert spec.hyperparameters == {"whatever": "$(x)"}


def test_a_program_on_the_path_can_be_the_entry(tmp_path: Path) -> None:
    spec = job(None, tmp_path, launcher="direct", entry="sh", args=("-c", "true"))
    assert spec.entry == "sh"
    named = job("sh", tmp_path, launcher="direct", args=("-c", "true"))
    assert named == msgspec.structs.replace(spec, name="sh")
    (problem,) = refused(None, tmp_path, launcher="direct", entry="no-such-program")
    assert "no program 'no-such-program'" in problem.message


def test_every_source_of_problems_is_named_at_once(project: Path, tmp_path: Path) -> None:
    (project / "job.yaml").write_text(
        "entry: train.py\nmaster_port: 99999\nnproc: 2\nhyperparameters:\n  epochs: many\n"
    )
    problems = refused(
        project, tmp_path, hyperparameters={"lr": "fast"}, max_restarts="some",
        env={"RANK": "1"}, launcher="torchrum",
    )  # fmt: skip
    texts = [str(problem) for problem in problems]
    file = project / "job.yaml"
    assert texts == [
        f"{file}:3: nproc: is not a known key",
        f"{file}:2: master_port: must be between 1 and 65535 (got 99999)",
        "--max-restarts: must be a whole number (got 'some')",
        "--set lr: must be a number (got 'fast')",
        f"{file}:5: hyperparameters.epochs: must be a whole number (got 'many')",
        "--env RANK: is reserved: Rankdeck sets it for every rank",
        "--launcher: there is no launcher named 'torchrum'",
    ]


def test_problems_of_the_hyperparameter_file_are_told_with_their_line(
    project: Path, tmp_path: Path
) -> None:
    file = project / "HyperParameters.json"
    file.write_text('{"HyperParameters": [\n {"name": "LD_PRELOAD", "types": "string"},\n 3]}')
    problems = refused(project, tmp_path, nproc_per_node="0")
    assert [(problem.file, problem.line) for problem in problems] == [
        ("", 0), (str(file), 2), (str(file), 3),
    ]  # fmt: skip


def test_a_default_that_is_wrong_for_the_job_points_at_the_file(
    project: Path, tmp_path: Path
) -> None:
    (project / "train.sh").write_text('python train.py $note "$lr"\n')
    (project / "HyperParameters.json").write_text(
        '{"HyperParameters": [\n {"name": "note", "types": "string", "defaultValue": "a b"}]}'
    )
    resolution = resolve(str(project), JobDraft(), tmp_path, os.environ)
    texts = [str(warning) for warning in resolution.warnings]
    assert texts[-1].startswith(f"{project / 'train.sh'}:1: hyperparameters.note: $note is used")


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("nothing.py", "there is no such file or directory: nothing.py"),
        ("no/such/dir", "there is no such file or directory: no/such/dir"),
        ("empty", "it holds no job.yaml, train.sh, train.py"),
    ],
)
def test_nothing_to_run_is_one_problem(tmp_path: Path, target: str, said: str) -> None:
    (tmp_path / "empty").mkdir()
    (problem,) = refused(target, tmp_path)
    assert said in problem.message


def test_an_interpreter_that_is_not_there_is_named(project: Path, tmp_path: Path) -> None:
    (problem,) = refused(project, tmp_path, python="./gone")
    assert str(problem) == f"--python: there is no Python interpreter at {tmp_path / 'gone'}"


def test_a_stored_job_is_rebuilt_with_changes(project: Path, tmp_path: Path) -> None:
    from rankdeck.job.dump import job_to_yaml

    spec = job(project, tmp_path, nproc_per_node=2, hyperparameters={"lr": "0.9"})
    stored = tmp_path / "job.yaml"
    stored.write_text(job_to_yaml(spec))
    assert resolve(str(stored), JobDraft(), Path("/"), {}).spec == spec
    changes = JobDraft(hyperparameters={"lr": "1"})
    changed = resolve(str(stored), changes, Path("/"), {}).spec
    assert changed.hyperparameters == {"lr": "1", "epochs": "3"}
    assert changed.nproc_per_node == 2


def test_an_inventory_needs_no_entry(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text("nnodes: 2\nhost: [a, b]\nbackend: ssh\nname: x\n")
    spec, named = resolve_inventory(None, JobDraft(include="b"), tmp_path)
    assert (spec.project, spec.nnodes, spec.host, spec.include) == (
        str(tmp_path), 2, ("a", "b"), "b",
    )  # fmt: skip
    assert (spec.backend, named) == ("ssh", True)
    (tmp_path / "job.yaml").unlink()
    spec, named = resolve_inventory(str(tmp_path), JobDraft(hostfile="h"), Path("/w"))
    assert (spec.hostfile, spec.project, named) == ("/w/h", str(tmp_path), False)


def test_what_is_wrong_with_an_inventory_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text("nnodes: none\nhosts: a\n")
    with pytest.raises(InvalidJobError) as caught:
        resolve_inventory(str(tmp_path), JobDraft(host=","), tmp_path)
    assert [str(problem) for problem in caught.value.problems] == [
        f"{tmp_path}/job.yaml:2: hosts: is not a known key",
        f"{tmp_path}/job.yaml:1: nnodes: must be a whole number (got 'none')",
        "--host: has an empty entry",
    ]


def test_an_interpreter_of_other_machines_is_taken_by_its_full_path(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rankdeck.job.resolve.runs_elsewhere", lambda backend: backend == "ssh")
    (tmp_path / "job.yaml").write_text("backend: ssh\n")
    (problem,) = refused(project, tmp_path, python="/no/such/python")
    assert "there is no Python interpreter at /no/such/python" in problem.message
    monkeypatch.setattr("rankdeck.job.resolve.find_problems", lambda spec, sources: ())
    spec = job(project, tmp_path, python="/no/such/python", backend="ssh")
    assert spec.python == "/no/such/python"


def test_a_backend_without_nodes_leaves_the_jobs_nodes_out(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`rerun --backend local` of a cluster's job: no option could take the hostfile back."""
    (project / "job.yaml").write_text(
        "entry: train.py\nbackend: ssh\nhostfile: hosts\nnnodes: 4\ninclude: a\n"
    )
    spec = job(project, tmp_path, backend="local")
    assert (spec.hostfile, spec.nnodes, spec.include) == (None, None, None)
    (problem,) = refused(project, tmp_path, backend="local", exclude="b")
    assert problem.field == "exclude", "what the options themselves say is refused"
