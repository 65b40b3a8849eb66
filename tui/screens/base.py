"""What every screen has: the app in its own type, the clock, and the keys of its scope."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.screen import Screen

if TYPE_CHECKING:
    from tui.controller import Controller
    from tui.deck import Deck


class DeckScreen(Screen[None]):
    """A screen of the deck."""

    AUTO_FOCUS = ""

    @property
    def deck(self) -> Deck:
        """The app."""
        return cast("Deck", self.app)

    @property
    def controller(self) -> Controller:
        """The door to the runs."""
        return self.deck.controller

    @property
    def on_top(self) -> bool:
        """Whether nothing lies above it; what is covered need not keep up."""
        return self.app.screen is self

    def now(self) -> float:
        """The time, by a clock that pictures can stop."""
        return self.deck.clock()
