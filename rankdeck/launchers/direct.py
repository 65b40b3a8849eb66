"""direct: no launcher. The agent starts the ranks itself and sets torch.distributed's variables."""

from __future__ import annotations

import os
from shlex import quote
from typing import TYPE_CHECKING

from rankdeck.launchers.base import NodeCommand
from rankdeck.launchers.entry import (
    check_file,
    check_interpreter_line,
    check_line_ends,
    is_shell,
    problem,
)
from rankdeck.launchers.options import takes_no_options
from rankdeck.plan.records import Spawn

if TYPE_CHECKING:
    from rankdeck.errors import Problem
    from rankdeck.job.spec import JobSpec
    from rankdeck.launchers.base import NodeContext


_PYTHON = "python"
"""As an entry: the job's own interpreter, for modules (`python -m module`)."""


class DirectLauncher:
    """Runs any program, once per rank."""

    name = "direct"
    title = "any program, started once per rank"
    spawn = Spawn.RANKS
    requires_module: str | None = None

    def check(self, spec: JobSpec) -> tuple[Problem, ...]:
        """The entry is a file that can be run, or the name of a program on `$PATH`."""
        return (*takes_no_options(spec), *self._check_entry(spec))

    def _check_entry(self, spec: JobSpec) -> tuple[Problem, ...]:
        entry = spec.entry
        if entry == _PYTHON:
            return ()
        if "/" not in entry:
            return _check_on_path(spec)
        if problems := check_file(entry):
            return problems
        if entry.endswith(".py"):
            return ()
        if is_shell(entry):
            return check_line_ends(entry)
        if not os.access(entry, os.X_OK):
            return (problem(f"{entry} is not executable", f"chmod +x {quote(entry)}"),)
        return check_interpreter_line(entry)

    def command(self, spec: JobSpec, node: NodeContext) -> NodeCommand:
        """One rank's own command: Python files and shell scripts need not be executable."""
        program: tuple[str, ...] = (node.python if spec.entry == _PYTHON else spec.entry,)
        if "/" in spec.entry and spec.entry.endswith(".py"):
            program = (node.python, "-u", spec.entry)
        elif "/" in spec.entry and is_shell(spec.entry):
            program = ("bash", spec.entry)
        return NodeCommand(argv=(*program, *spec.args), env={})


def _check_on_path(spec: JobSpec) -> tuple[Problem, ...]:
    # imported late: most entries are files
    from shutil import which

    if which(spec.entry, path=spec.env.get("PATH")) is None:
        hint = "give a path relative to the project, or the program's full path"
        return (problem(f"there is no program {spec.entry!r} on PATH or in the project", hint),)
    return ()
