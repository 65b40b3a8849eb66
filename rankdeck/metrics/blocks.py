"""Numbers as a row of block characters. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_BLOCKS = "▁▂▃▄▅▆▇█"


def blocks(values: Sequence[float], width: int) -> str:
    """The values in at most `width` cells; each shows the one farthest from the middle of all."""
    told = [value for value in values if math.isfinite(value)]
    if not told or width < 1:
        return ""
    low, high = min(told), max(told)
    if high <= low:
        return _BLOCKS[0] * min(width, len(told))
    middle = sum(told) / len(told)
    count = min(width, len(told))
    picked = []
    for cell in range(count):
        part = told[cell * len(told) // count : (cell + 1) * len(told) // count]
        least, most = min(part), max(part)
        # a spike must not vanish among its neighbours
        picked.append(most if most - middle >= middle - least else least)
    return "".join(_BLOCKS[int((value - low) / (high - low) * 7)] for value in picked)
