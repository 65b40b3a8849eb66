"""The lines above the grid: how many ranks are on which level, which is the key to the glyphs too.

Pure: from counts to pieces of text, each with the look of its level.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.widgets.rank_modes import Level

HeadLine = tuple[tuple[str, str], ...]
"""Texts with their looks."""


def head_lines(
    counts: Sequence[tuple[Level, int]], silent_nodes: int, width: int, most: int
) -> tuple[HeadLine, ...]:
    """The counts in words on at most so many lines; without the words where they do not fit."""
    if not counts:
        return ((("no ranks yet", "summary"),),)
    silent = f"! {silent_nodes} node{'s' if silent_nodes > 1 else ''} silent"
    marks = [(silent, "silent")] if silent_nodes else []
    words = [(f"{level.glyph} {count:,} {level.word}", level.look) for level, count in counts]
    lines = _flow([*words, *marks], "  ", width)
    if len(lines) <= most:
        return lines
    short = [(f"{level.glyph}{count}", level.look) for level, count in counts]
    return _flow([*short, *marks], " ", width)[: max(1, most)]


def _flow(items: Sequence[tuple[str, str]], gap: str, width: int) -> tuple[HeadLine, ...]:
    lines: list[HeadLine] = []
    line: list[tuple[str, str]] = []
    used = 0
    for text, look in items:
        needed = cell_len(text) + (len(gap) if line else 0)
        if line and used + needed > width:
            lines.append(tuple(line))
            line, used, needed = [], 0, cell_len(text)
        line.append((gap + text if line else text, look))
        used += needed
    lines.append(tuple(line))
    return tuple(lines)
