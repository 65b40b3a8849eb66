"""A shell on one node of a run, whatever placed the run there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.backend import load_backend
from rankdeck.backend_reach import OpensShell
from rankdeck.run.stored import read_state

if TYPE_CHECKING:
    from rankdeck.run.layout import RunDir


def shell_command(run: RunDir, node: str) -> tuple[str, ...] | None:
    """The program that opens a shell there, with its arguments; None: there is no way.

    Raises:
        UserError: The run is not there, or its backend is not installed here.
    """
    backend = load_backend(read_state(run).backend)
    return backend.shell_command(run, node) if isinstance(backend, OpensShell) else None
