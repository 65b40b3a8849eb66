"""Which files of a project go to the nodes: what git would see, without what runs leave behind."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pathspec import GitIgnoreSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NEVER = frozenset(
    {
        ".git",
        ".hg",
        ".svn",
        "__pycache__",
        ".ipynb_checkpoints",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
    }
)
_VENV_MARKS = ("pyvenv.cfg", "conda-meta")


@dataclass(frozen=True, slots=True)
class Entry:
    """One file (`f`), folder (`d`) or link (`l`)."""

    path: str
    """Relative to the project, with `/`."""
    kind: str
    size: int = 0
    mtime_ns: int = 0
    mode: int = 0
    target: str = ""

    def record(self) -> list[object]:
        """As it goes into a manifest."""
        if self.kind == "l":
            return [self.path, "l", self.target]
        if self.kind == "d":
            return [self.path, "d"]
        return [self.path, "f", self.size, self.mtime_ns, self.mode]


@dataclass(frozen=True, slots=True)
class _Rules:
    """One `.gitignore`, and the folder it speaks about."""

    folder: str
    """Absolute."""
    spec: GitIgnoreSpec


def project_entries(project: str, leave_out: Sequence[str]) -> tuple[list[Entry], list[str]]:
    """Every entry of the project in order of path, and what could not be read.

    `leave_out`: absolute paths, of outputs and the like. Links are not followed.
    """
    entries: list[Entry] = []
    unreadable: list[str] = []
    root = os.path.abspath(project)
    out = {os.path.abspath(path) for path in leave_out}
    for entry, why in _walk(root, root, _outer_rules(root), out):
        if why:
            unreadable.append(why)
        else:
            entries.append(entry)
    entries.sort(key=lambda entry: entry.path)
    return entries, unreadable


def _walk(
    root: str, folder: str, rules: tuple[_Rules, ...], out: set[str]
) -> Iterator[tuple[Entry, str]]:
    try:
        with os.scandir(folder) as found:
            children = sorted(found, key=lambda child: child.name)
    except OSError as error:
        yield Entry("", "d"), f"{folder}: {error.strerror}"
        return
    own = _read_rules(folder)
    rules = (*rules, own) if own is not None else rules
    for child in children:
        if child.name in _NEVER or child.path in out:
            continue
        relative = os.path.relpath(child.path, root)
        facts = child.stat(follow_symlinks=False)
        is_folder = stat.S_ISDIR(facts.st_mode)
        if _ignored(child.path, is_folder, rules):
            continue
        if is_folder:
            if any(os.path.exists(f"{child.path}/{mark}") for mark in _VENV_MARKS):
                continue
            yield Entry(relative, "d"), ""
            yield from _walk(root, child.path, rules, out)
        elif stat.S_ISLNK(facts.st_mode):
            yield Entry(relative, "l", target=os.readlink(child.path)), ""
        elif stat.S_ISREG(facts.st_mode):
            if not os.access(child.path, os.R_OK):
                yield Entry("", "f"), f"{child.path}: not readable"
                continue
            mode = stat.S_IMODE(facts.st_mode) & 0o777
            yield Entry(relative, "f", facts.st_size, facts.st_mtime_ns, mode), ""


def _ignored(path: str, is_folder: bool, rules: tuple[_Rules, ...]) -> bool:
    # the innermost file that says anything decides
    for rule in reversed(rules):
        relative = os.path.relpath(path, rule.folder) + ("/" if is_folder else "")
        verdict = rule.spec.check_file(relative).include
        if verdict is not None:
            return verdict
    return False


def _outer_rules(root: str) -> tuple[_Rules, ...]:
    """What the repository around the project says, outermost first."""
    folder = root
    found: list[_Rules | None] = []
    while True:
        if os.path.exists(f"{folder}/.git"):
            exclude = _read_rules(folder, ".git/info/exclude")
            return tuple(filter(None, (exclude, *reversed(found))))
        parent = os.path.dirname(folder)
        if parent == folder:
            return ()
        folder = parent
        found.append(_read_rules(folder))


def _read_rules(folder: str, name: str = ".gitignore") -> _Rules | None:
    try:
        with open(f"{folder}/{name}", encoding="utf-8", errors="surrogateescape") as file:
            return _Rules(folder, GitIgnoreSpec.from_lines(file))
    except OSError:
        return None
