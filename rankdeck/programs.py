"""The user's own programs: which pager and which editor to start. Starts nothing."""

from __future__ import annotations

import shlex
import shutil
from typing import TYPE_CHECKING

from rankdeck.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PAGERS = ("less", "more")
_EDITORS = ("sensible-editor", "editor", "nano", "vim", "vi")
"""Where nothing is said, as other programs do it: the system's choice, then what is there."""


def pager(environ: Mapping[str, str]) -> list[str]:
    """The user's pager.

    Raises:
        UserError: There is none.
    """
    return _program(environ, ("PAGER",), _PAGERS)


def editor(environ: Mapping[str, str]) -> list[str]:
    """The user's editor.

    Raises:
        UserError: There is none.
    """
    return _program(environ, ("VISUAL", "EDITOR"), _EDITORS)


def _program(
    environ: Mapping[str, str], names: Sequence[str], fallbacks: Sequence[str]
) -> list[str]:
    name = next((name for name in names if environ.get(name, "").strip()), None)
    if name is None:
        for program in fallbacks:
            if found := shutil.which(program, path=environ.get("PATH")):
                return [found]
        wanted = names[-1]
        raise UserError(
            f"${wanted} is not set, and none of {', '.join(fallbacks)} is there",
            f"set it before starting rankdeck, as: export {wanted}=PROGRAM",
        )
    try:
        command = shlex.split(environ[name])
    except ValueError as error:
        raise UserError(
            f"${name} cannot be understood: {error}", f"it is {environ[name]!r}"
        ) from None
    if not command or shutil.which(command[0], path=environ.get("PATH")) is None:
        raise UserError(
            f"${name} is {environ[name]!r}, and there is no such program",
            f"install it, or set ${name} to one that is there",
        )
    return command
