"""Where the user is and was, so that one key goes to the last place and back again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.screen import Screen


@dataclass(frozen=True, slots=True)
class Visited:
    """A screen, and how to come to an equal one when it has gone."""

    screen: Screen[None]
    again: Callable[[], Screen[None]]


class History:
    """The last two screens that can be gone to again."""

    def __init__(self) -> None:
        self._ways: dict[Screen[None], Callable[[], Screen[None]]] = {}
        self._here: Visited | None = None
        self._last: Visited | None = None

    def opened(self, screen: Screen[None], again: Callable[[], Screen[None]]) -> None:
        """Remember how a screen was made."""
        self._ways[screen] = again

    def knows(self, screen: Screen[Any]) -> bool:
        """Whether the screen could be made again, so that nothing is lost with it."""
        return screen in self._ways

    def came_to(self, screen: Screen[None]) -> None:
        """The user sees this screen now."""
        again = self._ways.get(screen)
        if again is None:
            return
        if self._here is not None and self._here.screen is not screen:
            self._last = self._here
        self._here = Visited(screen, again)

    def last(self, stack: list[Screen[Any]]) -> Visited | None:
        """The place before this one."""
        kept = {screen: way for screen, way in self._ways.items() if screen in stack}
        for visited in (self._here, self._last):
            if visited is not None:
                kept[visited.screen] = visited.again
        self._ways = kept
        return self._last
