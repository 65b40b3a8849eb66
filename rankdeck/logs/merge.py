"""The logs of several ranks as one, in the order of time.

Times are those of `LogTimes`, so good to about a tenth of a second; a rank's own lines keep their
order, and a traceback stays in one piece.
"""

from __future__ import annotations

import heapq
import os
import re
from typing import TYPE_CHECKING, NamedTuple

from rankdeck.logs.file import LogFile
from rankdeck.logs.stream import stream_lines
from rankdeck.logs.times import LogTimes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rankdeck.logs.lines import LogLine
    from rankdeck.logs.sources import RankLog

_MEMORY = 32 << 20
_PREFIX = re.compile(rb"\[(?:rank|default)?\d+\]: ?")
_TRACEBACK = b"Traceback (most recent call last)"
_CHAINS = (b"During handling of the above exception", b"The above exception was the direct cause")
_OPENINGS = (_TRACEBACK, *_CHAINS)
_BLANK = b" \t"
_BLANK_ENDED = _BLANK + b"\n"


class MergedLine(NamedTuple):
    """One line of the merged log."""

    time: float
    """When it was written, by its node's clock."""
    rank: int
    line: LogLine


def merged_lines(
    logs: Iterable[RankLog], stops: Mapping[int, int] | None = None
) -> Iterator[MergedLine]:
    """All lines of all logs by time; at equal times by rank.

    To go on live, give `line_ends(logs)` as `stops`, and let a `Follower` start there.

    Args:
        logs: The logs; those that are not there count as empty.
        stops: Where to end in each rank's log; a rank that is not in it is read to the end.

    Raises:
        OSError: A log is there but cannot be read.
    """
    several = tuple(logs)
    chunk = max(4096, min(256 * 1024, _MEMORY // max(1, len(several))))
    ends = stops or {}
    return heapq.merge(
        *(_timed_lines(log, ends.get(log.rank), chunk) for log in several),
        key=lambda item: item.time,
    )


def line_ends(logs: Iterable[RankLog]) -> dict[int, int]:
    """By rank, where its log's last complete line ends now.

    Raises:
        OSError: A log is there but cannot be read.
    """
    ends = {}
    for log in logs:
        file = LogFile(log.path)
        last = file.tail(1)
        ends[log.rank] = file.size if not last or last[0].ended else last[0].offset
    return ends


def _timed_lines(log: RankLog, stop: int | None, chunk: int) -> Iterator[MergedLine]:
    times = LogTimes(log.times)
    unknown = 0.0
    if times.count == 0 and os.path.exists(log.path):
        # no pairs at all: the end is the only time there is
        unknown = os.stat(log.path).st_mtime
    time: float | None = None
    glue = Glue()
    for line in stream_lines(log.path, stop=stop, chunk=chunk):
        if not glue.holds(line.data) or time is None:
            known = times.time_at(line.offset)
            own = unknown if known is None else known
            time = own if time is None else max(time, own)
        yield MergedLine(time - log.clock_ahead, log.rank, line)


def without_prefix(line: bytes) -> bytes:
    """The line without the rank that a launcher has put before it."""
    return _PREFIX.sub(b"", line, count=1) if line[:1] == b"[" else line


def stands_alone(line: bytes) -> bool:
    """Whether it alone tells that it belongs to none before, and an unindented one not to it."""
    line = without_prefix(line)
    return line[:1] not in _BLANK and not line.startswith(_OPENINGS)


def has_openings(lines: bytes) -> bool:
    """Whether any of these lines may be the begin of a traceback, or what joins two of them."""
    return any(opening in lines for opening in _OPENINGS)


def goes_on(line: bytes) -> bool:
    """Whether a line, with its newline, is blank or indented, so that it belongs to the others."""
    if line[:1] == b"[":
        line = without_prefix(line)
    return line[:1] in _BLANK_ENDED


class Glue:
    """Which lines belong to the line before them, so that nothing may come between."""

    __slots__ = ("_chained", "_inside")

    def __init__(self) -> None:
        self._inside = False
        self._chained = False

    def holds(self, line: bytes) -> bool:
        """Whether this line, the next one, stays with the one before it."""
        line = without_prefix(line)
        if line[:1] in _BLANK:
            return True
        if line.startswith(_TRACEBACK):
            held, self._chained, self._inside = self._chained, False, True
            return held
        if self._inside:
            # the exception itself ends the traceback
            self._inside = False
            return True
        self._chained = line.startswith(_CHAINS)
        return self._chained
