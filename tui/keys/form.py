"""Keys of the form that describes a job."""

from __future__ import annotations

from tui.keys.record import Key, Scope

_S = Scope

KEYS: tuple[Key, ...] = (
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
)
