"""Logs of thousands of ranks that never ran, with the times an agent would have noted.

Every rank prints the same events, those of a training of two hours, some ranks ten times as many
of them as others; some lines are the same on all ranks, some tell a rank's own numbers.
"""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING

from rankdeck.logs.sources import RankLog

if TYPE_CHECKING:
    from pathlib import Path

_BEGUN = 1_790_000_000.0
_SECONDS = 7200.0
_LEVELS = 10
_VARIANTS = 8
_OWN_RANK = b"rank 0000:"


def planned_logs(folder: Path, ranks: int) -> tuple[RankLog, ...]:
    """Where the logs are, 8 ranks a node."""
    return tuple(
        RankLog(
            rank,
            f"node{rank // 8:04}",
            rank % 8,
            0,
            folder / f"rank-{rank}.log",
            folder / f"rank-{rank}.times",
        )
        for rank in range(ranks)
    )


def make_logs(folder: Path, ranks: int, least: int, most: int) -> None:
    """Write the logs, each of `least` to `most` lines."""
    logs = planned_logs(folder, ranks)
    for kind in range(_LEVELS * _VARIANTS):
        level, variant = divmod(kind, _VARIANTS)
        lines = least + (most - least) * level // (_LEVELS - 1)
        text, times = _history(most, lines, variant)
        for log in logs[kind :: _LEVELS * _VARIANTS]:
            log.path.write_bytes(text.replace(_OWN_RANK, b"rank %04d:" % log.rank))
            log.times.write_bytes(times)


def _history(events: int, lines: int, variant: int) -> tuple[bytes, bytes]:
    """A log of so many of the events, and its times."""
    noise = random.Random(variant)
    pieces, pairs, size = [], [], 0
    for event in range(events):
        if event * lines // events == (event + 1) * lines // events:
            continue
        line = _line(event, noise)
        size += len(line)
        pieces.append(line)
        late = noise.random() * 0.1
        pairs.append(struct.pack("<dQ", _BEGUN + event * _SECONDS / events + late, size))
    return b"".join(pieces), b"".join(pairs)


def _line(event: int, noise: random.Random) -> bytes:
    if event % 10 == 0:
        return _OWN_RANK + b" batch %d loaded in %.3f s by worker 3\n" % (event, noise.random())
    if event % 2:
        loss = 2 + 1000 / (event + 500)
        return b"step %d/20000 loss %.4f lr %.3e tok/s %d\n" % (event, loss, 3e-4, 18000)
    own = 2 + noise.random()
    return b"[micro-step %d] own loss %.5f, grad norm %.4f, memory 61.2 GiB\n" % (event, own, own)
