"""Shelf: a folder of job files of one kind, one a name. Shared by templates and workspaces.

Every write replaces a file atomically. A file that cannot be read is listed with what is wrong
with it, and is replaced or removed only by name.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rankdeck.errors import Problem, UserError
from rankdeck.job.draft import JobDraft
from rankdeck.job.load import parse_job_yaml, read_job_yaml
from rankdeck.library.names import SUFFIX, check_name, name_fault
from rankdeck.run.files import write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterator

_LARGEST = 4 << 20


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a shelf."""

    name: str
    path: str
    description: str = ""
    """Its first comment line."""
    draft: JobDraft
    """What could be read of it."""
    problems: tuple[Problem, ...] = ()
    """Everything wrong with it, each with file and line; empty: it can be used."""
    modified: float = 0.0

    @property
    def broken(self) -> bool:
        """Whether it cannot be used as it is."""
        return bool(self.problems)


class Shelf:
    """The files in one folder, which need not exist before something is kept."""

    def __init__(self, folder: Path, what: str) -> None:
        """Use a folder.

        Args:
            folder: Where the files are.
            what: What one of them is called in messages (`template`).
        """
        self.folder = folder
        self.what = what
        self._read: dict[str, tuple[tuple[int, int, int], Kept]] = {}

    def list(self) -> tuple[Kept, ...]:
        """Every one, by name; those that cannot be read too.

        Raises:
            UserError: The folder is there and cannot be read.
        """
        try:
            names = sorted(os.listdir(self.folder))
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise UserError(f"{self.folder} cannot be read: {error.strerror}") from error
        found = [
            self._load(self.folder / name)
            for name in names
            if name.endswith((SUFFIX, ".yml")) and not name.startswith(".")
        ]
        known = self._read
        self._read = {kept.path: known[kept.path] for kept in found if kept.path in known}
        return tuple(found)

    def path(self, name: str) -> Path:
        """Where that one is, or would be.

        Raises:
            UserError: It cannot be a name.
        """
        return self.folder / f"{check_name(name, self.what)}{SUFFIX}"

    def get(self, name: str) -> Kept:
        """That one.

        Raises:
            UserError: There is none of that name.
        """
        path = self.path(name)
        if not os.path.lexists(path):
            raise self._missing(name)
        return self._load(path)

    def text(self, name: str) -> str:
        """The file as it is written; bytes that are no text are replaced.

        Raises:
            UserError: There is none of that name, or it cannot be read.
        """
        return self._bytes(name).decode("utf-8", "replace")

    def write(self, name: str, text: str, *, overwrite: bool = False) -> Path:
        """Keep a text under a name, whatever it says.

        Raises:
            UserError: It cannot be a name, there is one already, or it cannot be written.
        """
        path = self.path(name)
        self._keep(path, text.encode("utf-8", "surrogateescape"), name, overwrite=overwrite)
        return path

    def copy(self, source: str, target: str, *, overwrite: bool = False) -> Path:
        """Keep the same file, comments and all, under another name.

        Raises:
            UserError: There is no `source`, there is a `target`, or it cannot be written.
        """
        data = self._bytes(source)
        path = self.path(target)
        self._keep(path, data, target, overwrite=overwrite)
        return path

    def remove(self, name: str) -> None:
        """Forget that one.

        Raises:
            UserError: There is none of that name, or it cannot be removed.
        """
        try:
            self.path(name).unlink()
        except FileNotFoundError:
            raise self._missing(name) from None
        except OSError as error:
            raise UserError(f"{self.path(name)} cannot be removed: {error.strerror}") from error

    def remove_file(self, kept: Kept) -> None:
        """Forget a listed file, also one whose name could not be typed.

        Raises:
            UserError: It cannot be removed.
        """
        path = Path(kept.path)
        if path.suffix == SUFFIX and not name_fault(kept.name):
            self.remove(kept.name)
            return
        if path.parent != self.folder:
            raise UserError(f"{path} is none of the {self.what}s")
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(f"{path} cannot be removed: {error.strerror}") from error

    def parse(self, text: str, name: str) -> Kept:
        """What a text would be under that name; nothing is written."""
        return self._kept(self.path(name), text.encode("utf-8", "surrogateescape"), 0.0)

    # -- files ------------------------------------------------------------------------------

    def _missing(self, name: str) -> UserError:
        from difflib import get_close_matches

        names = [kept.name for kept in self.list()]
        near = get_close_matches(name, names, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(names) or 'none'}"
        return UserError(f"there is no {self.what} named {name!r}", hint)

    def _bytes(self, name: str) -> bytes:
        path = self.path(name)
        try:
            if not stat.S_ISREG(os.stat(path).st_mode):
                raise UserError(f"{path} is not a regular file")
            return path.read_bytes()
        except FileNotFoundError:
            raise self._missing(name) from None
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}") from error

    def _keep(self, path: Path, data: bytes, name: str, *, overwrite: bool) -> None:
        if not overwrite and os.path.lexists(path):
            raise UserError(
                f"there is already a {self.what} named {name!r}",
                "choose another name, or overwrite it with --force",
            )
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # a link (of somebody who keeps the files elsewhere) stays one
            write_atomic(Path(os.path.realpath(path)), data, sync=True)
        except OSError as error:
            reason = error.strerror or str(error)
            raise UserError(f"{path} cannot be written: {reason}") from error

    def _load(self, path: Path) -> Kept:
        try:
            facts = os.stat(path)
        except OSError as error:
            problem = Problem(f"cannot be read: {error.strerror}", file=str(path))
            return self._broken(path, problem, 0.0)
        if not stat.S_ISREG(facts.st_mode):
            return self._broken(path, Problem("is not a regular file", file=str(path)), 0.0)
        seen = (facts.st_mtime_ns, facts.st_size, facts.st_ino)
        known = self._read.get(str(path))
        if known is not None and known[0] == seen:
            return known[1]
        try:
            data = path.read_bytes() if facts.st_size <= _LARGEST else b""
        except OSError as error:
            problem = Problem(f"cannot be read: {error.strerror}", file=str(path))
            return self._broken(path, problem, facts.st_mtime)
        kept = self._kept(path, data, facts.st_mtime)
        self._read[str(path)] = (seen, kept)
        return kept

    def _kept(self, path: Path, data: bytes, modified: float) -> Kept:
        try:
            text = data.decode("utf-8-sig")
            read = parse_job_yaml(text, str(path))
        except UnicodeDecodeError:
            text, read = data.decode("utf-8", "replace"), read_job_yaml(path)
        return Kept(
            name=path.name.removesuffix(SUFFIX),
            path=str(path),
            description=first_comment(text),
            draft=read.draft,
            problems=(*self._name_problems(path), *read.problems),
            modified=modified,
        )

    def _broken(self, path: Path, problem: Problem, modified: float) -> Kept:
        name = path.name.removesuffix(SUFFIX)
        return Kept(
            name=name, path=str(path), draft=JobDraft(), problems=(problem,), modified=modified
        )

    def _name_problems(self, path: Path) -> tuple[Problem, ...]:
        if path.suffix != SUFFIX:
            return (Problem(f"must end in {SUFFIX} to be used", file=str(path)),)
        fault = name_fault(path.name.removesuffix(SUFFIX))
        return (Problem(f"its name {fault}", file=str(path)),) if fault else ()


def first_comment(text: str) -> str:
    """The text of the first line, where it is a comment."""
    for line in _lines(text):
        return line.lstrip("#").strip() if line.startswith("#") else ""
    return ""


def with_description(text: str, description: str) -> str:
    """The text with a first comment line that says `description`; no other line is lost."""
    said = " ".join(description.split())
    if not said or first_comment(text) == said:
        return text
    return f"# {said}\n{text}"


def _lines(text: str) -> Iterator[str]:
    return (line.strip() for line in text.splitlines() if line.strip())
