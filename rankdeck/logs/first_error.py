"""Which rank's log told of an error first: the first such line of each rank, in order of time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rankdeck.logs.merge import Glue, without_prefix
from rankdeck.logs.plain_source import FileSource
from rankdeck.logs.search import expression

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rankdeck.logs.lines import LogLine
    from rankdeck.logs.search import Query
    from rankdeck.logs.sources import RankLog

_MOST = 64 << 20
_LONGEST_TRACE = 400

ERRORS = expression(
    r"Traceback \(most recent call last\)|\w(?:Error|Exception)\b|\berror:"
    r"|\b(?:ERROR|FATAL|CRITICAL|FAILED)\b(?! *[:=]? *0\b)|\b[Ff]atal\b|^Aborted\b"
    r"|Segmentation fault|\bBus error\b|out of memory|core dumped",
    own=True,
)
"""Lines that tell of a failure."""


@dataclass(frozen=True, slots=True)
class FirstError:
    """The first line of a rank's log that tells of an error."""

    time: float | None
    """When it was written, by the supervisor's clock; None: nobody knows."""
    rank: int
    offset: int
    """Where it begins in the rank's log; see `MergedSource.position_of`."""
    line: LogLine
    message: LogLine
    """What it comes to: of a traceback its last line, otherwise the line itself."""
    whole: bool
    """Whether the log has been looked through from its begin; there may be an earlier one if
    not."""


def first_errors(
    logs: Iterable[RankLog], query: Query = ERRORS, *, most: int = _MOST
) -> tuple[FirstError, ...]:
    """The first error of each log that has one: the earliest first, without a time last, by rank.

    Args:
        logs: The logs; those that are not there tell of nothing.
        query: What tells of an error.
        most: Bytes of each log that are looked at, those at its end.

    Raises:
        OSError: A log is there but cannot be read.
        UserError: To look for it takes too long.
    """
    found: list[FirstError] = []
    for log in logs:
        source = FileSource(log.path, log.times, rank=log.rank, clock_ahead=log.clock_ahead)
        begin = source.position_near(1 - most / source.size) if source.size > most else 0
        for step in source.search(query, begin, source.size):
            if step.hits:
                found.append(_told(source, step.hits[0].offset, whole=begin == 0))
                break
        source.close()
    found.sort(key=lambda error: (math.inf if error.time is None else error.time, error.rank))
    return tuple(found)


def _told(source: FileSource, offset: int, *, whole: bool) -> FirstError:
    lines = source.after(offset, _LONGEST_TRACE)
    glue = Glue()
    message = lines[0]
    for line in lines:
        if not glue.holds(line.data) and line.offset > offset:
            break
        if without_prefix(line.data)[:1] not in (b"", b" ", b"\t"):
            # of a chain the last exception
            message = line
    return FirstError(source.time_at(offset), source.rank, offset, lines[0], message, whole)
