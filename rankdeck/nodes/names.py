"""Names of nodes folded into ranges, for showing and storing. Pure, and loads nothing of weight."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_NUMBERED = re.compile(r"([A-Za-z0-9_][A-Za-z0-9._-]*?)([0-9]+)([A-Za-z._-]*)")


def fold_names(names: Iterable[str]) -> str:
    """Names in their order, runs of numbers shortened: `node[01-16,20],login`.

    Loads nothing; `rankdeck.nodes.slurm_list.expand_nodelist` reads it back.
    """
    folded: list[tuple[str, list[tuple[str, str]], str]] = []
    for name in names:
        match = _NUMBERED.fullmatch(name)
        if match is None:
            folded.append((name, [], ""))
            continue
        before, digits, behind = match.groups()
        if folded and folded[-1][1] and (folded[-1][0], folded[-1][2]) == (before, behind):
            ranges = folded[-1][1]
            low, high = ranges[-1]
            if digits == str(int(high) + 1).zfill(len(low)):
                ranges[-1] = (low, digits)
            else:
                ranges.append((digits, digits))
        else:
            folded.append((before, [(digits, digits)], behind))
    return ",".join(map(_folded, folded))


def _folded(part: tuple[str, list[tuple[str, str]], str]) -> str:
    before, ranges, behind = part
    items = [low if low == high else f"{low}-{high}" for low, high in ranges]
    if not items:
        return before
    if len(items) == 1 and "-" not in items[0]:
        return f"{before}{items[0]}{behind}"
    return f"{before}[{','.join(items)}]{behind}"
