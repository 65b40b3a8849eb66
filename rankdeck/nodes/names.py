"""Names of nodes folded into ranges, for showing and storing. Pure, and loads nothing of weight."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_DIGITS = re.compile(r"([0-9]+)")


def fold_names(names: Iterable[str]) -> str:
    """Names in their order, runs of numbers shortened: `node[01-16,20],login`.

    `rankdeck.nodes.slurm_list.expand_nodelist` reads it back.
    """
    folds: list[_Fold] = []
    for name in names:
        if not folds or not folds[-1].takes(name):
            folds.append(_Fold(name))
    return ",".join(map(str, folds))


class _Fold:
    """Names one after the other that differ in one number only."""

    def __init__(self, name: str) -> None:
        # text and digits in turn, digits at the odd places
        self._parts = _DIGITS.split(name) if _NAME.fullmatch(name) else [name]
        self._place = 0
        self._ranges: list[tuple[str, str]] = []

    def takes(self, name: str) -> bool:
        """Add a name, if it belongs here."""
        parts = _DIGITS.split(name)
        if len(parts) != len(self._parts) or len(parts) < 2 or not _NAME.fullmatch(name):
            return False
        differing = [i for i, part in enumerate(parts) if part != self._parts[i]]
        if self._place:
            differing = list({*differing, self._place})
        if len(differing) != 1 or not differing[0] % 2:
            return False
        if not self._place:
            self._place = differing[0]
            first = self._parts[self._place]
            self._ranges = [(first, first)]
        low, high = self._ranges[-1]
        number = parts[self._place]
        if number == str(int(high) + 1).zfill(len(low)):
            self._ranges[-1] = (low, number)
        else:
            self._ranges.append((number, number))
        return True

    def __str__(self) -> str:
        parts = list(self._parts)
        if self._place:
            items = [low if low == high else f"{low}-{high}" for low, high in self._ranges]
            parts[self._place] = f"[{','.join(items)}]"
        return "".join(parts)
