"""Watch: a thread that reads one thing again and again and posts what has changed.

Each has a thread of its own, so that one that hangs on a dead file system keeps no other waiting.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual.message import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.message_pump import MessagePump

    from rankdeck.errors import UserError

_AFTER_FAILURE = 1.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read."""

    facts: object
    """The same object as before if nothing has changed."""
    pause: float
    """Seconds to wait before the next one; 0: none."""


class WatchFailed(Message, bubble=False):
    """What is watched cannot be read (any more)."""

    def __init__(self, error: UserError) -> None:
        super().__init__()
        self.error = error


class Watch:
    """Reads until it is ended."""

    def __init__(
        self,
        watcher: MessagePump,
        read: Callable[[], Reading],
        message: Callable[[Any], Message],
        told: Callable[[Exception], UserError],
    ) -> None:
        """Begin at once.

        Args:
            watcher: Who is told.
            read: Reads; called on the watch's thread only.
            message: Makes a message of facts.
            told: Makes an error for people of whatever `read` raises.
        """
        self._watcher = watcher
        self._read = read
        self._message = message
        self._told = told
        self._posted: object = None
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="deck-watch", daemon=True).start()

    def end(self) -> None:
        """Post nothing from now on; returns at once."""
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.is_set():
            began = time.monotonic()
            pause = self._step()
            # a slow file system is asked less often, so that reading never takes half a core
            pause = max(pause, 4 * (time.monotonic() - began)) if pause else 0.0
            self._ended.wait(pause)

    def _step(self) -> float:
        try:
            reading = self._read()
        except Exception as error:  # told on the screen; the thread must live on
            told = self._told(error)
            if told.message != self._posted:
                self._posted = told.message
                self._post(WatchFailed(told))
            return _AFTER_FAILURE
        if reading.facts is not self._posted:
            self._posted = reading.facts
            self._post(self._message(reading.facts))
        return reading.pause

    def _post(self, message: Message) -> None:
        # facts of what was watched before are no longer wanted
        if not self._ended.is_set():
            self._watcher.post_message(message)
