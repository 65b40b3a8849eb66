"""What every screen has: the app in its own type, the clock, its place in the trail, a way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from tui.terminal.frames import PacedScreen

if TYPE_CHECKING:
    from tui.controller import Controller
    from tui.deck import Deck


class DeckScreen(PacedScreen):
    """A screen of the deck."""

    AUTO_FOCUS = ""

    @property
    def useless(self) -> frozenset[str]:
        """Actions that could only say why nothing comes of them; the key bar leaves them out."""
        return frozenset()

    @property
    def deck(self) -> Deck:
        """The app."""
        return cast("Deck", self.app)

    @property
    def controller(self) -> Controller:
        """The door to the runs."""
        return self.deck.controller

    @property
    def is_there(self) -> bool:
        """Whether it is there with all its parts; what was asked for may be heard after that."""
        return self.is_attached and not self._closing and not self._pruning

    @property
    def on_top(self) -> bool:
        """Whether nothing lies above it; what is covered need not keep up."""
        return self.app.screen is self

    @property
    def trail(self) -> tuple[str, ...]:
        """What the screens below this one are called, from the first."""
        from tui.widgets.bars import TitleBar

        stack = self.app.screen_stack
        below = stack[: stack.index(self)] if self in stack else stack[:-1]
        titles = (bar for screen in below for bar in screen.query(TitleBar))
        return tuple(title.crumb for title in titles if title.crumb)

    def on_screen_resume(self) -> None:
        """Tell the deck where the user is."""
        self.deck.came_to(self)

    def now(self) -> float:
        """The time, by a clock that pictures can stop."""
        return self.deck.clock()

    def action_back(self) -> None:
        """Back to the screen below."""
        if self.on_top and len(self.app.screen_stack) > 1:
            self.dismiss()
