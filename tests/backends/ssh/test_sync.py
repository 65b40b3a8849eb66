"""Copying the project: what goes, what stays, what a second copy costs."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from backends.ssh.places import project_folder
from backends.ssh.project_files import project_entries
from rankdeck.agent.courier_sync import Receiver
from rankdeck.backend_reports import NotPlaced, Told
from tests.backends.ssh.bench import Bench, until

if TYPE_CHECKING:
    from pathlib import Path


class SyncBench(Bench):
    """A run whose project is copied to the far folder first."""

    def copied(self) -> Path:
        """The copy of the project, after a run with it."""
        self.options["sync"] = True
        self.session.close()
        self.open()
        attempt = len(self.transport.links)
        self.place(self.order("true", attempt=attempt))
        self.until_state(lambda state: state.attempt == attempt and state.phase.value == "done")
        (root,) = self.far.glob("rankdeck-*")
        return root / "projects" / project_folder(str(self.project))

    def sent(self) -> str:
        """How the copy was told; empty when there was nothing to send."""
        told = [r.message for r in self.reports() if isinstance(r, Told)]
        return next((message for message in told if "the project is on" in message), "")


@pytest.fixture
def sync(tmp_path: Path):
    made = SyncBench(tmp_path)
    yield made
    made.clean_up()


def test_the_copy_is_what_the_project_is(sync: SyncBench) -> None:
    (sync.project / "src" / "deep").mkdir(parents=True)
    (sync.project / "src" / "deep" / "a.py").write_text("print(1)\n")
    (sync.project / "run.sh").write_text("#!/bin/sh\n")
    (sync.project / "run.sh").chmod(0o755)
    (sync.project / "large").write_bytes(os.urandom(3_000_000))
    (sync.project / "empty").touch()
    (sync.project / "empty-folder").mkdir()
    (sync.project / "link").symlink_to("src/deep/a.py")
    (sync.project / "far-link").symlink_to("/data/elsewhere")
    (sync.project / os.fsdecode(b"caf\xe9.txt")).write_text("old name\n")
    copy = sync.copied()
    assert sync.sent().startswith("the project is on n1: 5 of 5 files sent, ")
    for path in sync.project.rglob("*"):
        there = copy / path.relative_to(sync.project)
        if path.is_symlink():
            assert os.readlink(there) == os.readlink(path)
        elif path.is_dir():
            assert there.is_dir()
        else:
            assert there.read_bytes() == path.read_bytes()
            assert there.stat().st_mode == path.stat().st_mode
            assert there.stat().st_mtime_ns == path.stat().st_mtime_ns


def test_what_nobody_needs_there_stays_here(sync: SyncBench) -> None:
    kept = ("train.py", "data/a.txt", "sub/keep.log", "docs/build.md")
    left = (
        ".git/config", "__pycache__/train.pyc", "venv/pyvenv.cfg", "venv/bin/python",
        "output/run-1/model.pt", "big.bin", "sub/x.log", "docs/build/out.html",
    )  # fmt: skip
    for name in (*kept, *left):
        path = sync.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (sync.project / ".gitignore").write_text("*.bin\n/docs/build\n*.log\n")
    (sync.project / "sub" / ".gitignore").write_text("!keep.log\n")
    copy = sync.copied()
    found = {str(p.relative_to(copy)) for p in copy.rglob("*") if p.is_file()}
    assert found == {*kept, ".gitignore", "sub/.gitignore"}


def test_an_unchanged_project_costs_nothing(sync: SyncBench) -> None:
    for number in range(50):
        (sync.project / f"file-{number}").write_text(str(number))
    copy = sync.copied()
    assert sync.sent()
    before = {path: path.stat().st_ino for path in copy.iterdir()}
    sync.copied()
    assert not sync.sent()
    assert {path: path.stat().st_ino for path in copy.iterdir()} == before


def test_only_what_changed_is_sent(sync: SyncBench) -> None:
    for number in range(50):
        (sync.project / f"file-{number}").write_text(str(number))
    copy = sync.copied()
    (sync.project / "file-7").write_text("seven")
    (sync.project / "new").write_text("new")
    (sync.project / "file-9").unlink()
    (copy / "made-there").write_text("a checkpoint")
    (copy / "file-3").write_text("spoiled there")
    sync.copied()
    assert sync.sent().startswith("the project is on n1: 3 of 50 files sent")
    assert (copy / "file-7").read_text() == "seven"
    assert (copy / "new").read_text() == "new"
    assert (copy / "file-3").read_text() == "3"
    assert not (copy / "file-9").exists()
    assert (copy / "made-there").read_text() == "a checkpoint"


def test_a_copy_spoiled_there_is_mended_though_nothing_changed_here(sync: SyncBench) -> None:
    (sync.project / "a").write_text("right")
    copy = sync.copied()
    (copy / "a").write_text("wrong")
    sync.copied()
    assert (copy / "a").read_text() == "right"


def test_a_new_time_alone_sends_nothing(sync: SyncBench) -> None:
    (sync.project / "a").write_text("same")
    (sync.project / "b").write_text("one")
    copy = sync.copied()
    later = time.time_ns() + 5_000_000_000
    (sync.project / "b").write_text("two")
    os.utime(sync.project / "a", ns=(later, later))
    os.utime(sync.project / "b", ns=(later, later))
    sync.copied()
    assert sync.sent().startswith("the project is on n1: 1 of 2 files sent")
    assert (copy / "a").stat().st_mtime_ns == later
    assert (copy / "b").read_text() == "two"


def test_nothing_is_written_through_a_link_there(sync: SyncBench, tmp_path: Path) -> None:
    (sync.project / "folder").mkdir()
    (sync.project / "folder" / "a").write_text("ours")
    (sync.project / "b").write_text("ours")
    copy = sync.copied()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a").write_text("theirs")
    for path in (copy / "folder" / "a", copy / "b"):
        path.unlink()
    (copy / "folder").rmdir()
    (copy / "folder").symlink_to(outside)
    (copy / "b").symlink_to(outside / "a")
    sync.copied()
    assert (outside / "a").read_text() == "theirs"
    assert (copy / "folder" / "a").read_text() == "ours"
    assert not (copy / "folder").is_symlink()
    assert (copy / "b").read_text() == "ours"


def test_what_is_gone_here_is_not_removed_through_a_link_there(
    sync: SyncBench, tmp_path: Path
) -> None:
    (sync.project / "folder").mkdir()
    (sync.project / "folder" / "a").write_text("ours")
    copy = sync.copied()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a").write_text("theirs")
    (copy / "folder" / "a").unlink()
    (copy / "folder").rmdir()
    (copy / "folder").symlink_to(outside)
    (sync.project / "folder" / "a").unlink()
    (sync.project / "folder").rmdir()
    sync.copied()
    assert (outside / "a").read_text() == "theirs"


def test_a_file_becomes_a_folder_and_back(sync: SyncBench) -> None:
    (sync.project / "x").write_text("file")
    copy = sync.copied()
    (sync.project / "x").unlink()
    (sync.project / "x").mkdir()
    (sync.project / "x" / "y").write_text("in it")
    sync.copied()
    assert (copy / "x" / "y").read_text() == "in it"
    (sync.project / "x" / "y").unlink()
    (sync.project / "x").rmdir()
    (sync.project / "x").write_text("file again")
    sync.copied()
    assert (copy / "x").read_text() == "file again"


def test_somebody_else_s_copying_is_waited_for(sync: SyncBench) -> None:
    (sync.project / "a").write_text("a")
    copy = sync.copied()
    import fcntl

    with open(copy.parent / f".{copy.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (sync.project / "a").write_text("b")
        sync.session.close()
        sync.open()
        sync.session.place([sync.order("true", attempt=7)], find_only=False)
        until(lambda: len(sync.transport.links) == 2)
        assert (copy / "a").read_text() == "a"
    sync.until_state(lambda state: state.attempt == 7 and state.phase.value == "done")
    assert (copy / "a").read_text() == "b"


def test_a_full_disk_there_is_named(sync: SyncBench, tmp_path: Path) -> None:
    import subprocess

    small = tmp_path / "small"
    small.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a file system")
    try:
        (sync.project / "large").write_bytes(os.urandom(8_000_000))
        sync.options.update(node_dir=str(small), sync=True)
        sync.session.close()
        sync.open()
        sync.session.place([sync.order("true")], find_only=False)
        report = sync.report(NotPlaced)
        assert report.category == "disk-full"
        assert str(small) in report.message
        left = [path.name for path in small.rglob("*.rankdeck-*")]
        assert left == []
    finally:
        sync.session.close()
        subprocess.run(["umount", "-l", str(small)], check=True)


@pytest.mark.parametrize("path", ["../evil", "/etc/evil", "a/../../evil", "", "a//b", "./a"])
def test_paths_that_lead_elsewhere_are_refused(tmp_path: Path, path: str) -> None:
    import base64
    import json
    import zlib

    root = tmp_path / "root"
    root.mkdir(mode=0o700)
    receiver = Receiver(str(root))
    packed = base64.b64encode(zlib.compress(json.dumps([[path, "f", 1, 1, 0o600]]).encode()))
    answer = receiver.manifest({"name": "p", "digest": "d", "entries": packed.decode()})
    while answer is None:
        answer = receiver.turn()
    assert answer["say"] == "problem"
    assert answer["problem"][0] == "sync"


def test_rules_of_the_repository_around_the_project_count(tmp_path: Path) -> None:
    (tmp_path / ".git" / "info").mkdir(parents=True)
    (tmp_path / ".git" / "info" / "exclude").write_text("private\n")
    (tmp_path / ".gitignore").write_text("*.tmp\n/project/only-here\n")
    project = tmp_path / "project"
    project.mkdir()
    for name in ("a.py", "b.tmp", "private", "only-here"):
        (project / name).touch()
    entries, unreadable = project_entries(str(project), ())
    assert [entry.path for entry in entries] == ["a.py"]
    assert unreadable == []
