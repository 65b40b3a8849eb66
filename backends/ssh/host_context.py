"""HostContext: what all hosts of one session share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from backends.ssh.bootstrap import PackedBundle
    from backends.ssh.link import Transport
    from backends.ssh.sync import ProjectCopy
    from rankdeck.backend_reports import Report
    from rankdeck.nodes.node import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class HostContext:
    """What all hosts of a session share."""

    transport: Callable[[], Transport]
    bundle: Callable[[], PackedBundle]
    root: Callable[[Node], str]
    """Where a node keeps everything of ours."""
    pace: bytes
    """The PACE frame that begins each connection."""
    patience: float
    """Seconds after which a node is given up where an agent may be, but nobody can be asked."""
    taken_over: bool
    slots: threading.Semaphore
    """How many hosts may be connecting at a time."""
    copy: ProjectCopy | None
    tell: Callable[[Report], None]
    """Queue a report, and wake the supervisor."""
    wake: Callable[[], None]
    pulse: Callable[[], None]
    """Have every `Host.pulse` called soon."""
