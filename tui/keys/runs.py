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
)
