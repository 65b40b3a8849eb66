"""Every key, once, as data: bindings, key bar, help screen and docs/keys.md come from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.binding import Binding


class Scope(str, Enum):
    """Where a key is valid; the value is the heading in the help."""

    EVERYWHERE = "Everywhere"
    RUNS = "Runs"
    TABLE = "Runs list"
    FORM = "New job"
    RUN = "Run"
    RANKS = "Rank grid"
    LOG = "Log"
    TEXT = "Events, failure, preview, help"
    CONFIRM = "Questions"
    SECRET = "Passphrases"
    HELP = "This help"


@dataclass(frozen=True, slots=True)
class Key:
    """One key and what it does."""

    scope: Scope
    keys: str
    """Textual's names, separated by commas."""
    action: str
    """Textual's action."""
    shown: str
    """How the key is written for people."""
    label: str
    """A word or two for the key bar."""
    help: str
    """What it does, for the help."""
    bar: bool = False
    """Whether the key bar shows it (the first ones win when there is no room)."""
    priority: bool = False
    """Whether it is tried before the focused widget."""


_S = Scope
_SIGNS = {"up": "↑", "down": "↓", "left": "←", "right": "→", "pageup": "pgup", "pagedown": "pgdn"}

_OWN: tuple[Key, ...] = (
    Key(_S.RUNS, "n", "new_job", "n", "new", "Describe a new job and start it.", bar=True),
    Key(_S.RUNS, "enter", "open", "enter", "open", "Open the run.", bar=True),
    Key(
        _S.RUNS,
        "r",
        "rerun",
        "r",
        "rerun",
        "Run the same job again: shows its plan and lets you change it first.",
        bar=True,
    ),
    Key(
        _S.RUNS,
        "s",
        "stop",
        "s",
        "stop",
        "Stop the run: TERM, the grace, KILL. Asks first.",
        bar=True,
    ),
    Key(_S.RUNS, "k,K", "kill", "k", "kill", "Kill the run, without grace. Asks first."),
    Key(
        _S.RUNS,
        "d",
        "delete",
        "d",
        "delete",
        "Delete a run that has ended, with its logs. Asks first.",
        bar=True,
    ),
    Key(
        _S.RUNS,
        "slash",
        "filter",
        "/",
        "filter",
        "Show only runs that contain all these words; esc shows all again.",
        bar=True,
    ),
    Key(_S.RUNS, "escape", "clear_filter", "esc", "all runs", "Show all runs again."),
    Key(_S.TABLE, "up", "cursor(-1)", "↑", "up", "The run above."),
    Key(_S.TABLE, "down", "cursor(1)", "↓", "down", "The run below."),
    Key(_S.TABLE, "pageup", "page(-1)", "pgup", "page up", "A page up."),
    Key(_S.TABLE, "pagedown", "page(1)", "pgdn", "page down", "A page down."),
    Key(_S.TABLE, "home,g", "edge(-1)", "home g", "first", "The newest run."),
    Key(_S.TABLE, "end,G", "edge(1)", "end G", "last", "The oldest run."),
    Key(
        _S.FORM,
        "ctrl+l",
        "launch",
        "ctrl+l",
        "launch",
        "Start the job; where something is wrong, go there instead.",
        bar=True,
        priority=True,
    ),
    Key(
        _S.FORM,
        "ctrl+n,ctrl+pagedown",
        "section(1)",
        "ctrl+n",
        "next part",
        "The next part of the form.",
        bar=True,
        priority=True,
    ),
    Key(
        _S.FORM,
        "ctrl+p,ctrl+pageup",
        "section(-1)",
        "ctrl+p",
        "previous part",
        "The previous part of the form.",
        bar=True,
        priority=True,
    ),
    Key(_S.FORM, "f2", "go('project')", "f2", "project", "Project: what to run."),
    Key(
        _S.FORM,
        "f3",
        "go('hyperparameters')",
        "f3",
        "hyperparameters",
        "Hyperparameters and environment.",
    ),
    Key(_S.FORM, "f4", "go('nodes')", "f4", "nodes", "Nodes: where to run."),
    Key(_S.FORM, "f5", "go('resources')", "f5", "resources", "Ranks, limits, restarts."),
    Key(
        _S.FORM,
        "f6",
        "go('preview')",
        "f6",
        "preview",
        "The plan as it would be executed, and everything that is wrong.",
        bar=True,
    ),
    Key(_S.FORM, "tab,down", "next_field", "tab ↓", "next field", "The next field."),
    Key(
        _S.FORM, "shift+tab,up", "previous_field", "shift+tab ↑", "previous", "The previous field."
    ),
    Key(
        _S.FORM,
        "ctrl+down",
        "choose(1)",
        "ctrl+↓",
        "next value",
        "The next value of a field that has a list of them.",
        priority=True,
    ),
    Key(
        _S.FORM,
        "ctrl+up",
        "choose(-1)",
        "ctrl+↑",
        "value before",
        "The value before it.",
        priority=True,
    ),
    Key(_S.FORM, "escape", "back", "esc", "back", "Leave the form; nothing is started.", bar=True),
    Key(_S.RUN, "1", "pane('ranks')", "1", "ranks", "The rank grid.", bar=True),
    Key(_S.RUN, "2", "pane('log')", "2", "log", "The log of the selected rank.", bar=True),
    Key(_S.RUN, "3", "pane('events')", "3", "events", "The run's history.", bar=True),
    Key(_S.RUN, "4", "pane('failure')", "4", "failure", "Who failed first, and why.", bar=True),
    Key(
        _S.RUN,
        "s",
        "stop",
        "s",
        "stop",
        "Stop the run: TERM, the grace, KILL. Asks first.",
        bar=True,
    ),
    Key(_S.RUN, "K", "kill", "K", "kill", "Kill the run, without grace. Asks first."),
    Key(
        _S.RUN,
        "r",
        "rerun",
        "r",
        "rerun",
        "Run the same job again: shows its plan and lets you change it first.",
        bar=True,
    ),
    Key(_S.RUN, "escape", "back", "esc", "back", "Back to the runs.", bar=True),
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


@cache
def all_keys() -> tuple[Key, ...]:
    """The whole table: ours and those that the grid and the log bring along."""
    from tui.widgets.log_keys import LOG_KEYS
    from tui.widgets.rank_grid import GRID_KEYS

    brought = [(_S.RANKS, key) for key in GRID_KEYS] + [(_S.LOG, key) for key in LOG_KEYS]
    return (
        *_OWN,
        *(
            Key(scope, keys, action, _written(keys), description.lower(), f"{description}.")
            for scope, (keys, action, description) in brought
        ),
    )


def _written(keys: str) -> str:
    return " ".join(_SIGNS.get(key, key) for key in keys.split(","))


def keys_of(*scopes: Scope) -> tuple[Key, ...]:
    """The keys of these scopes, scope by scope, in the table's order."""
    brought = not {Scope.RANKS, Scope.LOG}.isdisjoint(scopes)
    # a screen without a log does not import one for its keys
    table = all_keys() if brought else _OWN
    return tuple(key for scope in scopes for key in table if key.scope is scope)


def bindings(scope: Scope) -> list[Binding | tuple[str, str] | tuple[str, str, str]]:
    """The scope's keys as Textual takes them."""
    from textual.binding import Binding

    return [
        Binding(
            key.keys,
            key.action,
            key.label,
            show=key.bar,
            key_display=key.shown,
            priority=key.priority,
        )
        for key in keys_of(scope)
    ]


def _code(shown: str) -> str:
    return " ".join(f"`{word}`" for word in shown.split())


def markdown() -> str:
    """The table as a page of documentation."""
    lines = ["# Keys", "", "Made by `python docs/make_keys.py` from `tui/keys.py`."]
    for scope in Scope:
        of_scope = keys_of(scope)
        if of_scope:
            lines += ["", f"## {scope.value}", "", "| Key | |", "|--|--|"]
            lines += [f"| {_code(key.shown)} | {key.help} |" for key in of_scope]
    return "\n".join(lines) + "\n"
