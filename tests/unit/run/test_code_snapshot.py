from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest

from rankdeck.run import code_snapshot
from rankdeck.run.code_snapshot import CodeSnapshot, begin_code_snapshot, take_code_snapshot
from rankdeck.run.lock import acquire_lock

if TYPE_CHECKING:
    from pathlib import Path

    from rankdeck.run.layout import RunDir


@pytest.fixture
def project(tmp_path: Path, run_dir: RunDir) -> Path:
    run_dir.path.mkdir(parents=True)
    project = tmp_path / "project"
    (project / "src").mkdir(parents=True)
    (project / "train.py").write_text("print(1)\n")
    (project / "src" / "model.py").write_text("x = 1\n")
    return project


def git(project: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=n", "-c", "user.email=e@e", "-C", str(project), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def taken(run: RunDir) -> CodeSnapshot:
    return msgspec.json.decode((run.code / "snapshot.json").read_bytes(), type=CodeSnapshot)


def test_a_checkout_gives_commit_changes_and_untracked_files(
    project: Path, run_dir: RunDir
) -> None:
    git(project, "init", "-q", "-b", "trunk")
    git(project, "add", "train.py")
    git(project, "commit", "-q", "-m", "x")
    take_code_snapshot(run_dir, project)
    clean = taken(run_dir)
    assert clean.commit == git(project, "rev-parse", "HEAD").strip()
    assert (clean.branch, clean.dirty, clean.untracked) == ("trunk", False, ("src/model.py",))
    (run_dir.code / "snapshot.json").unlink()
    run_dir.code.rmdir()
    (project / "train.py").write_text("print(2)\n")
    take_code_snapshot(run_dir, project)
    assert taken(run_dir).dirty
    git(project, "checkout", "-q", "train.py")
    git(project, "apply", str(run_dir.code / "diff.patch"))
    assert (project / "train.py").read_text() == "print(2)\n", "the diff brings the change back"


def test_programs_a_repository_names_are_not_run(project: Path, run_dir: RunDir) -> None:
    git(project, "init", "-q")
    git(project, "add", "train.py")
    git(project, "commit", "-q", "-m", "x")
    trap = project / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {project}/sprung\n")
    trap.chmod(0o755)
    for name in ("diff.external", "core.fsmonitor", "core.pager", "diff.py.textconv"):
        git(project, "config", name, str(trap))
    (project / ".gitattributes").write_text("*.py diff=py\n")
    (project / "train.py").write_text("print(3)\n")
    take_code_snapshot(run_dir, project)
    assert taken(run_dir).dirty
    assert not (project / "sprung").exists()


def test_other_folders_give_a_manifest(project: Path, run_dir: RunDir) -> None:
    for skipped in ("output/big.bin", ".cache/x", "__pycache__/y.pyc"):
        (project / skipped).parent.mkdir()
        (project / skipped).write_text("no")
    (project / "loop").symlink_to(project)
    take_code_snapshot(run_dir, project)
    snapshot = taken(run_dir)
    assert snapshot.commit is None
    assert [file.path for file in snapshot.files] == ["train.py", "src/model.py"]
    assert snapshot.files[0].size == 9
    assert snapshot.files[0].sha256 is not None
    assert not snapshot.truncated


def test_runs_inside_the_project_are_not_opened(tmp_path: Path, run_dir: RunDir) -> None:
    """A record lock is lost when its holder closes any descriptor of the file."""
    run_dir.path.mkdir(parents=True)
    (tmp_path / "train.py").write_text("print(1)\n")
    holder = acquire_lock(run_dir.supervisor_lock)
    assert holder is not None
    take_code_snapshot(run_dir, tmp_path)
    assert [file.path for file in taken(run_dir).files] == ["train.py"]
    question = "import sys; from rankdeck.run.lock import *; from pathlib import Path;"
    question += "print(acquire_lock(Path(sys.argv[1])))"
    command = [sys.executable, "-c", question, str(run_dir.supervisor_lock)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    os.close(holder)
    assert done.stdout.strip() == "None"


def test_large_projects_are_cut_short(
    project: Path, run_dir: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_snapshot, "_MAX_FILES", 1)
    monkeypatch.setattr(code_snapshot, "_MAX_HASHED_FILE", 3)
    take_code_snapshot(run_dir, project)
    snapshot = taken(run_dir)
    assert snapshot.truncated
    assert [(file.path, file.sha256) for file in snapshot.files] == [("train.py", None)]


def test_it_is_taken_once_and_leaves_nothing_half_done(project: Path, run_dir: RunDir) -> None:
    (run_dir.path / ".code.tmp").mkdir()
    thread = begin_code_snapshot(run_dir, project)
    assert thread is not None
    thread.join(90)
    assert taken(run_dir).files
    assert not (run_dir.path / ".code.tmp").exists()
    assert begin_code_snapshot(run_dir, project) is None


def test_a_project_that_is_not_there(tmp_path: Path, run_dir: RunDir) -> None:
    run_dir.path.mkdir(parents=True)
    take_code_snapshot(run_dir, tmp_path / "nowhere")
    assert taken(run_dir).files == ()
