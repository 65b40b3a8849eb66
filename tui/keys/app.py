"""Keys that every screen has, those of pages of text, of questions and of the help."""

from __future__ import annotations

from tui.keys.record import Key, Scope

_S = Scope

KEYS: tuple[Key, ...] = (
    Key(
        _S.EVERYWHERE,
        "question_mark,f1",
        "help",
        "? f1",
        "help",
        "These keys (f1 while a field is being typed into).",
        bar=True,
    ),
    Key(
        _S.EVERYWHERE,
        "q,ctrl+q",
        "leave",
        "q",
        "quit",
        "Leave Rankdeck; the runs go on (ctrl+q while a field is being typed into).",
        bar=True,
    ),
    Key(_S.TEXT, "up", "scroll_up", "↑", "up", "A line up."),
    Key(_S.TEXT, "down", "scroll_down", "↓", "down", "A line down."),
    Key(_S.TEXT, "pageup", "page_up", "pgup", "page up", "A page up."),
    Key(_S.TEXT, "pagedown", "page_down", "pgdn", "page down", "A page down."),
    Key(_S.TEXT, "home", "scroll_home", "home", "first", "The beginning."),
    Key(_S.TEXT, "end", "scroll_end", "end", "last", "The end."),
    Key(_S.CONFIRM, "y", "answer(True)", "y", "yes", "Yes, do it.", bar=True),
    Key(_S.CONFIRM, "n,escape", "answer(False)", "n esc", "no", "No, go back.", bar=True),
    Key(_S.SECRET, "enter", "give", "enter", "give it", "Give what has been typed.", bar=True),
    Key(_S.SECRET, "escape", "give_none", "esc", "none", "Go on without it.", bar=True),
    Key(_S.HELP, "escape,q,question_mark,f1", "dismiss", "esc q ?", "close", "Close the help."),
)
