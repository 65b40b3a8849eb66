"""Keys of a log."""

from __future__ import annotations

from tui.keys.record import Key, Scope

_S = Scope

KEYS: tuple[Key, ...] = (
    Key(_S.LOG, "up,k", "line(-1)", "↑ k", "line up", "One line up; stops following."),
    Key(_S.LOG, "down,j", "line(1)", "↓ j", "line down", "Line down."),
    Key(_S.LOG, "pageup", "page(-1)", "pgup", "page up", "One page up; stops following."),
    Key(_S.LOG, "pagedown,space", "page(1)", "pgdn space", "page down", "Page down."),
    Key(_S.LOG, "home,g", "begin", "home g", "begin", "To the first line; stops following."),
    Key(_S.LOG, "end,G", "end", "end G", "end and follow", "To the end of the log, and follow it."),
    Key(_S.LOG, "left", "shift(-8)", "←", "left", "Left."),
    Key(_S.LOG, "right", "shift(8)", "→", "right", "Right."),
    Key(
        _S.LOG,
        "f",
        "follow",
        "f",
        "follow",
        "Follow the end of the log, or stay where it is.",
        bar=True,
    ),
    Key(_S.LOG, "w", "wrap", "w", "wrap", "Wrap long lines, or scroll sideways.", bar=True),
    Key(_S.LOG, "#", "numbers", "#", "line numbers", "Show or hide line numbers."),
    Key(
        _S.LOG,
        "/",
        "search",
        "/",
        "search",
        "Find a text; upper case makes case count, re: begins an expression.",
        bar=True,
    ),
    Key(_S.LOG, "n", "match(False)", "n", "next match", "Next match."),
    Key(_S.LOG, "N", "match(True)", "N", "match before", "The match before this one."),
    Key(
        _S.LOG,
        "e",
        "error(False)",
        "e",
        "next error",
        "The next line that tells of an error.",
        bar=True,
    ),
    Key(_S.LOG, "E", "error(True)", "E", "error before", "The error before this place."),
)
