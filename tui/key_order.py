"""Keys in the order in which they were typed, each sent only when the one before has done its work.

Textual sends a key to the widget that has the focus when the key is read. Where several arrive at
once (a fast typist over a slow line, a paste, a macro) a tab has not moved the focus yet when the
next ones are read, and they go to the field before it.

After a key a fence is sent the same way: to the widget that got it and, as every message, up to
the app. When it has come through twice, everything that the key set off in between has been done.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from textual.message import Message

if TYPE_CHECKING:
    from textual import events
    from textual.app import App
    from textual.message_pump import MessagePump
    from textual.screen import Screen

_ROUNDS = 2
_PATIENCE = 0.5
"""A fence that is lost, because its widget was, is waited for no longer than this."""
_LOOKS = 10
"""In so many parts: of a moment in which the whole program stood still only one counts."""


class Fence(Message, bubble=True, verbose=True):
    """Follows a key through the same queues."""

    def __init__(self, number: int, round_: int) -> None:
        super().__init__()
        self.number = number
        self.round = round_


class KeyOrder:
    """What has been typed and not been sent yet."""

    def __init__(self, app: App[None]) -> None:
        self._app = app
        self._waiting: deque[events.Key | events.Paste] = deque()
        self._number = 0
        self._open = False
        self._target: MessagePump | None = None
        self._screen: Screen[Any] | None = None
        self._next: events.Key | events.Paste | None = None
        self._timer: asyncio.TimerHandle | None = None

    def hold(self, event: events.Key | events.Paste) -> bool:
        """Whether the event has to wait for an earlier one; it is sent again when that is done."""
        if self._open and event is not self._next:
            self._waiting.append(event)
            return True
        self._open, self._next = True, None
        self._number += 1
        self._target = self._app.focused or self._app.screen
        self._screen = self._app.screen
        return False

    def sent(self) -> None:
        """The event that was not held has been sent on its way."""
        self._send(1)
        self._wait(self._number, _LOOKS)

    def passed(self, fence: Fence) -> None:
        """A fence has come through."""
        if fence.number != self._number or not self._open or self._next is not None:
            return
        if self._app.screen is not self._screen:
            # a screen that was opened has to be ready, too
            self._screen = self._target = self._app.screen
            self._send(1)
        elif fence.round < _ROUNDS:
            self._send(fence.round + 1)
        else:
            self._done()

    def _send(self, round_: int) -> None:
        target = self._target
        if target is None or not target.is_attached:
            target = self._app.screen
        if not target.post_message(Fence(self._number, round_)):
            self._app.call_later(self._give_up, self._number)

    def _wait(self, number: int, looks: int) -> None:
        if looks == 0:
            self._give_up(number)
            return
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_PATIENCE / _LOOKS, self._wait, number, looks - 1)

    def _give_up(self, number: int) -> None:
        if self._open and number == self._number and self._next is None:
            self._done()

    def _done(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting:
            # open still: what is read meanwhile stays behind it
            self._next = self._waiting.popleft()
            self._app.post_message(self._next)
        else:
            self._open = False
