"""Where the panes of a run stand: from the size of the screen and what is wanted. Pure.

Wide: ranks, curves and nodes in a column at the left, one of the others at the right. Wide and
high: whatever is asked for stands above the log, and where ranks and nodes fill the left column,
the curves stand below it. Narrow: the ranks at the top, a line about the nodes, and one of all
others below.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from textual.geometry import Region

PANES = ("ranks", "log", "curves", "nodes", "events", "failure")
"""By number, from 1; `other` is the second log."""
OTHER = "other"
WIDE = 100
"""From so many columns on, panes stand beside each other."""
_ROOMY = (160, 44)
"""Columns and rows from which on a pane and the log stand above each other."""
_LEAST_SIDE = 20
_LEAST_MAIN = 40
_LEAST_LOG = 41
"""Columns under which two logs stand one above the other."""
_LEAST_CURVES = 7
_MOST_CURVES = 16
_LEAST_RANKS = 4


@dataclass(frozen=True, slots=True)
class RunLayout:
    """What the user wants to see, and how large."""

    main: str = "log"
    """The pane that has the place that is left."""
    focus: str = "ranks"
    zoomed: bool = False
    split: bool = False
    """A second log beside the first."""
    side: int = 0
    """Columns of the left part; 0: as it comes."""
    top: int = 0
    """Rows of the ranks; 0: as it comes."""


@dataclass(frozen=True, slots=True)
class Needs:
    """Rows that panes could use, their titles included."""

    ranks: int = 12
    nodes: int = 6


def place_panes(width: int, height: int, layout: RunLayout, needs: Needs) -> dict[str, Region]:
    """The place of every pane that is seen, by name."""
    whole = Region(0, 0, width, height)
    if layout.zoomed:
        return _logs(whole, layout) if _is_log(layout.focus) else {layout.focus: whole}
    if width >= _ROOMY[0] and height >= _ROOMY[1]:
        return _roomy(whole, layout, needs)
    if width >= WIDE:
        return _wide(whole, layout, needs)
    return _narrow(whole, layout, needs)


def side_of(width: int, layout: RunLayout) -> int:
    """Columns of the left part of a wide screen."""
    wanted = layout.side or max(34, min(64, width * 30 // 100))
    return max(_LEAST_SIDE, min(wanted, width - _LEAST_MAIN))


def shown(layout: RunLayout, pane: str, width: int, height: int, needs: Needs) -> RunLayout:
    """The layout after a pane was asked for by its number.

    One that has a place anyway gets the keys, and the pane in the main place stays.
    """
    without = replace(layout, zoomed=False, main="log")
    if pane not in _logs(Region(), without) and pane in place_panes(width, height, without, needs):
        beside = width >= WIDE or pane == "ranks"
        return replace(layout, focus=pane, main=layout.main if beside else pane)
    return replace(layout, focus=pane, main=pane)


def moved(
    layout: RunLayout, width: int, height: int, needs: Needs, columns: int, rows: int
) -> RunLayout:
    """The layout after its borders were moved."""
    places = place_panes(width, height, replace(layout, zoomed=False), needs)
    if width < WIDE:
        # there is only one border: the one under the ranks
        rows, columns = rows or columns, 0
    side, top = layout.side, layout.top
    if columns:
        side = side_of(width, replace(layout, side=side_of(width, layout) + columns))
    if rows:
        limit = height - (4 if width < WIDE else 3)
        top = max(_LEAST_RANKS, min(places["ranks"].height + rows, limit))
    return replace(layout, side=side, top=top)


class Border(Enum):
    """A line between panes that can be moved."""

    SIDE = "side"
    """Right of the left part of a wide screen."""
    RANKS = "ranks"
    """The title of what stands below the ranks."""


def border_at(
    x: int, y: int, width: int, height: int, layout: RunLayout, needs: Needs
) -> Border | None:
    """The border at this place, if there is one."""
    if layout.zoomed:
        return None
    ranks = place_panes(width, height, layout, needs)["ranks"]
    if width >= WIDE and x == ranks.right - 1:
        return Border.SIDE
    return Border.RANKS if y == ranks.bottom and x < ranks.right else None


def dragged(
    layout: RunLayout, border: Border, x: int, y: int, width: int, height: int, needs: Needs
) -> RunLayout:
    """The layout after a border was taken to this place, or as near to it as it may stand."""
    ranks = place_panes(width, height, replace(layout, zoomed=False), needs)["ranks"]
    if border is Border.SIDE:
        return moved(layout, width, height, needs, x + 1 - ranks.right, 0)
    return moved(layout, width, height, needs, 0, y - ranks.bottom)


def _is_log(pane: str) -> bool:
    return pane in ("log", OTHER)


def _logs(whole: Region, layout: RunLayout) -> dict[str, Region]:
    if not layout.split:
        return {"log": whole}
    x, y, width, height = whole
    if width >= 2 * _LEAST_LOG:
        left = width // 2
        return {
            "log": Region(x, y, left, height),
            OTHER: Region(x + left, y, width - left, height),
        }
    upper = height // 2
    return {"log": Region(x, y, width, upper), OTHER: Region(x, y + upper, width, height - upper)}


def _main(whole: Region, layout: RunLayout, taken: dict[str, Region]) -> dict[str, Region]:
    pane = layout.main if layout.main not in taken else "log"
    return _logs(whole, layout) if _is_log(pane) else {pane: whole}


def _wide(whole: Region, layout: RunLayout, needs: Needs) -> dict[str, Region]:
    _, _, width, height = whole
    side = side_of(width, layout)
    nodes = max(3, min(needs.nodes, height // 3))
    curves = _LEAST_CURVES if height - nodes - _LEAST_CURVES >= _LEAST_RANKS + 2 else 0
    most = max(_LEAST_RANKS, height - nodes - curves)
    ranks = max(_LEAST_RANKS, min(layout.top or needs.ranks, most))
    spare = height - nodes - ranks - curves
    if curves:
        most = max(_MOST_CURVES, height // 2)
        grown = spare if layout.top else max(0, min(spare, most - curves))
        curves += grown
        spare -= grown
    if spare > 0 and not layout.top:
        wanted = max(0, min(spare, needs.nodes - nodes))
        nodes, spare = nodes + wanted, spare - wanted
        ranks, spare = ranks + spare, 0
    nodes = max(1, height - ranks - curves)
    places = {"ranks": Region(0, 0, side, ranks)}
    if curves:
        places["curves"] = Region(0, ranks, side, curves)
    places["nodes"] = Region(0, ranks + curves, side, nodes)
    return {**places, **_main(Region(side, 0, width - side, height), layout, places)}


def _roomy(whole: Region, layout: RunLayout, needs: Needs) -> dict[str, Region]:
    _, _, width, height = whole
    side = side_of(width, layout)
    crowded = needs.ranks + needs.nodes > height - _MOST_CURVES
    nodes = max(3, min(needs.nodes, height // 3))
    curves = 0 if crowded else _LEAST_CURVES
    ranks = max(_LEAST_RANKS, min(layout.top or needs.ranks, height - nodes - curves))
    if crowded:
        nodes = height - ranks
    else:
        curves = height - ranks - nodes
    places = {"ranks": Region(0, 0, side, ranks)}
    if curves:
        places["curves"] = Region(0, ranks, side, curves)
    places["nodes"] = Region(0, ranks + curves, side, nodes)
    lower = 0 if curves else height // 3
    upper = height - lower
    main = layout.main if layout.main not in (*places, "curves") else "log"
    above = 0 if _is_log(main) else upper // 2
    if above:
        places[main] = Region(side, 0, width - side, above)
    places |= _logs(Region(side, above, width - side, upper - above), layout)
    if lower:
        places["curves"] = Region(side, upper, width - side, lower)
    return places


def _narrow(whole: Region, layout: RunLayout, needs: Needs) -> dict[str, Region]:
    _, _, width, height = whole
    nodes = 0 if layout.main == "nodes" or height < 10 else 1
    usual = min(needs.ranks, max(_LEAST_RANKS, height * 30 // 100))
    ranks = max(_LEAST_RANKS, min(layout.top or usual, height - nodes - 3))
    places = {"ranks": Region(0, 0, width, ranks)}
    if nodes:
        places["nodes"] = Region(0, ranks, width, nodes)
    rest = Region(0, ranks + nodes, width, max(1, height - ranks - nodes))
    return {**places, **_main(rest, layout, places)}
