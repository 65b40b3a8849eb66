"""The cells that each column of a table gets: a function of the columns and the table's width."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.widgets.row_table import Column


def share_room(columns: Sequence[Column], room: int) -> dict[str, int]:
    """Cells of each column that is shown at this width, in order.

    Args:
        columns: From left to right.
        room: Cells of the table.
    """
    shown = [column for column in columns if room >= column.from_width]
    left = room - 1 - sum(column.width + 1 for column in shown)
    shares = sum(column.share for column in shown)
    widths = {}
    for column in shown:
        extra = max(0, left) * column.share // shares if shares else 0
        if column.most:
            extra = min(extra, column.most - column.width)
        left -= extra
        shares -= column.share
        widths[column.name] = column.width + extra
    return widths
