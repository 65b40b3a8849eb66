"""Patience: how long a run may say nothing before it counts as stalled. Pure.

The one rule that the curves' alert, the stall card and `rankdeck why` all go by: nothing for 10
times the usual time between two signs of life, for 3 times the longest one so far, and for a
minute at least. Where the last line tells of work that is done without a word (a checkpoint, an
evaluation, a compilation), for a quarter of an hour at least. With fewer than 8 such times there
is no rule: the first step may take as long as it likes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST = 60.0
"""Seconds below which nothing is a stall."""
AT_WORK = 900.0
"""The same, where the last line says that something long has begun."""
TIMES_USUAL = 10.0
TIMES_LONGEST = 3.0
ENOUGH = 8
"""Gaps that must have been seen before anything is usual."""
_RECENT = 64
_LONG_WORK = re.compile(
    r"checkpoint|\bsav(?:e|ing)\b|evaluat|validat|compil|autotun|captur|warm(?:ing)?[ -_]?up"
    r"|\bexport|\bupload|\bdownload|generat",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How far apart signs of life are, in seconds."""

    usual: float
    """The mean of the last 64 gaps: of lines that come in bursts, the median would be too short."""
    longest: float
    """The longest gap that was followed by another sign of life."""


def rhythm_of(times: Sequence[float]) -> Rhythm | None:
    """The rhythm of signs of life at these times, ascending; None: too few to know."""
    if len(times) <= ENOUGH:
        return None
    gaps = [after - before for before, after in pairwise(times)]
    recent = gaps[-_RECENT:]
    return Rhythm(sum(recent) / len(recent), max(gaps))


def patience(rhythm: Rhythm, last_line: str = "") -> float:
    """Seconds of silence after which it is a stall.

    Args:
        rhythm: What is usual.
        last_line: What was said last.
    """
    least = AT_WORK if _LONG_WORK.search(last_line) else LEAST
    return max(least, TIMES_USUAL * rhythm.usual, TIMES_LONGEST * rhythm.longest)
