"""Seek and Count: looking through a log on threads of their own, so that reading goes on meanwhile.

Both are begun on the reader's thread (which knows the source), may be cancelled from any, and end
at the next step after that.
"""

from __future__ import annotations

import threading
from array import array
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rankdeck.logs.source import LogSource
    from tui.log_text import Wanted

MOST_COUNTED = 100_000
"""Matches of which the places are kept."""


class Task:
    """Something done step by step on a daemon thread, and told of at its end."""

    def __init__(self, wanted: Wanted, done: Callable[[Task], object]) -> None:
        self.wanted = wanted
        self.cancelled = False
        self.failure = ""
        self.source: LogSource | None = None
        self._done = done
        self._looked = 0
        self._whole = 1

    @property
    def percent(self) -> int:
        """How much of the log has been looked at."""
        return min(100, max(0, self._looked * 100 // max(1, self._whole)))

    def cancel(self) -> None:
        """Stop at the next step; nothing is told any more."""
        self.cancelled = True

    def end_without(self) -> None:
        """There is nothing to look through."""
        if not self.cancelled:
            self._done(self)

    def _start(self, steps: Iterator[None], name: str) -> None:
        def run() -> None:
            try:
                for _ in steps:
                    if self.cancelled:
                        return
            except Exception as error:  # told on the screen
                self.failure = str(getattr(error, "strerror", None) or error)
            if not self.cancelled:
                self._done(self)

        threading.Thread(target=run, name=name, daemon=True).start()


class Seek(Task):
    """Goes to the next match from a place, or to the one before, round the end."""

    def __init__(
        self, wanted: Wanted, done: Callable[[Task], object], *, backward: bool, counts: bool
    ) -> None:
        """Prepare; `begin` starts it.

        Args:
            wanted: What to look for.
            done: Called on the seek's thread at its end.
            backward: Towards the begin of the log.
            counts: Whether all matches are to be counted afterwards.
        """
        super().__init__(wanted, done)
        self.backward = backward
        self.counts = counts
        self.hit: int | None = None
        """Position of the line that was found."""
        self.wrapped = False
        """Whether it went on at the other end."""

    def begin(self, source: LogSource, start: int) -> None:
        """Look from a line on: onward it is the first that is looked at, backward it is not."""
        if self.cancelled:
            return
        self.source = source
        self._whole = source.size
        self._start(self._steps(source, start, source.size), "log-seek")

    def _steps(self, source: LogSource, start: int, size: int) -> Iterator[None]:
        start = min(start, size)
        ranges = ((0, start), (start, size)) if self.backward else ((start, size), (0, start))
        looked = 0
        for turn, (begin, end) in enumerate(ranges):
            self.wrapped = turn == 1
            for step in source.search(self.wanted.query, begin, end, backward=self.backward):
                if step.hits:
                    self.hit = step.hits[-1 if self.backward else 0].offset
                    return
                here = end - step.searched if self.backward else step.searched - begin
                self._looked = looked + max(0, here)
                yield
            looked += end - begin


class Count(Task):
    """Counts the matches of the whole log, and keeps where they are."""

    def __init__(self, wanted: Wanted, done: Callable[[Task], object]) -> None:
        super().__init__(wanted, done)
        self._places = array("q")
        self._size = -1
        self.complete = False

    def begin(self, source: LogSource) -> None:
        """Count from the first line on."""
        self.source = source
        self._size = self._whole = source.size
        self._start(self._steps(source), "log-count")

    def _steps(self, source: LogSource) -> Iterator[None]:
        for step in source.search(self.wanted.query, 0, self._size):
            self._places.extend(hit.offset for hit in step.hits)
            self._looked = step.searched
            if len(self._places) >= MOST_COUNTED:
                return
            yield
        self.complete = True

    @property
    def matches(self) -> int:
        """Matches found so far."""
        return len(self._places)

    def number_of(self, position: int | None) -> int | None:
        """Which match this line is, from 1."""
        if position is None:
            return None
        at = bisect_left(self._places, position)
        return at + 1 if at < len(self._places) and self._places[at] == position else None

    def next(self, position: int, *, backward: bool, size: int) -> tuple[int, bool] | None:
        """The next match and whether it is round the end; None: not known (any more)."""
        places = self._places
        if not self.complete or size != self._size or not places:
            return None
        if backward:
            at = bisect_left(places, position) - 1
            return (places[at], at < 0)
        at = bisect_right(places, position)
        return (places[at], False) if at < len(places) else (places[0], True)

    def told(self, position: int | None) -> str:
        """`match 3 of 17`, as far as that is known."""
        count = f"{self.matches:,}"
        if not self.complete:
            count += f"+ ({self.percent}%)" if self.matches < MOST_COUNTED else "+"
        number = self.number_of(position)
        if number is not None:
            return f"match {number:,} of {count}"
        return f"{count} match{'' if self.matches == 1 and self.complete else 'es'}"
