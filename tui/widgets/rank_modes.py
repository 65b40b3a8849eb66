"""What the glyph of a rank tells: its state, how far it is behind, its silence, its load. Pure.

A mode gives every rank a level of its scale. Levels are told apart by their glyph; colour only
repeats it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum
from statistics import median
from typing import TYPE_CHECKING

from rankdeck.run.gpus import answers
from rankdeck.run.node_state import RankState
from tui.node_gpus import BARS, bar_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rankdeck.run.view import RankView

GLYPHS: dict[RankState, str] = {
    RankState.PENDING: "·",
    RankState.SPAWNED: "◌",
    RankState.RENDEZVOUS: "◔",
    RankState.OUTPUT: "◐",
    RankState.STEPPING: "■",
    RankState.EXITED: "✔",
    RankState.FAILED: "✖",
    RankState.KILLED: "▫",
    RankState.LOST: "?",
}
"""One glyph for each state, one cell wide; each is told from the others without colour."""


class Mode(str, Enum):
    """What the grid shows of each rank."""

    STATE = "state"
    LAG = "step lag"
    SILENCE = "last line"
    LOAD = "load"

    @property
    def next(self) -> Mode:
        """The mode that comes after this one."""
        modes = tuple(Mode)
        return modes[(modes.index(self) + 1) % len(modes)]

    @property
    def ages(self) -> bool:
        """Whether it tells something else as time goes by, though nothing happens."""
        return self in (Mode.LAG, Mode.SILENCE)


@dataclass(frozen=True, slots=True)
class Level:
    """One step of a scale."""

    glyph: str
    look: str
    """The grid's component class is `rank-grid--<look>`."""
    word: str
    urgency: int = 0
    """Where one glyph stands for several ranks, it is that of the most urgent one."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The level of every rank, and what the levels are."""

    scale: tuple[Level, ...]
    levels: tuple[int, ...]

    def counts(self) -> tuple[tuple[Level, int], ...]:
        """How many ranks are on each level that has any."""
        counted = Counter(self.levels)
        return tuple((level, counted[i]) for i, level in enumerate(self.scale) if counted[i])


_URGENCY = {
    RankState.FAILED: 9,
    RankState.LOST: 8,
    RankState.KILLED: 7,
    RankState.PENDING: 6,
    RankState.SPAWNED: 5,
    RankState.RENDEZVOUS: 4,
    RankState.OUTPUT: 3,
    RankState.STEPPING: 2,
    RankState.EXITED: 1,
}
_STATES = tuple(RankState)
_STATE_INDEX = {state: index for index, state in enumerate(_STATES)}
_STATE_SCALE = tuple(Level(GLYPHS[s], s.value, s.value, _URGENCY[s]) for s in _STATES)
_ENDED = Level("▫", "killed", "ended", 0)
_AGES = (10.0, 60.0, 300.0)
_SILENCE_SCALE = (
    Level("■", "stepping", "under 10s", 1),
    Level("▣", "output", "under 1m", 2),
    Level("□", "lost", "under 5m", 3),
    Level("!", "failed", "5m and more", 5),
    Level("·", "pending", "nothing printed", 4),
    _ENDED,
    Level("▼", "failed", "silent before the others", 6),
)
_STILL = 10.0
"""Seconds after which ranks that print nothing are not just between two lines."""
_BEFORE = 5.0
"""Seconds by which the one that was silent first is told from those that wait for it."""
_BELOW = ("below 13%", "below 25%", "below 38%", "below 50%", "below 63%", "below 75%")
"""As `bar_of` divides them."""


def _bars(what: str, most: str) -> tuple[Level, ...]:
    words = ("idle", *_BELOW, most)
    return tuple(
        Level(glyph, "lost" if index == 0 else "stepping", f"{what} {word}", 10 - index)
        for index, (glyph, word) in enumerate(zip(BARS, words, strict=True))
    )


_UNKNOWN = Level("·", "pending", "not known", 0)
_CPU_SCALE = (_UNKNOWN, *_bars("cpu", "75% of a core or more"), _ENDED)
_GPU_SCALE = (
    *(_UNKNOWN, *_bars("gpu", "75% or more"), _ENDED),
    Level("?", "lost", "gpu does not answer", 11),
    Level("✖", "failed", "gpu broken", 12),
)
_GPU_SILENT, _GPU_BROKEN = len(_GPU_SCALE) - 2, len(_GPU_SCALE) - 1


def read_ranks(mode: Mode, ranks: Sequence[RankView], now: float) -> Reading:
    """The level of every rank in this mode."""
    if mode is Mode.STATE:
        return Reading(_STATE_SCALE, tuple(_STATE_INDEX[rank.state] for rank in ranks))
    if mode is Mode.LAG:
        return _read_lag(ranks, now)
    if mode is Mode.SILENCE:
        return _read_silence(ranks, now)
    if any(rank.gpu is not None for rank in ranks):
        return Reading(_GPU_SCALE, tuple(map(_gpu_load, ranks)))
    return Reading(_CPU_SCALE, tuple(map(_cpu_load, ranks)))


def _last_lines(ranks: Sequence[RankView]) -> list[float]:
    """When those that live printed last."""
    return [r.last_output for r in ranks if r.last_output is not None and not r.state.final]


def _still(lines: Sequence[float], now: float) -> bool:
    """Whether none of them has printed anything for a while."""
    return bool(lines) and now - max(lines) >= _STILL


def _read_lag(ranks: Sequence[RankView], now: float) -> Reading:
    steps = sorted(rank.step for rank in ranks if rank.step is not None)
    middle = int(median(steps)) if steps else 0
    # ranks are heard at different moments: what most of them differ by is no lag
    spread = steps[len(steps) * 3 // 4] - steps[len(steps) // 4] if steps else 0
    near = max(1, 2 * spread)
    if _still(_last_lines(ranks), now):
        # nothing moves: who is a single step behind may be the one that all others wait for
        near = 0
    far = 4 * near
    scale = (
        Level("■", "stepping", f"within {near} of step {middle}" if near else f"at {middle}", 1),
        Level("▲", "output", f"more than {near} ahead" if near else "ahead", 2),
        Level("▽", "lost", f"{near + 1}-{far} behind", 3),
        Level("▼", "failed", f"over {far} behind" if near else "behind", 5),
        Level("·", "pending", "no steps", 4 if steps else 0),
        _ENDED,
    )

    def level(rank: RankView) -> int:
        if rank.state.final:
            return 5
        if rank.step is None:
            return 4
        lag = middle - rank.step
        if lag > far:
            return 3
        if lag > near:
            return 2
        return 1 if lag < -near else 0

    return Reading(scale, tuple(level(rank) for rank in ranks))


def _read_silence(ranks: Sequence[RankView], now: float) -> Reading:
    levels = tuple(_silence(rank, now) for rank in ranks)
    lines = _last_lines(ranks)
    if not _still(lines, now):
        return Reading(_SILENCE_SCALE, levels)
    # where all are silent, it matters who was so first
    before, first = median(lines) - _BEFORE, len(_SILENCE_SCALE) - 1
    told = (
        first if not rank.state.final and (rank.last_output or now) < before else level
        for rank, level in zip(ranks, levels, strict=True)
    )
    return Reading(_SILENCE_SCALE, tuple(told))


def _silence(rank: RankView, now: float) -> int:
    if rank.state.final:
        return 5
    if rank.last_output is None:
        return 4
    silent = now - rank.last_output
    return sum(silent >= limit for limit in _AGES)


def _cpu_load(rank: RankView) -> int:
    if rank.state.final:
        return _CPU_SCALE.index(_ENDED)
    return 0 if rank.cpu_percent is None else 1 + bar_of(rank.cpu_percent)


def _gpu_load(rank: RankView) -> int:
    """A rank that may be without a GPU is not known: its CPU is another scale."""
    gpu = rank.gpu
    if rank.state.final:
        return _GPU_SCALE.index(_ENDED)
    if gpu is None:
        return 0
    if gpu.error:
        return _GPU_BROKEN
    if gpu.util is not None:
        return 1 + bar_of(gpu.util)
    return 0 if answers(gpu) else _GPU_SILENT


_TROUBLE = (RankState.FAILED, RankState.LOST)


def in_trouble(reading: Reading, index: int, rank: RankView, suspected: bool) -> bool:
    """Whether somebody looking for trouble should stop at this rank.

    Failed and lost ones always, those of silent nodes or that others may wait for (`suspected`),
    and those that stand out in the mode.
    """
    if rank.state in _TROUBLE or (suspected and not rank.state.final):
        return True
    level = reading.scale[reading.levels[index]]
    return level.look == "failed"


def find_rank(
    text: str, ranks: Sequence[RankView], silent: frozenset[str], start: int, *, backward: bool
) -> int | None:
    """The index of the next rank that a text means, round the end; None: there is none.

    A number is that rank; otherwise a state, `silent`, or part of a node's name; `node:1` is a
    local rank there.
    """
    wanted = text.strip().casefold()
    if not wanted or not ranks:
        return None
    if wanted.isdecimal():
        number = int(wanted)
        return next((i for i, rank in enumerate(ranks) if rank.rank == number), None)
    node, colon, local = wanted.rpartition(":")
    step = -1 if backward else 1
    states = {state for state in RankState if state.value == wanted}
    for distance in range(1, len(ranks) + 1):
        index = (start + step * distance) % len(ranks)
        rank = ranks[index]
        if states:
            met = rank.state in states
        elif wanted == "silent":
            met = rank.node in silent
        elif colon and local.isdecimal():
            met = node in rank.node.casefold() and rank.local_rank == int(local)
        else:
            met = wanted in rank.node.casefold() and (
                not index or ranks[index - 1].node != rank.node
            )
        if met:
            return index
    return None
