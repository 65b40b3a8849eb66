"""The door to the terminal interface. Imports textual only when the interface is opened."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def run_deck(home: Path, run_id: str | None = None) -> None:
    """Open the interface on the runs list, or on one run; returns when the user quits.

    Raises:
        UserError: The state directory cannot be used.
        SystemExit: A signal ended the interface.
    """
    from rankdeck.run.store import RunStore
    from tui.environment import prepare_environment

    prepare_environment(os.environ)
    store = RunStore(home)
    store.ensure()
    from tui.deck import Deck

    deck = Deck(store, run_id)
    deck.run()
    if deck.farewell and not deck.return_code:
        sys.stdout.write(deck.farewell + "\n")
    if deck.return_code:
        sys.exit(deck.return_code)
