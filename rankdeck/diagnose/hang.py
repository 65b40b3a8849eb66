"""Whether a run hangs, and which ranks hold it up. Pure; `scene` looks, `hang_words` tells.

Certain is only what was seen: who has not joined, who printed last when, who is at which step.
That the others wait for the rank that fell silent first is likely at best. Ranks are compared only
with ranks that print as often as they do: where rank 0 alone prints, its silence tells of no rank.
"""

from __future__ import annotations

from enum import Enum
from statistics import median
from typing import TYPE_CHECKING

import msgspec

from rankdeck.diagnose.sight import Sight
from rankdeck.metrics.patience import AT_WORK, LEAST, patience

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rankdeck.diagnose.sight import Scene

JOINING = 300.0
"""Seconds that the ranks that have joined wait for the others before it counts as a hang."""
STEPLESS = 300.0
"""Seconds without a step that are not a stall while lines still come: an evaluation prints some."""
_SAME_MOMENT = 0.5
"""Last lines on one node closer than this are not told apart."""
_CLOCKS_APART = 2.0
"""The same for two nodes: their clocks may differ."""
_ALIKE = 3.0
"""A rank whose usual interval is longer than the median's by this factor prints seldom."""
IDLE, BUSY = 10.0, 50.0
"""Percent of a core, or of a GPU's time."""
_MANY_GONE = 0.5


class HangState(str, Enum):
    """How bad it is."""

    WAITING = "waiting"
    """Ranks have not joined the others yet; that may be a slow start."""
    QUIET = "quiet"
    """Nothing is printed, and too little has been printed to know whether that is usual."""
    LAGGING = "lagging"
    """Ranks have fallen silent and behind, while the others go on."""
    STALLED = "stalled"
    """Silent for longer than is usual, by far; or some have not joined for five minutes."""


class Basis(str, Enum):
    """What the suspicion rests on."""

    NONE = "none"
    """Nothing tells the ranks apart."""
    RENDEZVOUS = "rendezvous"
    """They have not joined the others."""
    STEP = "step"
    """They are at a lower step than the others."""
    LAST_LINE = "last-line"
    """They printed their last line before the others did."""
    GPU_LOAD = "gpu-load"
    """Their GPUs are idle while the others' are busy, or the other way round."""
    LOAD = "load"
    """They use no core while the others do, or the other way round."""


class HangRank(msgspec.Struct, frozen=True, kw_only=True):
    """A rank that the others may wait for."""

    rank: int
    node: str
    since: float | None = None
    """When it printed its last line; null: it has printed nothing."""
    step: int | None = None
    cpu_percent: float | None = None
    """Of one core; null where it is not known."""
    gpu_percent: float | None = None
    """Of the time that something computed on its GPU; null like `cpu_percent`."""


class Hang(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a run that makes no progress."""

    state: HangState
    moment: float
    """When it was so: now, or for a run that has ended when its end began."""
    since: float | None = None
    """When the run gave its last sign of life; null: it never gave any."""
    usual: float | None = None
    """Seconds that usually pass between two signs of life; null where nothing is usual yet."""
    allowed: float | None = None
    """Seconds of silence that would still have counted as usual."""
    basis: Basis = Basis.NONE
    suspects: tuple[HangRank, ...] = ()
    """At most 64 ranks that the others may wait for, by rank."""
    suspect_count: int = 0
    """How many there are."""
    certainty: str = "unknown"
    """`certain` (they have not joined), `likely`, or `unknown` where nobody is suspected."""
    summary: str = ""
    """One sentence."""
    facts: tuple[str, ...] = ()
    """What was seen, a sentence each."""
    hints: tuple[str, ...] = ()
    """What to do next, a command each with what it is for."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """The judgement, before it is put into words."""

    state: HangState
    since: float | None
    basis: Basis = Basis.NONE
    suspects: tuple[Sight, ...] = ()
    others: tuple[Sight, ...] = ()
    """The living ranks that they were compared with."""
    usual: float | None = None
    allowed: float | None = None
    stepless: bool = False
    """Lines come, but no steps."""


def judge_hang(scene: Scene) -> Finding | None:
    """What holds the run up; None while nothing points at that."""
    live = [sight for sight in scene.sights if sight.alive]
    if not live:
        return None
    return _not_joined(scene, live) or _stalled(scene, live) or _lagging(scene, live)


def _not_joined(scene: Scene, live: Sequence[Sight]) -> Finding | None:
    joined = [sight.joined for sight in scene.sights if sight.joined is not None]
    missing = tuple(sight for sight in live if sight.joined is None)
    if not missing or not joined or any(sight.stepping for sight in scene.sights):
        return None
    since = min(joined)
    if scene.moment - since < LEAST and not scene.over:
        return None
    late = scene.moment - since >= JOINING
    return Finding(
        state=HangState.STALLED if late else HangState.WAITING,
        since=since,
        basis=Basis.RENDEZVOUS,
        suspects=missing,
        others=tuple(sight for sight in live if sight.joined is not None),
        allowed=JOINING,
    )


def _stalled(scene: Scene, live: Sequence[Sight]) -> Finding | None:
    spoken = [sight.spoke for sight in scene.sights if sight.spoke is not None]
    started = min((s.spawned for s in live if s.spawned is not None), default=None)
    since = max(spoken, default=started)
    if since is None:
        return None
    quiet = scene.moment - since
    # what comes after the last step is not done in steps
    least = AT_WORK if any(sight.finished for sight in live) else 0.0
    if scene.rhythm is not None:
        allowed = max(least, patience(scene.rhythm, scene.last_line))
        if quiet > allowed and not _is_writing(scene, live, since, allowed):
            return _suspected(scene, live, since, scene.rhythm.usual, allowed)
    elif quiet > LEAST:
        found = _suspected(scene, live, since, None, None)
        return msgspec.structs.replace(found, state=HangState.QUIET)
    if scene.step_rhythm is not None and scene.stepped is not None:
        allowed = max(least, STEPLESS, patience(scene.step_rhythm, scene.last_line))
        quiet = scene.moment - scene.stepped
        if quiet > allowed and not _is_writing(scene, live, scene.stepped, allowed):
            usual = scene.step_rhythm.usual
            found = _suspected(scene, live, scene.stepped, usual, allowed)
            return msgspec.structs.replace(found, stepless=True)
    return None


def _is_writing(scene: Scene, live: Sequence[Sight], since: float, allowed: float) -> bool:
    """Whether a rank writes much although nothing is said of it: a checkpoint, most likely.

    It counts for as long as silence would from the last write on, so that what hangs behind a
    checkpoint is told as late as anything else; and for no more than announced work may take.
    """
    wrote = max((sight.wrote for sight in live if sight.wrote is not None), default=since)
    return wrote > since and scene.moment - wrote <= allowed and scene.moment - since <= AT_WORK


def _suspected(
    scene: Scene, live: Sequence[Sight], since: float, usual: float | None, allowed: float | None
) -> Finding:
    basis, suspects = suspects_of(scene, live)
    chosen = frozenset(sight.rank for sight in suspects)
    return Finding(
        state=HangState.STALLED,
        since=since,
        basis=basis,
        suspects=suspects,
        others=tuple(sight for sight in live if sight.rank not in chosen),
        usual=usual,
        allowed=allowed,
    )


def suspects_of(scene: Scene, live: Sequence[Sight]) -> tuple[Basis, tuple[Sight, ...]]:
    """Who of the living ranks stands out, and by what; nobody where they are all alike."""
    alike = _comparable(live)
    if behind := _behind(alike):
        return Basis.STEP, behind
    if silent := _first_silent(alike):
        return Basis.LAST_LINE, silent
    # who waits for the others in NCCL keeps its GPU busy
    if odd := _odd_load(live, [sight.gpu_percent for sight in live]):
        return Basis.GPU_LOAD, odd
    if odd := _odd_load(live, [sight.cpu_percent for sight in live]):
        return Basis.LOAD, odd
    return Basis.NONE, ()


def _comparable(live: Sequence[Sight]) -> list[Sight]:
    """Those that print about as often as most others that print, or more often."""
    usual = [sight.rhythm.usual for sight in live if sight.rhythm is not None]
    if len(usual) < 2:
        return []
    seldom = max(median(usual), 1e-9) * _ALIKE
    return [sight for sight in live if sight.rhythm is not None and sight.rhythm.usual <= seldom]


def _behind(alike: Sequence[Sight]) -> tuple[Sight, ...]:
    steps = [sight.step for sight in alike if sight.step is not None]
    if not steps or min(steps) == max(steps):
        return ()
    low = tuple(sight for sight in alike if sight.step == min(steps))
    return low if len(low) <= len(steps) * _MANY_GONE else ()


def _first_silent(alike: Sequence[Sight]) -> tuple[Sight, ...]:
    told = sorted((s.spoke, s.rank, s) for s in alike if s.spoke is not None)
    if len(told) < 2:
        return ()
    usual = median(s.rhythm.usual for s in alike if s.rhythm is not None)
    several = len({sight.node for _, _, sight in told}) > 1
    apart = max(_CLOCKS_APART if several else _SAME_MOMENT, usual / 2)
    for count in range(1, int(len(told) * _MANY_GONE) + 1):
        if told[count][0] - told[count - 1][0] >= apart:
            return tuple(sorted((s for _, _, s in told[:count]), key=lambda sight: sight.rank))
    return ()


def _odd_load(live: Sequence[Sight], loads: Sequence[float | None]) -> tuple[Sight, ...]:
    """The few that do nothing among many that work, or that work among many that do nothing."""
    known = [(one, load) for one, load in zip(live, loads, strict=True) if load is not None]
    idle = tuple(sight for sight, percent in known if percent < IDLE)
    busy = tuple(sight for sight, percent in known if percent >= BUSY)
    few, many = sorted((idle, busy), key=len)
    if len(known) < 3 or len(few) + len(many) < len(known) or 3 * len(few) > len(many):
        return ()
    return few


def _lagging(scene: Scene, live: Sequence[Sight]) -> Finding | None:
    """Ranks that stopped printing and stepping while the others of their kind go on."""
    alike = _comparable(live)
    stuck = tuple(sight for sight in alike if _is_stuck(scene, sight))
    names = frozenset(sight.rank for sight in stuck)
    least = min((s.step for s in alike if s.step is not None and s.rank not in names), default=0)
    low = tuple(sight for sight in stuck if sight.step is not None and sight.step < least)
    if not low or 2 * len(low) > len(alike):
        return None
    since = min(sight.spoke for sight in low if sight.spoke is not None)
    rhythm = low[0].rhythm
    assert rhythm is not None
    chosen = frozenset(sight.rank for sight in low)
    return Finding(
        state=HangState.LAGGING,
        since=since,
        basis=Basis.STEP,
        suspects=low,
        others=tuple(sight for sight in alike if sight.rank not in chosen),
        usual=rhythm.usual,
        allowed=patience(rhythm, low[0].last_line),
    )


def _is_stuck(scene: Scene, sight: Sight) -> bool:
    if sight.rhythm is None or sight.spoke is None or sight.finished:
        return False
    allowed = patience(sight.rhythm, sight.last_line)
    if _is_writing(scene, [sight], sight.spoke, allowed):
        return False
    return scene.moment - sight.spoke > allowed
