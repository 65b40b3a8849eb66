"""What a log pane shows and how: frozen facts that pass between its two threads.

A `Page` is one screenful as the reader laid it out; a `Look` is what the user chose; a `Target` is
the log they look at. None of them reads anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from rankdeck.run.layout import RunDir
    from tui.log_text import Filter
    from tui.widgets.log_viewport import Row


class Times(str, Enum):
    """What the column of times says."""

    OFF = "off"
    CLOCK = "clock"
    DELTA = "delta"
    """Since the line before."""
    SINCE = "since start"

    @property
    def following(self) -> Times:
        """The next one, round and round."""
        every = list(Times)
        return every[(every.index(self) + 1) % len(every)]

    @property
    def told(self) -> str:
        """What it says, for people."""
        told = {Times.DELTA: "since the line before", Times.SINCE: "since the run's start"}
        return told.get(self, self.value)

    @property
    def width(self) -> int:
        """Cells of the column, with the space behind it."""
        return {Times.OFF: 0, Times.CLOCK: 9, Times.DELTA: 9, Times.SINCE: 10}[self]


@dataclass(frozen=True, slots=True)
class Target:
    """The log that is looked at."""

    path: Path
    run: RunDir | None = None
    """Its run, for the views of all ranks."""
    attempt: int = 0
    rank: int | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """How lines are shown; it stays when another log is opened."""

    wrap: bool = False
    numbers: bool = True
    times: Times = Times.OFF
    filters: tuple[Filter, ...] = ()
    merged: bool = False
    """All (or the chosen) ranks by time, instead of one."""
    ranks: tuple[int, ...] = ()
    """Which ranks are merged; empty: all."""
    fold: bool = False
    """Lines that several ranks wrote alike are one line."""
    loose: bool = False
    """Lines that differ in numbers only count as alike."""
    minority: bool = False
    """Only what less than half of the ranks wrote."""

    @property
    def choice(self) -> tuple[object, ...]:
        """What decides which lines there are; the rest decides how they look."""
        ranks = (self.merged, self.ranks, self.fold, self.loose, self.minority)
        return (self.filters, *(ranks if self.merged else (False,)))


class Selection(NamedTuple):
    """Lines that have been selected, by position."""

    anchor: int
    cursor: int

    @property
    def low(self) -> int:
        """The first line's position."""
        return min(self)

    @property
    def high(self) -> int:
        """The last line's position."""
        return max(self)


class PageRow(NamedTuple):
    """One row of the screen with what stands left of it."""

    row: Row
    number: str = ""
    time: str = ""
    label: str = ""
    """Whose line it is."""
    rank: int = -1
    """Decides the label's colour."""
    bookmark: bool = False


class Gutter(NamedTuple):
    """The widths of what stands left of the text, spaces included."""

    bookmark: int = 0
    number: int = 0
    time: int = 0
    label: int = 0

    @property
    def width(self) -> int:
        """Of all of it."""
        return sum(self)


NO_GUTTER = Gutter()


@dataclass(frozen=True, slots=True)
class Page:
    """One screenful."""

    rows: tuple[PageRow, ...] = ()
    gutter: Gutter = NO_GUTTER
    text_width: int = 2
    height: int = 0
    wrap: bool = False
    follow: bool = True
    searching: int | None = None
    """Percent of the log in which lines have been looked for; None: no more are wanted."""
    part: int | None = None
    """Percent of the log above the lower edge; None: following, or all of it is seen."""
    thumb: tuple[int, int] = (0, 0)
    """The rows of the scroll bar that stand for what is on the screen."""
    exists: bool = False
    size: int = 0
    lines: int = 0
    counted: float = 1.0
    """How much of the log has been counted, 0 to 1."""
    new_lines: int = 0
    """Lines that have come since the view stood still."""
    selection: Selection | None = None
    selected: int = 0
    """How many lines are selected, -1 where that is not known."""
    found: int | None = None
    """Position of the line that a search or a jump went to."""
    view: str = ""
    """What is shown besides one log's lines: `ranks 0-7 by time`."""
    problem: str = ""

    def row_of(self, position: int | None) -> PageRow | None:
        """The first row of the line at this position, if it is on the screen."""
        if position is None:
            return None
        return next((row for row in self.rows if row.row.line.offset == position), None)
