"""`code/`: what the project's code was when the run started, as far as that can be kept cheaply.

A git checkout gives its commit, the uncommitted changes and the names of untracked files; anything
else a manifest with checksums. Bounded in time and size, made beside the run, never in its way.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rankdeck.command_log import executed
from rankdeck.run.files import write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rankdeck.run.layout import RunDir

_GIT_SECONDS = 10.0
_MAX_DIFF = 8 * 1024 * 1024
_MAX_UNTRACKED = 2000
_MAX_FILES = 2000
_MAX_HASHED_FILE = 1024 * 1024
_MANIFEST_SECONDS = 5.0
_SKIPPED = frozenset({"output", "outputs", "__pycache__", "node_modules", "wandb", "venv"})


class CodeFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file of a manifest."""

    path: str
    size: int
    modified: float
    sha256: str | None = None
    """None for files too large to be read."""


class CodeSnapshot(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`code/snapshot.json`."""

    taken: float
    project: str
    commit: str | None = None
    branch: str | None = None
    dirty: bool | None = None
    """Whether tracked files differed from the commit; the difference is `diff.patch`."""
    untracked: tuple[str, ...] = ()
    files: tuple[CodeFile, ...] = ()
    truncated: bool = False
    """Whether something was left out for its size."""


def begin_code_snapshot(run: RunDir, project: Path) -> threading.Thread | None:
    """Take the snapshot in a thread of its own, unless it is there already."""
    if run.code.exists():
        return None
    thread = threading.Thread(
        target=take_code_snapshot, args=(run, project), name="code-snapshot", daemon=True
    )
    thread.start()
    return thread


def take_code_snapshot(run: RunDir, project: Path) -> None:
    """Write `code/`; it appears complete or not at all. A full disk leaves it out."""
    unborn = run.path / ".code.tmp"
    with suppress(OSError):
        shutil.rmtree(unborn, ignore_errors=True)
        unborn.mkdir(mode=0o700)
        snapshot = _git_snapshot(project, unborn) or _manifest(project, run.path.parent)
        document = msgspec.json.format(msgspec.json.encode(snapshot), indent=1)
        write_atomic(unborn / "snapshot.json", document)
        unborn.rename(run.code)
        return
    shutil.rmtree(unborn, ignore_errors=True)


def _git_snapshot(project: Path, target: Path) -> CodeSnapshot | None:
    commit = _git(project, "rev-parse", "--verify", "HEAD")
    if commit is None:
        return None
    diff = _git(project, "diff", "HEAD", "--binary", "--no-ext-diff", "--no-textconv") or b""
    branch = _git(project, "symbolic-ref", "--short", "--quiet", "HEAD")
    names = _git(project, "ls-files", "--others", "--exclude-standard", "-z") or b""
    untracked = [os.fsdecode(name) for name in names.split(b"\0") if name]
    if diff:
        write_atomic(target / "diff.patch", diff[:_MAX_DIFF])
    return CodeSnapshot(
        taken=time.time(),
        project=_text(str(project)),
        commit=commit.decode().strip(),
        branch=_text(os.fsdecode(branch).strip()) if branch else None,
        dirty=bool(diff),
        untracked=tuple(_text(name) for name in untracked[:_MAX_UNTRACKED]),
        truncated=len(diff) > _MAX_DIFF or len(untracked) > _MAX_UNTRACKED,
    )


def _git(project: Path, *arguments: str) -> bytes | None:
    """Output of a git command, None if it failed. Runs no program the repository names."""
    command = ["git", "-c", "core.fsmonitor=false", "-C", str(project), *arguments]
    environ = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_PAGER": "cat"}
    began = time.monotonic()
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_GIT_SECONDS,
            env=environ,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    seconds = time.monotonic() - began
    executed(command, why="record the code", seconds=seconds, exit_code=done.returncode)
    return done.stdout if done.returncode == 0 else None


def _manifest(project: Path, runs_dir: Path) -> CodeSnapshot:
    files: list[CodeFile] = []
    truncated = False
    deadline = time.monotonic() + _MANIFEST_SECONDS
    for path in _project_files(project, runs_dir):
        if len(files) == _MAX_FILES or time.monotonic() > deadline:
            truncated = True
            break
        with suppress(OSError):
            facts = path.lstat()
            if stat.S_ISREG(facts.st_mode):
                small = facts.st_size <= _MAX_HASHED_FILE
                digest = hashlib.sha256(path.read_bytes()).hexdigest() if small else None
                files.append(
                    CodeFile(
                        path=_text(str(path.relative_to(project))),
                        size=facts.st_size,
                        modified=facts.st_mtime,
                        sha256=digest,
                    )
                )
    return CodeSnapshot(
        taken=time.time(), project=_text(str(project)), files=tuple(files), truncated=truncated
    )


def _project_files(project: Path, runs_dir: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(project):
        # runs are not code, and reading `supervisor.lock` in this process would let go of the lock
        if os.path.samefile(folder, runs_dir):
            folders.clear()
            continue
        folders[:] = sorted(n for n in folders if n not in _SKIPPED and not n.startswith("."))
        for name in sorted(names):
            yield Path(folder, name)


def _text(name: str) -> str:
    # file names need not be text; JSON must be
    return os.fsencode(name).decode(errors="replace")
