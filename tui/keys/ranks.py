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
    Key(_S.RANKS, "enter", "open", "enter", "log", "Go to the log of this rank.", bar=True),
    Key(
        _S.RANKS,
        "slash",
        "find",
        "/",
        "find",
        "Find a rank by its number, a state, silent, a node's name, or node:local rank.",
        bar=True,
    ),
    Key(_S.RANKS, "n", "found(False)", "n", "next found", "The next rank that was looked for."),
    Key(_S.RANKS, "N", "found(True)", "N", "found before", "The one before it."),
    Key(
        _S.RANKS,
        "e",
        "trouble(False)",
        "e",
        "trouble",
        "The next rank that has failed, is lost or silent, or stands out in this view.",
        bar=True,
    ),
    Key(_S.RANKS, "E", "trouble(True)", "E", "trouble before", "The one before it."),
    Key(
        _S.RANKS,
        "v",
        "mode",
        "v",
        "view",
        "Show ranks by state, by step lag, by the age of the last line, or by load.",
        bar=True,
    ),
    Key(
        _S.RANKS,
        "c",
        "fold",
        "c",
        "compact",
        "One glyph for each node (its most urgent rank), or one for each rank.",
        bar=True,
    ),
)
