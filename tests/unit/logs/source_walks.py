"""What every `LogSource` must hold, tried by walking through one."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

    from rankdeck.logs.lines import LogLine
    from rankdeck.logs.source import LogSource

_STEPS = 20_000


def all_after(source: LogSource, position: int = 0, count: int = 1000) -> list[LogLine]:
    """Every line from a position on, page by page."""
    found: list[LogLine] = []
    for _ in range(_STEPS):
        lines = source.after(position, count)
        assert len(lines) <= count
        assert all(line.offset >= position for line in lines)
        found += lines
        if not lines.more:
            return found
        assert lines.looked_to >= position
        position = lines.looked_to
    raise AssertionError("never ends")


def all_before(source: LogSource, position: int | None = None, count: int = 1000) -> list[LogLine]:
    """Every line before a position, page by page."""
    at = source.size if position is None else position
    found: list[LogLine] = []
    for _ in range(_STEPS):
        lines = source.before(at, count)
        assert len(lines) <= count
        assert all(line.offset < at for line in lines)
        found = lines + found
        if not lines.more:
            return found
        assert lines.looked_to <= at
        at = lines.looked_to
    raise AssertionError("never ends")


def check_walks(source: LogSource, dice: random.Random) -> list[LogLine]:
    """Walk through it in several ways; all must tell the same. Gives all lines."""
    told = all_after(source)
    places = [line.offset for line in told]
    assert places == sorted(set(places)), "positions grow from line to line"
    for line, following in itertools.pairwise(told):
        assert line.end <= following.offset
    assert not told or told[-1].end <= source.size
    assert all_before(source) == told
    for count in (1, dice.randrange(2, 9)):
        assert all_after(source, count=count) == told
        assert all_before(source, count=count) == told
    for _ in range(10):
        if not told:
            break
        number = dice.randrange(len(told))
        assert all_after(source, told[number].offset, dice.randrange(1, 50)) == told[number:]
        assert all_before(source, told[number].offset, dice.randrange(1, 50)) == told[:number]
        if told[number].ended:
            assert all_after(source, told[number].end) == told[number + 1 :]
            assert all_before(source, told[number].end) == told[: number + 1]
    return told
