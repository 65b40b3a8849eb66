"""Ranks in words: `0,4-7` as the command line takes it, `[ 4] ` as it stands before a line."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from rankdeck.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

_PART = re.compile(r"(\d+)(?:\s*-\s*(\d+))?", re.ASCII)
_MOST_DIGITS = 7


def parse_ranks(text: str, world_size: int | None = None) -> tuple[int, ...]:
    """The ranks that `0,4-7` names, in order, each once.

    Args:
        text: Ranks and ranges of ranks, separated by commas.
        world_size: How many ranks there are; None: any number will do.

    Raises:
        UserError: It cannot be understood, or names a rank that the run does not have.
    """
    found: set[int] = set()
    for part in (piece.strip() for piece in text.split(",")):
        match = _PART.fullmatch(part)
        if match is None or any(len(number or "") > _MOST_DIGITS for number in match.groups()):
            said = f"{part!r} in {text!r}" if part and part != text.strip() else repr(text)
            raise UserError(
                f"{said} is not a rank or a range of ranks", "write ranks like 0,4-7 or 12"
            )
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise UserError(f"the range {part} in {text!r} runs backwards", f"try {last}-{first}")
        if world_size is not None and last >= world_size:
            raise UserError(
                f"there is no rank {last}" if first == last else f"there are no ranks {part}",
                f"the run has ranks 0 to {world_size - 1}" if world_size > 1 else "only rank 0",
            )
        found.update(range(first, last + 1))
    return tuple(sorted(found))


def name_ranks(ranks: Sequence[int], most: int | None = None) -> str:
    """`0-3,7` for these ranks, which are in order; with `most`, so many ranges and `…`."""
    ranges: list[list[int]] = []
    for rank in ranks:
        if ranges and rank == ranges[-1][1] + 1:
            ranges[-1][1] = rank
        else:
            ranges.append([rank, rank])
    told = [str(low) if low == high else f"{low}-{high}" for low, high in ranges[:most]]
    return ",".join(told) + (",…" if len(told) < len(ranges) else "")


@lru_cache(maxsize=8192)
def rank_prefix(rank: int, world_size: int) -> str:
    """`[ 4] `, as wide for every rank of the run."""
    return f"[{rank:>{len(str(max(0, world_size - 1)))}}] "
