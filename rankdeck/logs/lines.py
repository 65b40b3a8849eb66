"""LogLine: one line of a log as readers get it, and what becomes of carriage returns and length.

Bytes in, bytes out; decoding and making safe is `sanitise`'s part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_LINE = 16 * 1024
"""Bytes of one line that are handed out; what is longer is clipped."""


class LogLine(NamedTuple):
    """One line, or the part of it that is worth showing."""

    offset: int
    """Where the line begins in its file."""
    length: int
    """Its true length in bytes, without the newline."""
    data: bytes
    """What to show, without the newline: at most MAX_LINE bytes; of a line that was written over
    with carriage returns, the last state."""
    ended: bool = True
    """Whether its newline has been written."""
    exact: bool = True
    """False: the line is so long that its true begin or end is not known yet; `offset` and
    `length` are those of the part that was looked at."""
    clipped: bool = False
    """Whether `data` lacks text that was not written over."""
    rank: int = -1
    """Whose line it is, in a view of several logs; -1: there is only one log."""
    ranks: tuple[int, ...] = ()
    """The ranks that wrote this very line, where several are folded into one; with `rank`."""

    @property
    def end(self) -> int:
        """Where the next line begins."""
        return self.offset + self.length + self.ended

    @property
    def mark(self) -> str:
        """What to show behind a clipped line, empty for a whole one."""
        if not self.clipped:
            return ""
        return f" … [{self.length:,} bytes{'' if self.exact else ' or more'}]"


class Lines(list[LogLine]):
    """Lines in order, and how far was looked for them.

    Looking is bounded, so there may be fewer lines than were asked for and still `more`.
    """

    __slots__ = ("looked_to", "more")

    def __init__(self, lines: Iterable[LogLine] = (), *, looked_to: int, more: bool) -> None:
        super().__init__(lines)
        self.looked_to = looked_to
        """Ask again from here: every line between the position asked about and here is among
        these. Going forward that is the begin of a last line that is not ended, as it goes on."""
        self.more = more
        """Whether there is anything beyond `looked_to` that has not been looked at."""


def last_state(line: bytes) -> bytes:
    """What of a line is left to see after its carriage returns."""
    if b"\r" not in line:
        return line
    line = line.rstrip(b"\r")
    return line[line.rfind(b"\r") + 1 :]


def clip(line: bytes, limit: int = MAX_LINE) -> bytes:
    """At most `limit` bytes from the begin of a line, cut between two UTF-8 characters."""
    if len(line) <= limit:
        return line
    end = limit
    while end > limit - 4 and line[end] & 0xC0 == 0x80:
        end -= 1
    return line[:end]


def whole_line(offset: int, raw: bytes, *, ended: bool = True) -> LogLine:
    """The LogLine of a line that has been read completely, without its newline."""
    shown = last_state(raw)
    data = clip(shown)
    return LogLine(offset, len(raw), data, ended, clipped=len(data) < len(shown))
