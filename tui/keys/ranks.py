"""Keys of the grid of ranks."""

from __future__ import annotations

from tui.keys.record import Key, Scope

_S = Scope

KEYS: tuple[Key, ...] = (
    Key(_S.RANKS, "left,h", "move(-1, 0)", "← h", "rank before", "Rank before."),
    Key(_S.RANKS, "right,l", "move(1, 0)", "→ l", "next rank", "Next rank."),
    Key(_S.RANKS, "up,k", "move(0, -1)", "↑ k", "row up", "Row up."),
    Key(_S.RANKS, "down,j", "move(0, 1)", "↓ j", "row down", "Row down."),
    Key(_S.RANKS, "pageup", "page(-1)", "pgup", "page up", "Page up."),
    Key(_S.RANKS, "pagedown", "page(1)", "pgdn", "page down", "Page down."),
    Key(_S.RANKS, "home,g", "edge(-1)", "home g", "first rank", "First rank."),
    Key(_S.RANKS, "end,G", "edge(1)", "end G", "last rank", "Last rank."),
    Key(_S.RANKS, "enter", "open", "enter", "open the log", "Open the log.", bar=True),
)
