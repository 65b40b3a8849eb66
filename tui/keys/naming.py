"""Names of keys: Textual's for dispatch (`question_mark`), short ones for people (`?`). Pure."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_MODIFIERS = ("ctrl", "alt", "shift")
_NAMED = frozenset(
    (
        *("up", "down", "left", "right", "home", "end", "pageup", "pagedown", "enter", "escape"),
        *("tab", "space", "backspace", "delete", "insert"),
        *(f"f{number}" for number in range(1, 25)),
    )
)
_SHORT = {
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "pageup": "pgup",
    "pagedown": "pgdn",
    "escape": "esc",
    "delete": "del",
    "insert": "ins",
}
_ALIASES = {
    "esc": "escape",
    "return": "enter",
    "pgup": "pageup",
    "pgdn": "pagedown",
    "del": "delete",
}
# where Textual's name is not that of Unicode in lower case
_TEXTUAL = {
    "solidus": "slash",
    "reverse_solidus": "backslash",
    "commercial_at": "at",
    "hyphen_minus": "minus",
    "plus_sign": "plus",
    "low_line": "underscore",
}


def textual_name(character: str) -> str:
    """`?` is `question_mark` to Textual; letters and digits are themselves."""
    if character.isalnum():
        return character
    name = unicodedata.name(character, "").lower().replace("-", "_").replace(" ", "_")
    return _TEXTUAL.get(name, name)


@cache
def _characters() -> dict[str, str]:
    """Textual's names of the printable characters of ASCII that are neither letter nor digit."""
    marks = (chr(code) for code in range(0x21, 0x7F))
    return {textual_name(mark): mark for mark in marks if not mark.isalnum()}


def normal_key(key: str) -> str:
    """A key as Textual names it, however it is written (`?`, `Ctrl+X`, `esc`)."""
    if len(key) == 1:
        return textual_name(key) if key != " " else "space"
    *modifiers, name = key.split("+") if not key.endswith("++") else [*key[:-2].split("+"), "+"]
    if len(name) > 1:
        name = _ALIASES.get(name.lower(), name.lower())
    elif "ctrl" in map(str.lower, modifiers):
        # a terminal cannot tell ctrl+X from ctrl+x
        name = textual_name(name).lower()
    else:
        name = textual_name(name)
    return "+".join((*(modifier.lower() for modifier in modifiers), name))


def normal_keys(keys: Iterable[str]) -> list[str]:
    """Keys as Textual names them."""
    return [normal_key(key) for key in keys]


def unknown_key(key: str) -> str:
    """What is wrong with the name of a key, given as Textual names it; empty: nothing."""
    *modifiers, name = key.split("+")
    for modifier in modifiers:
        if modifier not in _MODIFIERS:
            return f"{key}: {modifier} is not ctrl, alt or shift"
    if len(name) == 1 and name.isalnum():
        if "shift" in modifiers:
            return f"{key}: a terminal sends {name.upper()}; write that"
        return ""
    if name in _NAMED or name in _characters():
        return ""
    return f"{key} is not the name of a key; e.g. x, X, ctrl+x, f5, enter, question_mark"


def shown_key(key: str) -> str:
    """A key as people write it: `?`, `esc`, `ctrl+x`, `↑`."""
    *modifiers, name = key.split("+")
    name = _SHORT.get(name, _characters().get(name, name))
    return "+".join((*modifiers, name))


def shown_keys(keys: str) -> str:
    """Keys separated by commas, as people write them."""
    return " ".join(shown_key(key) for key in keys.split(","))
