"""What users type at a log: searches, filters, places to jump to; and how times are written.

Pure. Case counts only where there is an upper-case letter.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rankdeck.errors import UserError
from rankdeck.logs.search import Expression, expression, literal

if TYPE_CHECKING:
    from collections.abc import Sequence

_EXPRESSION = "re:"
_AND = " & "


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for in the log, and to mark in the text on the screen."""

    query: Expression
    name: str
    """How to speak of it."""


def wanted(text: str) -> Wanted:
    """What a user who typed this wants: a text, or an expression after `re:`.

    Raises:
        UserError: The expression is not valid.
    """
    if text.startswith(_EXPRESSION) and len(text) > len(_EXPRESSION):
        body = text[len(_EXPRESSION) :]
        # \S and the like are no capital letters
        letters = re.sub(r"\\.", "", body)
        return Wanted(expression(body, ignore_case=letters == letters.lower()), text)
    return Wanted(literal(text, ignore_case=text == text.lower()), text)


_ERRORS = "Traceback|Error|error:|ERROR|FAILED|FATAL|Fatal|Segmentation fault|out of memory"
ERRORS = Wanted(expression(_ERRORS), "errors")
"""Lines that tell of a failure."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Lines to show, or not to show."""

    wanted: Wanted
    out: bool
    """Whether lines that match are left out."""

    @property
    def text(self) -> str:
        """As it was typed."""
        return ("!" if self.out else "") + self.wanted.name


def filters(text: str) -> tuple[Filter, ...]:
    """The filters in `loss & !warm-up & re:step [0-9]+`; a line must pass all of them.

    Raises:
        UserError: One of them is not a valid expression.
    """
    found = []
    for part in text.split(_AND):
        said = part.strip()
        out = said.startswith("!")
        said = said[1:].lstrip() if out else said
        if said:
            found.append(Filter(wanted(said), out))
    return tuple(found)


def filter_text(several: Sequence[Filter]) -> str:
    """The filters as one types them."""
    return _AND.join(one.text for one in several)


def went_round(*, backward: bool) -> str:
    """What to say where looking for something has gone on at the other side."""
    return f"went round the {'beginning' if backward else 'end'}"


# -- places ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """Where to go; exactly one of them is given."""

    line: int | None = None
    """A line's number, from 0."""
    fraction: float | None = None
    clock: tuple[int, int, float] | None = None
    """Hour, minute and second on the day of the line that is looked at."""
    seconds: float | None = None
    """From the line that is looked at."""


_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d+)?))?", re.ASCII)
_SPAN = re.compile(r"([+-])((?:\d+(?:\.\d+)?[dhms])+)", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)([dhms])", re.ASCII)
_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}


def place(text: str) -> Place:
    """Where `1234`, `50%`, `12:01:07`, `+5m` or `-1h30m` is.

    Raises:
        UserError: It is none of these.
    """
    said = text.strip().replace(",", "")
    if said.isdecimal() and said.isascii() and len(said) < 16:
        return Place(line=max(0, int(said) - 1))
    if said.endswith("%") and re.fullmatch(r"\d{1,3}(\.\d+)?", said[:-1], re.ASCII):
        return Place(fraction=min(1.0, float(said[:-1]) / 100))
    if (match := _CLOCK.fullmatch(said)) and int(match[1]) < 24 and int(match[2]) < 60:
        return Place(clock=(int(match[1]), int(match[2]), float(match[3] or 0)))
    if match := _SPAN.fullmatch(said):
        span = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(match[2]))
        return Place(seconds=-span if match[1] == "-" else span)
    raise UserError(
        f"{text.strip()!r} is not a place in a log",
        "write a line number, 50%, a time like 12:01:07, or +5m and -1h from here",
    )


def clock_near(clock: tuple[int, int, float], near: float) -> float:
    """The moment with this local time of day that is nearest to another one."""
    day = time.localtime(near)
    hour, minute, second = clock
    moments = []
    for shift in (-1, 0, 1):
        date = (day.tm_year, day.tm_mon, day.tm_mday + shift, hour, minute, 0, 0, 0, -1)
        moments.append(time.mktime(date) + second)
    return min(moments, key=lambda moment: abs(moment - near))


# -- times ----------------------------------------------------------------------------------


def clock_text(moment: float) -> str:
    """`12:01:07`, in local time."""
    return time.strftime("%H:%M:%S", time.localtime(moment))


def span_text(seconds: float) -> str:
    """`+0.25s`, `+12.0s`, `+5:07m`, `+3:12h`, `+4d02h`: never more than eight cells."""
    sign, left = ("-", -seconds) if seconds < 0 else ("+", seconds)
    if left < 9.995:
        return f"{sign}{left:.2f}s"
    if left < 99.95:
        return f"{sign}{left:.1f}s"
    whole = round(left)
    if whole < 3600:
        return f"{sign}{whole // 60}:{whole % 60:02d}m"
    if whole < 86400:
        return f"{sign}{whole // 3600}:{whole // 60 % 60:02d}h"
    return f"{sign}{min(whole // 86400, 999)}d{whole // 3600 % 24:02d}h"


def since_text(seconds: float) -> str:
    """`0:12.3`, `1:02:03`: time into the run."""
    sign, left = ("-", -seconds) if seconds < 0 else ("", seconds)
    if left < 3600:
        tenths = int(left * 10)
        return f"{sign}{tenths // 600}:{tenths // 10 % 60:02d}.{tenths % 10}"
    whole = int(left)
    return f"{sign}{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
