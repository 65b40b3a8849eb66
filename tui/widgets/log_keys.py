"""The keys of a log: one table for its bindings and for every list of keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.binding import Binding

if TYPE_CHECKING:
    from textual.binding import BindingType

LOG_KEYS: tuple[tuple[str, str, str], ...] = (
    ("up,k", "line(-1)", "Line up"),
    ("down,j", "line(1)", "Line down"),
    ("pageup", "page(-1)", "Page up"),
    ("pagedown,space", "page(1)", "Page down"),
    ("home,g", "begin", "Begin"),
    ("end,G", "end", "End and follow"),
    ("left", "shift(-8)", "Left"),
    ("right", "shift(8)", "Right"),
    ("f", "follow", "Follow"),
    ("w", "wrap", "Wrap"),
    ("#", "numbers", "Line numbers"),
    ("/", "search", "Search"),
    ("n", "match(False)", "Next match"),
    ("N", "match(True)", "Match before"),
    ("e", "error(False)", "Next error"),
    ("E", "error(True)", "Error before"),
)
"""(keys, action, description) of the log."""

_TOOLTIPS = {
    "line(-1)": "One line up; stops following",
    "page(-1)": "One page up; stops following",
    "begin": "To the first line; stops following",
    "end": "To the end of the log, and follow it",
    "follow": "Follow the end of the log, or stay where it is",
    "wrap": "Wrap long lines, or scroll sideways",
    "numbers": "Show or hide line numbers",
    "search": "Find a text; upper case makes case count, re: begins an expression",
    "match(True)": "The match before this one",
    "error(False)": "The next line that tells of an error",
    "error(True)": "The error before this place",
}
_FOOTER = ("follow", "search", "wrap", "error(False)")


def bindings() -> list[BindingType]:
    """The table as bindings with ids, for a user's keymap."""
    return [
        Binding(
            keys,
            action,
            description,
            id=f"log.{description.lower().replace(' ', '-')}",
            show=action in _FOOTER,
            tooltip=_TOOLTIPS.get(action, description),
        )
        for keys, action, description in LOG_KEYS
    ]
