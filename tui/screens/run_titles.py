"""What stands above the panes of a run. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.looks import Line, Piece, safe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rankdeck.run.view import RankView
    from tui.widgets.rank_grid import RankGrid


def pane_title(mark: str, name: str, line: Line, *, zoomed: bool = False) -> Line:
    """`2 log · rank 0`: number and name, so that no figure is taken for the number.

    Args:
        mark: One character before it.
        name: Number and name.
        line: What it is about.
        zoomed: Whether it has the screen for itself.
    """
    title: Line = ((mark, "key"), (f"{name} · zoomed" if zoomed else name, "bold"))
    if not line:
        return title
    text, style = line[0]
    return (*title, (f" · {text}", style), *line[1:])


def grid_title(grid: RankGrid, ranks: Sequence[RankView]) -> Line:
    """What the glyphs of the grid tell, and which rank its cursor is on."""
    pieces: list[Piece] = [(f"by {grid.mode.value}", "")]
    if grid.folded:
        # before the rank: else a glyph is taken for a rank
        pieces.append((", one a node", ""))
    if grid.selected < len(ranks):
        rank = ranks[grid.selected]
        pieces.append((f" · rank {rank.rank}", "bold"))
        pieces.append((f" {safe(rank.node)}:{rank.local_rank}", ""))
        pieces.append((f" {rank.state.value}", ""))
    return tuple(pieces)
