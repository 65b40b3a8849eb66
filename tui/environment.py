"""What holds for the interface as a process: Textual's defaults, and how threads take turns.

Textual reads its environment when it is imported, so this comes first; what the user has set
himself stays.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableMapping

_SWITCH = 0.001
"""Seconds that a thread may compute while another one waits; Python's own is 0.005."""


def prepare_environment(environ: MutableMapping[str, str]) -> None:
    """Set the defaults: no animations; over SSH fewer frames and no smooth scrolling."""
    remote = bool(environ.get("SSH_CONNECTION"))
    environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    environ.setdefault("TEXTUAL_FPS", "15" if remote else "30")
    if remote:
        environ.setdefault("TEXTUAL_SMOOTH_SCROLL", "0")


def prepare_threads() -> None:
    """Let a thread that reads logs hold up a key for no more than a fifth of the usual time."""
    sys.setswitchinterval(_SWITCH)
