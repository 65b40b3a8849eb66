"""The door to the terminal interface. Imports textual only when the interface is opened."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tui.keys.keymap import Keymap


def run_deck(home: Path, run_id: str | None = None, *, read_only: bool = False) -> None:
    """Open the interface on the runs list, or on one run; returns when the user quits.

    Args:
        home: The state directory.
        run_id: The run to show first.
        read_only: Refuse everything that changes something, whatever the settings say.

    Raises:
        UserError: The state directory cannot be used.
        SystemExit: A signal ended the interface.
        Exception: An error in the interface itself; the terminal is as it was before.
    """
    from rankdeck.config.folder import config_folder
    from rankdeck.config.settings import load_settings
    from rankdeck.run.store import RunStore
    from tui.environment import prepare_environment, prepare_threads
    from tui.keys import use_keymap

    prepare_environment(os.environ)
    prepare_threads()
    store = RunStore(home)
    store.ensure()
    folder = config_folder()
    loaded = load_settings(folder, os.environ)
    keymap = load_keymap(folder)
    # before any screen is imported: its bindings are made of the table then
    use_keymap(keymap.keys)
    from tui.deck import Deck

    problems = (*loaded.problems, *keymap.problems)
    deck = Deck(store, run_id, settings=loaded.settings, problems=problems, read_only=read_only)
    deck.run(mouse=loaded.settings.mouse)
    if deck.crash is not None:
        raise deck.crash
    if deck.farewell and not deck.return_code:
        sys.stdout.write(deck.farewell + "\n")
    if deck.return_code:
        sys.exit(deck.return_code)


def load_keymap(folder: Path) -> Keymap:
    """The user's own keys, checked; reads nothing more where there are none."""
    from tui.keys.keymap import FILE, read_keymap

    return read_keymap(folder / FILE)


def key_rows(folder: Path) -> tuple[tuple[str, str, str], ...]:
    """Every key: its id, its keys, what it does; the user's own ones count."""
    from tui.keys import all_keys, use_keymap

    use_keymap(load_keymap(folder).keys)
    return tuple((key.id, key.keys, key.help) for key in all_keys())
