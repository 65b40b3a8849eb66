"""Keys of the list of runs."""

from __future__ import annotations

from tui.keys.record import Key, Scope

_S = Scope

KEYS: tuple[Key, ...] = (
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
        "Stop the marked runs, or this one: TERM, the grace, KILL. Asks first.",
        bar=True,
        writes=True,
    ),
    Key(
        _S.RUNS,
        "d",
        "delete",
        "d",
        "delete",
        "Delete the marked runs, or this one, with their logs, if they have ended. Asks first.",
        bar=True,
        writes=True,
    ),
    Key(
        _S.RUNS,
        "slash",
        "filter",
        "/",
        "filter",
        "Show only some runs: words, !not, re:expression, state:failed, node:n3, age:<2d …",
        bar=True,
    ),
    Key(_S.RUNS, "t", "templates", "t", "templates", "Jobs kept under a name.", bar=True),
    Key(_S.RUNS, "N", "nodes", "N", "nodes", "The nodes there are, and who uses them.", bar=True),
    Key(
        _S.RUNS,
        "i",
        "details",
        "i",
        "details",
        "Show or hide the details of the run; on a small screen, show them over the list.",
        bar=True,
    ),
    Key(_S.RUNS, "K", "kill", "K", "kill", "Kill them, without grace. Asks first.", writes=True),
    Key(
        _S.RUNS,
        "c",
        "compare",
        "c",
        "compare",
        "What differs between the jobs of two marked runs, or of a marked one and this.",
    ),
    Key(_S.RUNS, "y", "copy_id", "y", "copy id", "Copy the id of the run, or of those marked."),
    Key(
        _S.RUNS,
        "Y",
        "copy_attach",
        "Y",
        "copy attach",
        "Copy the command that opens the run in another terminal.",
    ),
    Key(
        _S.RUNS,
        "escape",
        "clear_filter",
        "esc",
        "all runs",
        "Show all runs again; where all are shown, unmark them.",
    ),
)
