"""Names of what is kept in the library: typed in commands, and names of files. Pure."""

from __future__ import annotations

import re

from rankdeck.errors import UserError

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
