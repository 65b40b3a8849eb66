"""The one door from the command line to the terminal interface."""

from __future__ import annotations

from rankdeck.run.layout import rankdeck_home


def open_deck(run_id: str | None) -> None:
    """Open the interface, on the runs list or on one run; returns when the user quits."""
    # textual takes longer to import than every other command takes to run
    from tui.app import run_deck

    run_deck(rankdeck_home(), run_id)
