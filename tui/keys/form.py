"""Keys of the form that describes a job, and of its preview."""

from __future__ import annotations

from tui.keys.record import Key, Scope

_F, _P = Scope.FORM, Scope.PLAN


def _form(
    keys: str,
    action: str,
    shown: str,
    label: str,
    text: str,
    *,
    bar: bool = False,
    writes: bool = False,
) -> Key:
    # all of them come before the field: keys that arrive in one burst must not overtake each other
    return Key(_F, keys, action, shown, label, text, bar=bar, priority=True, writes=writes)


KEYS: tuple[Key, ...] = (
    _form(
        "ctrl+l",
        "launch",
        "ctrl+l",
        "launch",
        "Start the job; where something is wrong, go there instead.",
        bar=True,
        writes=True,
    ),
    _form(
        "ctrl+o",
        "start_from",
        "ctrl+o",
        "start from",
        "Begin from a template, an earlier run, a job.yaml, a command line, or what was typed last"
        " time.",
        bar=True,
    ),
    _form(
        "ctrl+k",
        "check",
        "ctrl+k",
        "check",
        "Look at every node the job would use, and say beside the fields what was found; again:"
        " give up.",
        bar=True,
    ),
    _form("ctrl+n,ctrl+pagedown", "section(1)", "ctrl+n", "next part", "The next part.", bar=True),
    _form("f6", "go('preview')", "f6", "preview", "The plan, and everything wrong.", bar=True),
    _form(
        "ctrl+r",
        "old_value",
        "ctrl+r",
        "as before",
        "Put back what the field was in the last run of the project.",
        bar=True,
    ),
    _form(
        "ctrl+s", "save_job", "ctrl+s", "save", "Save the job as a job.yaml.", bar=True, writes=True
    ),
    _form(
        "ctrl+t", "save_template", "ctrl+t", "template", "Save the job as a template.", writes=True
    ),
    _form("ctrl+pageup", "section(-1)", "ctrl+pgup", "part before", "The part before."),
    _form("f2", "go('project')", "f2", "project", "Project: what to run."),
    _form("f3", "go('hyperparameters')", "f3", "hyperparameters", "Hyperparameters, environment."),
    _form("f4", "go('nodes')", "f4", "nodes", "Nodes: where to run."),
    _form("f5", "go('resources')", "f5", "resources", "Ranks, limits, restarts."),
    _form("f7", "old_values", "f7", "all as before", "Put back every value of the last run."),
    _form("tab,down", "next_field", "tab ↓", "next field", "The next field, of any part."),
    _form("shift+tab,up", "previous_field", "shift+tab ↑", "previous", "The field before."),
    _form(
        "enter",
        "open_field",
        "enter",
        "choose",
        "A list of the field's values, of paths, or the nodes to choose from; else the next field.",
    ),
    _form(
        "ctrl+down",
        "choose(1)",
        "ctrl+↓",
        "next value",
        "The next value of a field that has a list of them (space: switch on or off).",
    ),
    _form("ctrl+up", "choose(-1)", "ctrl+↑", "value before", "The value before it."),
    _form("ctrl+e", "nodes", "ctrl+e", "pick nodes", "Choose the nodes from a list."),
    _form(
        "ctrl+x", "edit", "ctrl+x", "editor", "Edit the field's text in $EDITOR, for long values."
    ),
    _form("ctrl+z", "undo", "ctrl+z", "undo", "Take back what was typed last into the field."),
    _form("ctrl+y", "redo", "ctrl+y", "redo", "Type again what was taken back."),
    Key(
        _F,
        "escape",
        "back",
        "esc",
        "back",
        "Leave the form; nothing is started, and what was typed is kept.",
        bar=True,
    ),
    Key(_P, "up,k", "move(-1)", "↑ k", "up", "The line above."),
    Key(_P, "down,j", "move(1)", "↓ j", "down", "The line below."),
    Key(_P, "pageup", "page(-1)", "pgup", "page up", "A page up."),
    Key(_P, "pagedown", "page(1)", "pgdn", "page down", "A page down."),
    Key(_P, "home,g", "first", "home g", "first", "The beginning."),
    Key(_P, "end,G", "last", "end G", "last", "The end."),
    Key(_P, "right_square_bracket", "node(1)", "]", "next node", "The next node."),
    Key(_P, "left_square_bracket", "node(-1)", "[", "node before", "The node before."),
    Key(
        _P,
        "enter",
        "choose",
        "enter",
        "go there",
        "Go to the field that the line is about.",
    ),
    Key(_P, "slash", "want('search')", "/", "search", "Search in the preview."),
    Key(_P, "n", "next_found(1)", "n", "next", "The next line that was searched for."),
    Key(_P, "N", "next_found(-1)", "N", "previous", "The line before that was searched for."),
    Key(
        _P,
        "y",
        "want('copy')",
        "y",
        "copy",
        "Copy the node's part as a script; above the nodes: the whole preview.",
    ),
    Key(_P, "Y", "want('copy_all')", "Y", "copy all", "Copy the whole preview."),
    Key(
        _P,
        "w",
        "want('export')",
        "w",
        "write",
        "Write the scripts of all nodes to a folder.",
        writes=True,
    ),
    Key(_P, "z", "want('in_full')", "z", "in full", "Every node in full, or only what differs."),
)
