"""The one door from the command line to the terminal interface."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.run.layout import rankdeck_home

if TYPE_CHECKING:
    from pathlib import Path

    from rankdeck.errors import Problem


def open_deck(run_id: str | None, *, read_only: bool = False) -> None:
    """Open the interface, on the runs list or on one run; returns when the user quits."""
    # textual takes longer to import than every other command takes to run
    from tui.app import run_deck

    run_deck(rankdeck_home(), run_id, read_only=read_only)


def keymap_problems(folder: Path) -> tuple[Problem, ...]:
    """What in the user's keymap does not count."""
    from tui.app import load_keymap

    return load_keymap(folder).problems


def key_rows(folder: Path) -> tuple[tuple[str, str, str], ...]:
    """Every key of the interface: its id, its keys, what it does; the user's own ones count."""
    from tui.app import key_rows as rows

    return rows(folder)
