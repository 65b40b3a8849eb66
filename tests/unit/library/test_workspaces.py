from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from rankdeck.errors import InvalidJobError, UserError
from rankdeck.job.draft import JobDraft
from rankdeck.job.resolve import resolve_inventory, resolve_job
from rankdeck.library.secrets import SecretsFoundError
from rankdeck.library.workspaces import (
    OF_JOBS,
    WorkspaceStore,
    base_of,
    nodes_text,
    workspace_store,
)

if TYPE_CHECKING:
    from pathlib import Path

    from rankdeck.job.spec import JobSpec

LAB = JobDraft(
    backend="ssh",
    host=("n1", "n2"),
    exclude="n3",
    nproc_per_node=2,
    time_limit="1h",
    env={"NCCL_DEBUG": "WARN"},
    backend_options={"connect_timeout": "9"},
)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"RANKDECK_CONFIG": str(tmp_path / "config"), "PATH": "/usr/bin"}


@pytest.fixture
def store(environ: dict[str, str]) -> WorkspaceStore:
    return workspace_store(environ)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "train.py").write_text("")
    return folder


def test_only_what_is_no_jobs_own_is_kept(store: WorkspaceStore) -> None:
    job = JobDraft(name="x", project="/p", entry="a.py", args=("1",), hyperparameters={"a": "1"})
    store.save("lab", job.merged(LAB), "the lab")
    kept = store.get("lab")
    assert kept.problems == ()
    assert all(getattr(kept.draft, field) is None for field in OF_JOBS)
    assert kept.draft.host == ("n1", "n2")
    assert nodes_text(kept) == "n1,n2, without n3"
    store.save("one", JobDraft(nnodes=1))
    store.save("two", JobDraft(nnodes=2))
    assert [nodes_text(store.get(name)) for name in ("one", "two")] == ["1 node", "2 nodes"]
    with pytest.raises(UserError, match="nothing to keep"):
        store.save("empty", job)


def test_keys_of_a_job_are_problems_with_their_line(store: WorkspaceStore) -> None:
    with pytest.raises(InvalidJobError, match=r"a.yaml:2: entry: belongs to a job"):
        store.save("a", "backend: ssh\nentry: a.py\n")
    with pytest.raises(InvalidJobError, match=r"a.yaml:2: time_limit: must be a duration"):
        store.save("a", "backend: ssh\ntime_limit: soon\n")
    with pytest.raises(SecretsFoundError):
        store.save("a", "env:\n  HF_TOKEN: x\n")
    assert store.list() == ()


def test_one_is_current_until_it_goes(store: WorkspaceStore, environ: dict[str, str]) -> None:
    store.save("lab", LAB)
    store.save("b", "backend: slurm\n")
    assert (store.current, base_of(None, environ)) == ("", None)
    store.use("lab")
    assert store.current == "lab"
    base = base_of(None, environ)
    assert base is not None
    assert base.backend == "ssh"
    assert base_of(None, environ, "") is None
    assert base_of(None, environ, "b").backend == "slurm"  # type: ignore[union-attr]
    store.remove("b")
    assert store.current == "lab"
    store.remove("lab")
    assert (store.current, base_of(None, environ)) == ("", None)


def test_what_cannot_be_used_is_never_made_current(store: WorkspaceStore) -> None:
    with pytest.raises(UserError, match="no workspace named 'x'"):
        store.use("x")
    store.write("broken", "backend: ssh\nnodes: 3\n")
    with pytest.raises(InvalidJobError, match=r"broken.yaml:2: nodes"):
        store.use("broken")
    assert store.current == ""


@pytest.mark.parametrize("said", ["gone", "../templates/x", "", "\0", "é" * 5000])
def test_a_current_one_that_is_gone_is_told(
    store: WorkspaceStore, environ: dict[str, str], said: str
) -> None:
    store.save("lab", LAB)
    store.use("lab")
    (store.folder.parent / "current-workspace").write_text(said)
    if not store.current:
        assert base_of(None, environ) is None
        return
    with pytest.raises(UserError) as caught:
        base_of(None, environ)
    assert "rankdeck workspace use" in caught.value.hint


def test_a_broken_current_one_is_told_with_its_line(
    store: WorkspaceStore, environ: dict[str, str]
) -> None:
    store.save("lab", LAB)
    store.use("lab")
    store.path("lab").write_text("backend: ssh\nhosts: n1\n")
    with pytest.raises(InvalidJobError, match=r"lab.yaml:2: hosts: is not a known key"):
        base_of(None, environ)


def _job(project: Path, environ: dict[str, str], base: JobDraft, **flags: object) -> JobSpec:
    return resolve_job(str(project), JobDraft(**flags), project, environ, base=base)  # type: ignore[arg-type]


def test_jobs_begin_from_it_below_their_file_and_options(
    project: Path, environ: dict[str, str]
) -> None:
    spec = _job(project, environ, LAB)
    assert (spec.backend, spec.host, spec.time_limit) == ("ssh", ("n1", "n2"), 3600.0)
    assert spec.env == {"NCCL_DEBUG": "WARN"}
    (project / "job.yaml").write_text("time_limit: 2h\nenv: {A: b}\nhost: n9\n")
    spec = _job(project, environ, LAB, nproc_per_node=7)
    assert (spec.time_limit, spec.host, spec.nproc_per_node) == (7200.0, ("n9",), 7)
    assert spec.env == {"NCCL_DEBUG": "WARN", "A": "b"}
    spec = _job(project, environ, LAB, hostfile=str(project / "train.py"))
    assert (spec.host, spec.hostfile) == ((), str(project / "train.py"))


def test_its_nodes_go_where_the_job_names_another_backend(
    project: Path, environ: dict[str, str]
) -> None:
    spec = _job(project, environ, LAB, backend="local")
    assert (spec.host, spec.exclude, spec.backend_options) == ((), None, {})
    assert (spec.nproc_per_node, spec.time_limit) == (2, 3600.0)
    (project / "job.yaml").write_text("backend: slurm\n")
    spec = _job(project, environ, LAB)
    assert (spec.backend, spec.host, spec.backend_options) == ("slurm", (), {})
    nameless = JobDraft(exclude="n3", time_limit="1h")
    assert _job(project, environ, nameless).exclude == "n3"


def test_nodes_without_a_backend_that_could_reach_them_are_told(
    project: Path, environ: dict[str, str]
) -> None:
    with pytest.raises(InvalidJobError, match="exclude"):
        resolve_job(str(project), JobDraft(), project, environ, base=JobDraft(exclude="n3"))


def test_an_inventory_begins_from_it_too(project: Path) -> None:
    spec, named = resolve_inventory(None, JobDraft(), project, base=LAB)
    assert (spec.host, spec.exclude, named) == (("n1", "n2"), "n3", True)


def test_the_record_of_a_run_begins_from_nothing(
    store: WorkspaceStore, environ: dict[str, str], project: Path
) -> None:
    store.save("lab", LAB)
    store.use("lab")
    record = project / "job.yaml"
    record.write_text("entry: train.py\n")
    assert base_of(str(record), environ) is not None
    (project / "plan.json").write_text("{}")
    assert base_of(str(record), environ) is None
    assert base_of(str(record), environ, "lab") is not None


def test_the_choice_is_replaced_atomically(store: WorkspaceStore) -> None:
    store.save("lab", LAB)
    store.use("lab")
    assert sorted(os.listdir(store.folder.parent)) == ["current-workspace", "workspaces"]
