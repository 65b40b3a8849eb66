"""Stacks of many ranks: read as Python's `faulthandler` writes them, and put together. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

_THREAD = re.compile(r"^(?:Current thread|Thread) 0x[0-9a-f]+.*:$")
_FRAME = re.compile(r'^  File "(.*)", line (\d{1,9}|\?\?\?) in (.*)$')


class Frame(msgspec.Struct, frozen=True):
    """One call. All text is hostile."""

    file: str
    line: int | None
    function: str


class RankStack(msgspec.Struct, frozen=True, kw_only=True):
    """Where one rank was."""

    main: tuple[Frame, ...]
    """Its main thread's calls, the innermost first."""
    threads: int
    """How many threads it had that ran Python."""


class StackGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Ranks whose main threads were at the same place."""

    ranks: tuple[int, ...]
    frames: tuple[Frame, ...]
    """The innermost first."""


def read_stack(text: str) -> RankStack | None:
    """The stacks that one request was answered with; None: it was not, or not completely."""
    threads: list[list[Frame]] = []
    for line in text.splitlines():
        if _THREAD.match(line):
            threads.append([])
        elif threads and (found := _FRAME.match(line)):
            number = int(found[2]) if found[2].isdigit() else None
            threads[-1].append(Frame(found[1], number, found[3]))
    # the oldest thread, which is the main one, is written last
    if not threads or not threads[-1]:
        return None
    return RankStack(main=tuple(threads[-1]), threads=len(threads))


def group_stacks(stacks: Mapping[int, RankStack]) -> tuple[StackGroup, ...]:
    """Ranks at the same place together; the smallest group, which is the odd one, first."""
    together: dict[tuple[Frame, ...], list[int]] = {}
    for rank in sorted(stacks):
        together.setdefault(stacks[rank].main, []).append(rank)
    groups = [StackGroup(ranks=tuple(ranks), frames=frames) for frames, ranks in together.items()]
    return tuple(sorted(groups, key=lambda group: (len(group.ranks), group.ranks)))
