"""LogReader: the thread on which one log pane reads, so that a hung file system stops no key.

The pane sends intents; the thread does them in order, lays out a page and posts it. Intents that
later ones make pointless are dropped, and moves are added up, so the thread is never behind by
more than what it is doing.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.log_work import LogWork

_POST_EVERY = 0.1
"""Seconds between pages that only tell how far counting has come."""


class Act(Protocol):
    """What an intent does, on the reader's thread."""

    def __call__(self, work: LogWork, amount: int, /) -> object:
        """Do it."""


@dataclass(frozen=True, slots=True)
class Intent:
    """Something the user or the clock wants of the reader."""

    kind: str
    """`open`, `look`, `resize`, `poll`, `place`, `move`, …: decides what it supersedes."""
    act: Act
    amount: int = 0
    """For kinds that add up."""


_ADD_UP = frozenset({"move", "select-move"})
_LATEST = frozenset({"poll", "resize", "look", "select", "keep"})
_QUIET = frozenset({"copy", "save", "outside", "seek", "retarget", "probe", "recall", "keep"})
"""These change nothing on the screen."""
_SUPERSEDES = {
    "open": frozenset({"open", "place", "move", "select-move", "select", "poll"}),
    "place": frozenset({"place", "move"}),
}


def queued(pending: tuple[Intent, ...], intent: Intent) -> tuple[Intent, ...]:
    """The intents to be done after another one has come."""
    kind = intent.kind
    if kind in _SUPERSEDES:
        gone = _SUPERSEDES[kind]
        return (*(one for one in pending if one.kind not in gone), intent)
    if kind in _ADD_UP and pending and pending[-1].kind == kind:
        return (*pending[:-1], replace(intent, amount=pending[-1].amount + intent.amount))
    if kind in _LATEST:
        return (*(one for one in pending if one.kind != kind), intent)
    return (*pending, intent)


def next_ones(pending: tuple[Intent, ...]) -> tuple[tuple[Intent, ...], tuple[Intent, ...]]:
    """What to do now, and what then: looking for news waits until the user has been served."""
    first = tuple(one for one in pending if one.kind != "poll")
    return (first, tuple(one for one in pending if one.kind == "poll")) if first else (pending, ())


class LogReader:
    """One daemon thread and the log it reads."""

    def __init__(self, make: Callable[[], LogWork], post: Callable[[LogReader, object], None]):
        """Begin at once.

        Args:
            make: Makes what the thread works on, on the thread.
            post: Takes pages and whatever else was found; called on the thread.
        """
        self._make = make
        self._post = post
        self._pending: tuple[Intent, ...] = ()
        self._wanted = threading.Condition()
        self._ended = False
        self._since: float | None = None
        self._page: object = None
        threading.Thread(target=self._run, name="log-reader", daemon=True).start()

    def send(self, intent: Intent) -> None:
        """Have something done; returns at once."""
        with self._wanted:
            self._pending = queued(self._pending, intent)
            self._wanted.notify()

    def end(self) -> None:
        """Post nothing more, and end as soon as the file system lets go."""
        with self._wanted:
            self._ended = True
            self._pending = ()
            self._wanted.notify()

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do and nothing being done."""
        with self._wanted:
            return not self._pending and self._since is None

    @property
    def stuck_for(self) -> float:
        """Seconds that the present step has taken."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since

    def _run(self) -> None:
        work = self._make()
        posted_at, stale = 0.0, False
        while True:
            with self._wanted:
                while not self._pending and not self._ended and not work.unfinished and not stale:
                    self._since = None
                    self._wanted.wait()
                if self._ended:
                    break
                intents, self._pending = next_ones(self._pending)
                self._since = time.monotonic()
            counting = work.unfinished
            for intent in intents:
                work.attempt(partial(intent.act, work, intent.amount))
                self._since = time.monotonic()
                stale = stale or (work.news if intent.kind == "poll" else intent.kind not in _QUIET)
            if not intents and not stale:
                work.attempt(work.count_some)
            for found in work.take_found():
                self._hand_over(found)
            if stale and self._hurried and all(intent.kind == "poll" for intent in intents):
                continue
            now = time.monotonic()
            counted = counting and (not work.unfinished or now - posted_at >= _POST_EVERY)
            if stale or work.searching or counted:
                posted_at, stale = now, False
                self._post_page(work)
        work.close()

    @property
    def _hurried(self) -> bool:
        """Whether the user waits for something else than what has been read."""
        return any(intent.kind != "poll" for intent in self._pending)

    def _post_page(self, work: LogWork) -> None:
        page = work.page()
        if page != self._page:
            self._page = page
            self._hand_over(page)

    def _hand_over(self, found: object) -> None:
        if not self._ended:
            self._post(self, found)
