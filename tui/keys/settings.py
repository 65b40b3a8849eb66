"""Keys of settings and the command log."""

from __future__ import annotations

from tui.keys.record import Key, Scope

_S = Scope

KEYS: tuple[Key, ...] = (
    Key(
        _S.SETTINGS,
        "enter,right,l",
        "change(1)",
        "enter → l",
        "change",
        "Turn it on or off, take the next value, or type another one.",
        bar=True,
    ),
    Key(_S.SETTINGS, "left,h", "change(-1)", "← h", "value before", "The value before this one."),
    Key(
        _S.SETTINGS,
        "e",
        "edit",
        "e",
        "edit the file",
        "Open the file that the row is about in $EDITOR.",
        bar=True,
    ),
    Key(
        _S.SETTINGS,
        "R",
        "reload",
        "R",
        "read again",
        "Read the files again: what they say holds at once, keys too.",
        bar=True,
    ),
    Key(_S.SETTINGS, "d", "reset", "d", "default", "Back to the default.", bar=True),
    Key(_S.SETTINGS, "y", "copy", "y", "copy the path", "Copy the path of the file.", bar=True),
    Key(_S.SETTINGS, "escape", "back", "esc", "back", "Back to where you came from.", bar=True),
    Key(
        _S.COMMANDS,
        "y",
        "copy",
        "y",
        "copy",
        "Copy the marked commands, or this one, as a shell takes them.",
        bar=True,
    ),
    Key(
        _S.COMMANDS,
        "slash",
        "filter",
        "/",
        "filter",
        "Show only commands with these words; `!word`: without it.",
        bar=True,
    ),
    Key(_S.COMMANDS, "enter", "full", "enter", "in full", "Scroll the whole command.", bar=True),
    Key(_S.COMMANDS, "R", "reload", "R", "read again", "Read the files again.", bar=True),
    Key(
        _S.COMMANDS,
        "escape",
        "back",
        "esc",
        "back",
        "Show every command again; then back to where you came from.",
        bar=True,
    ),
)
