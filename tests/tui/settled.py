"""When the interface has done what a key or a message set off, however slow the machine is.

Textual's pilot goes by processor time: a program that gets none looks as if it had nothing to do.
"""

from __future__ import annotations

import asyncio
import concurrent.futures.thread as executor
import sys
import threading
import time
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

if TYPE_CHECKING:
    from types import FrameType

    from textual.app import App

_TURNS = 4
"""So many turns of the loop in a row nothing may be waiting to be done."""
_PATIENCE = 10.0
"""Seconds after which it is one of the screens on which there is always something to do."""
_earlier: WeakSet[threading.Thread] = WeakSet()
_OURS = ("clipboard", "deck-", "log-")


async def settle(app: App[Any]) -> None:
    """Let the loop go on until every key and message has been dealt with and all is painted."""
    deadline = time.monotonic() + _PATIENCE
    turns = 0
    while turns < _TURNS and app.is_running and not app._exit:
        if app._exception is not None or time.monotonic() > deadline:
            return
        turns = 0 if has_to_do(app) else turns + 1
        await asyncio.sleep(0 if turns else 0.002)


def has_to_do(app: App[Any]) -> bool:
    """Whether a key or a message waits, or something is to be painted."""
    order = getattr(app, "_key_order", None)
    if order is not None and order._open:
        return True
    if not app.screen_stack:
        return False
    screen = app.screen
    if (
        screen._layout_required
        or screen._scroll_required
        or screen._repaint_required
        or screen._recompose_required
        or screen._dirty_widgets
        or screen._callbacks
    ):
        return True
    return any(
        node.message_queue_size or node._pending_message is not None or node._next_callbacks
        for node in (app, *app._registry)
        if node.is_running
    )


def forget_threads() -> None:
    """Threads that are there are of earlier tests; one on a hung disk never rests."""
    _earlier.clear()
    _earlier.update(threading.enumerate())


def threads_rest() -> bool:
    """Whether every thread of the interface of this test waits for something to do."""
    frames = sys._current_frames()
    threads = set(threading.enumerate()) - set(_earlier)
    ours = [one for one in threads if one.name.startswith(_OURS)]
    return all(_waits(frames.get(one.ident or 0)) for one in ours)


def _waits(frame: FrameType | None) -> bool:
    if frame is None:
        return False
    where = (frame.f_code.co_filename, frame.f_code.co_name)
    # the second is a thread of an executor: the queue it takes its work from is no Python
    return where in ((threading.__file__, "wait"), (executor.__file__, "_worker"))
