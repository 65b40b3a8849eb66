"""Keys of the screen of one run, whichever of its panes has the focus."""

from __future__ import annotations

from tui.keys.record import Key, Scope

_S = Scope

KEYS: tuple[Key, ...] = (
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
)
