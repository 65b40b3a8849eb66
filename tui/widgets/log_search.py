"""Searching a log from where one is, onward or back, in steps that a thread can be stopped between.

A search reads through its own file handle and asks for places, not line numbers, so it neither
waits for the index nor shares anything with the view.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rankdeck.logs.file import LogFile
from rankdeck.logs.search import Hit, Query, expression, literal, search

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK = 2 << 20
_EXPRESSION = "re:"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for in the file, and how to mark it in the text on the screen."""

    query: Query
    marks: re.Pattern[str]
    name: str
    """How to speak of it."""


def wanted(text: str) -> Wanted:
    """What a user who typed this wants: a text, or an expression after `re:`.

    Case counts only when there is an upper-case letter.

    Raises:
        UserError: The expression is not valid.
    """
    folded = text == text.lower()
    flags = re.IGNORECASE if folded else 0
    if text.startswith(_EXPRESSION) and len(text) > len(_EXPRESSION):
        body = text[len(_EXPRESSION) :]
        return Wanted(expression(body, ignore_case=folded), re.compile(body, flags), text)
    return Wanted(literal(text, ignore_case=folded), re.compile(re.escape(text), flags), text)


_ERRORS = "Traceback|Error|error:|ERROR|FAILED|FATAL|Fatal|Segmentation fault|out of memory"
ERRORS = Wanted(expression(_ERRORS), re.compile(_ERRORS), "errors")
"""Lines that tell of a failure."""


class _Places(LogFile):
    """A log of which no line number is ever needed: finding one would read all before it."""

    def line_at(self, offset: int) -> int | None:
        """Always 0."""
        return 0


class Search:
    """One search; `steps` is taken on a thread, the rest may be read from any."""

    def __init__(self, path: Path, wanted: Wanted, start: int, *, backward: bool) -> None:
        """Prepare to look from the begin of the line at `start`.

        Args:
            path: The log.
            wanted: What to look for.
            start: The begin of a line; onward it is looked at first, backward it is the first that
                is not looked at.
            backward: Towards the begin of the file.
        """
        self.path = path
        self.wanted = wanted
        self.backward = backward
        self.start = start
        self.hit: Hit | None = None
        self.wrapped = False
        """Whether the search went on at the other end of the file."""
        self.searched = 0
        self.size = 0

    @property
    def percent(self) -> int:
        """How much of the file has been looked at."""
        return min(100, self.searched * 100 // max(1, self.size))

    def steps(self) -> Iterator[None]:
        """Look; ends when `hit` is known or there is none.

        Raises:
            OSError: The log cannot be read.
        """
        file = _Places(self.path)
        self.size = file.size
        turn = self._back if self.backward else self._onward
        yield from turn(file)
        file.close()

    def _onward(self, file: LogFile) -> Iterator[None]:
        for begin, stop in ((self.start, file.size), (0, min(self.start, file.size))):
            self.wrapped = begin != self.start
            for step in search(file, self.wanted.query, begin, stop):
                if step.hits:
                    self.hit = step.hits[0]
                    return
                self.searched += max(0, step.searched - begin)
                begin = step.searched
                yield

    def _back(self, file: LogFile) -> Iterator[None]:
        start = min(self.start, file.size)
        for stop, floor in ((start, 0), (file.size, start)):
            self.wrapped = floor == start and stop != start
            while stop > floor:
                begin = self._line_begin(file, max(floor, stop - _CHUNK))
                for step in search(file, self.wanted.query, begin, stop):
                    if step.hits:
                        self.hit = step.hits[-1]
                    yield
                if self.hit is not None:
                    return
                self.searched += stop - begin
                stop = begin

    @staticmethod
    def _line_begin(file: LogFile, offset: int) -> int:
        """The begin of the line that `offset` lies in."""
        if offset <= 0 or file.read(offset - 1, 1) == b"\n":
            return offset
        lines = file.before(offset, 1)
        return lines[0].offset if lines else 0
