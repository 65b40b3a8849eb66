"""Entries: lines of a merged log with their times, for those who look at many and keep few."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rankdeck.logs.lines import LogLine
    from rankdeck.logs.source import LogSource


class Entry(NamedTuple):
    """What is needed of a line to compare it with others."""

    position: int
    end: int
    """Where the next line begins."""
    rank: int
    data: bytes
    time: float
    """0: nobody knows."""
    line: LogLine | None = None
    """All of the line, where it has been made anyway."""


class Entries(list[Entry]):
    """Entries in order, and how far was looked for them, as with `Lines`."""

    __slots__ = ("looked_to", "more")

    def __init__(self, entries: Iterable[Entry], *, looked_to: int, more: bool) -> None:
        super().__init__(entries)
        self.looked_to = looked_to
        self.more = more


def entry_of(line: LogLine, time: float | None) -> Entry:
    """The entry of a line that was written at this time."""
    return Entry(line.offset, line.end, line.rank, line.data, time or 0.0, line)


def entries_after(source: LogSource, position: int, count: int) -> Entries:
    """Up to `count` entries, the first at `position` or later, within the source's budget."""
    from rankdeck.logs.merged import MergedSource

    if isinstance(source, MergedSource):
        return source.entries(position, count)
    lines = source.after(position, count)
    return Entries(
        (entry_of(line, source.time_at(line.offset)) for line in lines),
        looked_to=lines.looked_to,
        more=lines.more,
    )
