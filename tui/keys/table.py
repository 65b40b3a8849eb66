"""Keys of every table: runs, nodes, templates, workspaces, commands."""

from __future__ import annotations

from tui.keys.record import Key, Scope

_S = Scope

KEYS: tuple[Key, ...] = (
    Key(_S.TABLE, "up,k", "cursor(-1)", "↑ k", "up", "The row above."),
    Key(_S.TABLE, "down,j", "cursor(1)", "↓ j", "down", "The row below."),
    Key(_S.TABLE, "pageup,ctrl+b", "page(-1)", "pgup ctrl+b", "page up", "A page up."),
    Key(_S.TABLE, "pagedown,ctrl+f", "page(1)", "pgdn ctrl+f", "page down", "A page down."),
    Key(_S.TABLE, "home,g", "edge(-1)", "home g", "first", "The first row."),
    Key(_S.TABLE, "end,G", "edge(1)", "end G", "last", "The last row."),
    Key(_S.TABLE, "space", "mark", "space", "mark", "Mark the row, or unmark it."),
    Key(
        _S.TABLE,
        "ctrl+@,ctrl+space",
        "mark_range",
        "ctrl+space",
        "mark to here",
        "Mark every row from the last marked one to this one.",
    ),
    Key(_S.TABLE, "ctrl+a", "mark_all", "ctrl+a", "mark all", "Mark every row, or none."),
    Key(
        _S.TABLE,
        "o,greater_than_sign",
        "sort(1)",
        "o >",
        "sort",
        "Sort by the next column that can be sorted by; after the last, as it was.",
    ),
    Key(_S.TABLE, "less_than_sign", "sort(-1)", "<", "sort back", "Sort by the column before."),
    Key(_S.TABLE, "O", "turn", "O", "turn round", "Turn the order round."),
)
