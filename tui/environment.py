"""Defaults that Textual reads from the environment when it is imported.

Must run before anything imports textual; what the user has set himself stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableMapping


def prepare_environment(environ: MutableMapping[str, str]) -> None:
    """Set the defaults: no animations; over SSH fewer frames and no smooth scrolling."""
    remote = bool(environ.get("SSH_CONNECTION"))
    environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    environ.setdefault("TEXTUAL_FPS", "15" if remote else "30")
    if remote:
        environ.setdefault("TEXTUAL_SMOOTH_SCROLL", "0")
