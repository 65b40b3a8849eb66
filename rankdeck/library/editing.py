"""Changing a kept file in an editor: on a copy, which takes its place only when all is well.

What was typed is never lost: a text with mistakes stays in the copy until somebody decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.errors import UserError
from rankdeck.run.files import write_atomic

if TYPE_CHECKING:
    from pathlib import Path

    from rankdeck.errors import Problem
    from rankdeck.library.shelf import Shelf

_SKELETONS = {
    "template": """\
# {name}: what it is for
entry: train.py
# project: a folder; without it the one where the template is started
# args: --lr 1e-4
# backend: local | ssh | slurm | mpi
# nproc_per_node: gpu
""",
    "workspace": """\
# {name}: which nodes, for what
backend: ssh
# hostfile: hosts
# include: node[01-16]
# exclude: node07
# nproc_per_node: gpu
# time_limit: 12h
# env:
#   NCCL_DEBUG: WARN
""",
}


class Editing:
    """One change of one file."""

    def __init__(self, shelf: Shelf, name: str) -> None:
        """Copy the file of that name, or a beginning where there is none yet.

        Raises:
            UserError: It cannot be a name, cannot be read, or the copy cannot be written.
        """
        self.shelf = shelf
        self.name = name
        path = shelf.path(name)
        self.is_new = not path.exists()
        self._before = _skeleton(shelf, name) if self.is_new else shelf.text(name)
        self.copy: Path = path.with_name(f".edit-{name}.yaml")
        """What the editor is given; a name that no list shows."""
        try:
            self.shelf.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomic(self.copy, self._before.encode("utf-8", "surrogateescape"))
        except OSError as error:
            raise UserError(f"{self.copy} cannot be written: {error.strerror}") from error

    def problems(self) -> tuple[Problem, ...]:
        """Everything wrong with the text as it is now; the lines are those of the copy."""
        return self.shelf.parse(self._text(), self.name).problems

    @property
    def changed(self) -> bool:
        """Whether the text is another one than before."""
        return self._text() != self._before

    def keep(self) -> Path:
        """Let the text take the file's place, with its mistakes if it has any.

        Raises:
            UserError: It cannot be written; the copy stays.
        """
        path = self.shelf.write(self.name, self._text(), overwrite=True)
        self.forget()
        return path

    def forget(self) -> None:
        """Leave the file as it was."""
        self.copy.unlink(missing_ok=True)

    def _text(self) -> str:
        try:
            return self.copy.read_bytes().decode("utf-8", "surrogateescape")
        except OSError as error:
            raise UserError(f"{self.copy} cannot be read: {error.strerror}") from error


def _skeleton(shelf: Shelf, name: str) -> str:
    return _SKELETONS.get(shelf.what, "").format(name=name)
