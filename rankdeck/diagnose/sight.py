"""Sight and Scene: what ranks were last seen doing at one moment, as a hang is judged by it."""

from __future__ import annotations

import msgspec

from rankdeck.metrics.patience import Rhythm


class Sight(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One rank at the moment of the scene; times by the supervisor's clock."""

    rank: int
    node: str
    alive: bool
    """It had been started or was to be, had not ended, and its node could be heard."""
    pid: int | None = None
    spawned: float | None = None
    joined: float | None = None
    """When it had met the others; None: it had not."""
    stepping: bool = False
    spoke: float | None = None
    """When it printed last; None: it had printed nothing."""
    wrote: float | None = None
    """When its process was last seen to write much, until the moment."""
    rhythm: Rhythm | None = None
    step: int | None = None
    total_steps: int | None = None
    last_line: str = ""
    """What it said last, where that is known. Hostile text."""
    cpu_percent: float | None = None
    """Of one core; None when it is not known."""
    gpu_percent: float | None = None
    """Of the time that something computed on its GPU; None when it is not known."""

    @property
    def finished(self) -> bool:
        """Whether it has made its last step."""
        return bool(self.step is not None and self.total_steps and self.step >= self.total_steps)


class NodeSight(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One node at the moment of the scene."""

    name: str
    cpu_percent: float | None = None
    """Of all its cores."""
    mem_percent: float | None = None
    """How full its memory was."""


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """All ranks at one moment."""

    run_id: str
    moment: float
    over: bool
    """The moment is in the past: when the ending began."""
    then: str = "its end began"
    """What happened at the moment, where that is over."""
    sights: tuple[Sight, ...]
    nodes: tuple[NodeSight, ...] = ()
    """Those whose load is known."""
    rhythm: Rhythm | None = None
    """Of the output of the rank that prints most."""
    last_line: str = ""
    """What that rank said last, and those that spoke about as late, a line each. Hostile text."""
    stepped: float | None = None
    """When the training made its last step that is known."""
    step_rhythm: Rhythm | None = None
