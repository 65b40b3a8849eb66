"""Names of what is kept in the library, typed in commands, and where its files are. Pure."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from rankdeck.config.folder import config_folder
from rankdeck.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SUFFIX = ".yaml"
_NAME = r"[^\W_][\w.-]{0,63}"


def name_fault(name: str) -> str:
    """What is wrong with a name, as the rest of a sentence; empty: nothing."""
    if not re.fullmatch(_NAME, name):
        return (
            "must be 1 to 64 letters, digits, '.', '_' or '-' and begin with a letter or digit"
            f" (got {name[:80]!r})"
        )
    if name.endswith((SUFFIX, ".yml")):
        return f"is given without {SUFFIX}"
    return ""


def check_name(name: str, what: str) -> str:
    """The name, if it can be one: no paths, nothing that a shell would take apart.

    Raises:
        UserError: It cannot; `what` says whose name it is.
    """
    if fault := name_fault(name):
        raise UserError(f"a {what}'s name {fault}")
    return name


def templates_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the user's templates are."""
    return config_folder(environ) / "templates"


def workspaces_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the user's workspaces are."""
    return config_folder(environ) / "workspaces"


def in_templates(path: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a file is one of the user's templates."""
    return os.path.dirname(os.path.abspath(path)) == os.path.abspath(templates_folder(environ))


def current_file(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the name of the workspace in use stands; it is not there where none is."""
    return config_folder(environ) / "current-workspace"
