"""The interface under a pilot, and what its screen says."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from textual._context import visible_screen_stack

from rankdeck.run.store import RunStore
from tests.tui.fake_run import NOW
from tui.deck import Deck

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from textual.pilot import Pilot

WIDE = (120, 40)
SMALL = (80, 24)


def make_deck(home: Path, run_id: str | None = None, *, clock: float | None = NOW) -> Deck:
    """The app on a state directory; its clock stands still unless told otherwise."""
    store = RunStore(home)
    store.ensure()
    return Deck(store, run_id, clock=time.time if clock is None else lambda: clock)


def screen_text(deck: Deck) -> str:
    """What the user reads, line by line."""
    # else a dialog is drawn, and remembered, over whatever was drawn last in this context
    visible_screen_stack.set(deck._background_screens)
    strips = deck.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


async def until(pilot: Pilot[None], met: Callable[[], bool], timeout: float = 90.0) -> None:
    """Let the interface go on until something is so."""
    deadline = time.monotonic() + timeout
    while not met():
        if pilot.app._exception is not None:
            raise pilot.app._exception
        if time.monotonic() > deadline:
            raise AssertionError(f"it never came about:\n{screen_text(pilot.app)}")  # type: ignore[arg-type]
        await pilot.pause(0.02)


async def until_shown(pilot: Pilot[None], text: str, timeout: float = 90.0) -> None:
    """Let the interface go on until the screen says something."""
    await until(pilot, lambda: text in screen_text(pilot.app), timeout)  # type: ignore[arg-type]
