"""The run's inbox: a command is a file dropped into `control/`; the supervisor answers by event."""

from __future__ import annotations

from enum import Enum

import msgspec


class RunCommandKind(str, Enum):
    """What can be asked of a run's supervisor."""

    STOP = "stop"
    """TERM to every rank, the grace, KILL, verify."""
    KILL = "kill"
    """KILL at once, verify."""


class RunCommand(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file in a run's `control/`."""

    command: RunCommandKind
    grace: float | None = None
    reason: str = ""
    by: str = ""
    """`user@host` of whoever asked."""
    time: float = 0.0
