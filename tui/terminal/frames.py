"""Frames: when a screen is painted: at once after a pause, else no more often than is of use.

Textual's own timer waits one to two of its periods after every frame, so that the answer to a key
that comes just after a frame is late by as much.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from textual import constants
from textual.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.timer import Timer

_ANSWER_WITHIN = 0.3
"""Seconds after a key in which frames are taken for answers to it."""
_ANSWERS = 1 / 120
"""Seconds between two frames then."""


class Frames:
    """Paints one screen when asked to, like the timer that Textual has for it."""

    def __init__(self, paint: Callable[[], None], last_key: Callable[[], float]) -> None:
        """Begin with nothing to be painted.

        Args:
            paint: Paints; called on the loop that `resume` is called on.
            last_key: When a key was sent last, by the loop's clock.
        """
        self._paint = paint
        self._last_key = last_key
        self._painted = float("-inf")
        self._waiting: asyncio.Handle | None = None

    def resume(self) -> None:
        """There is something to paint."""
        if self._waiting is not None:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        period = 1 / constants.MAX_FPS
        if now - self._last_key() < _ANSWER_WITHIN:
            period = min(period, _ANSWERS)
        self._waiting = loop.call_at(max(now, self._painted + period), self._frame)

    def pause(self) -> None:
        """It has been painted, or is no longer to be."""
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _frame(self) -> None:
        self._waiting = None
        self._painted = asyncio.get_running_loop().time()
        self._paint()


class PacedScreen(Screen[None]):
    """A screen with frames of its own."""

    _frames: Frames | None = None

    @property
    def _update_timer(self) -> Timer:
        if self._frames is None:
            self._frames = Frames(self._paint_frame, self._last_key)
        return cast("Timer", self._frames)

    def _last_key(self) -> float:
        last: Any = getattr(self.app, "last_key", float("-inf"))
        return cast("float", last)

    def _paint_frame(self) -> None:
        if not self.is_attached:
            return
        try:
            self._on_timer_update()
        except Exception as error:  # as the library does with what its timers raise
            self.app._handle_exception(error)
