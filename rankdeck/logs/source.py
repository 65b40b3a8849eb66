"""LogSource: what a log pane shows lines of, be it one file, a part of it, or many ranks' logs.

A *position* is a place in the source, from 0 to `size`: for one file the byte offset, for others
what they choose, as long as it grows from line to line and a line keeps its own while the source
only grows; so a percentage is `position / size`. A line's is `LogLine.offset`; `LogLine.end` is
at or before the next line's. Looking is bounded: see `Lines`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rankdeck.logs.handle import Change
    from rankdeck.logs.lines import Lines
    from rankdeck.logs.search import Query, Step


class Origin(NamedTuple):
    """Where a line really is."""

    path: Path
    rank: int
    """-1: the log is not known to be a rank's."""
    offset: int
    """Where the line begins in that file."""


class LogSource(Protocol):
    """Lines by position. Every method may read files and is called off the interface's thread.

    Several threads may read at once; `refresh`, `index_some` and `close` are called by one. With
    every `Change.GREW` the last lines may have changed too: an unfinished line goes on, a folded
    one gets more ranks. With `Change.RESET` no position holds any more.
    """

    @property
    def exists(self) -> bool:
        """Whether there has ever been anything to read."""

    @property
    def size(self) -> int:
        """The position behind the last line, as of the last `refresh`."""

    @property
    def line_count(self) -> int:
        """Lines counted so far; all of them when `indexed`."""

    @property
    def indexed(self) -> bool:
        """Whether everything seen so far has been counted."""

    @property
    def indexed_part(self) -> float:
        """How much of it has been, 0 to 1."""

    def refresh(self) -> Change:
        """Look for news; cheap enough for every tick.

        Raises:
            OSError: It is there but cannot be read.
        """

    def index_some(self, budget: int = 8 << 20) -> bool:
        """Count the lines in up to `budget` more bytes; whether all have been."""

    def after(self, position: int, count: int) -> Lines:
        """Up to `count` lines, the first that begin at `position` or later.

        `position` is that of a line, the end of one, one that was looked to, 0 or `size`.
        """

    def before(self, position: int, count: int) -> Lines:
        """Up to `count` lines, the last that end at `position` or earlier, in order.

        `position` is as for `after`.
        """

    def line_at(self, position: int) -> int | None:
        """The number, from 0, of the line at this position; None: not counted yet.

        In a filtered log it is the line's number in the whole log.
        """

    def offset_of(self, line: int) -> int:
        """The position of a line by its number, from 0, or of the first one shown after it.

        Raises:
            IndexError: There is no such line, or it has not been counted yet.
        """

    def position_near(self, fraction: float) -> int:
        """The position of a line about this far into it, 0 to 1."""

    def origin(self, position: int) -> Origin | None:
        """Which file the line at this position is from, and where it is there."""

    def time_at(self, position: int) -> float | None:
        """When the line was written, in seconds since the epoch by the supervisor's clock."""

    def position_at(self, time: float) -> int | None:
        """The position of the first line written at `time` or later; None: nobody knows."""

    def search(
        self, query: Query, begin: int, end: int, *, backward: bool = False
    ) -> Iterator[Step]:
        """Look for lines that match in a range of positions, in bounded steps.

        Both are positions of lines, 0 or `size`. Drop the iterator to cancel. `Step.searched` is
        how far it has come; with `backward` the steps go from `end` down to `begin`, each one's
        hits still in order. `Hit.line` is -1 where lines have not been counted.
        """

    def close(self) -> None:
        """Let go of all files."""
