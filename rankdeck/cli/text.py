"""Text for people: tables, durations, ages, colours. Pure but for the question of colour."""

from __future__ import annotations

import os
import sys
import unicodedata
from typing import TYPE_CHECKING

import click

from rankdeck.logs.sanitise import clean
from rankdeck.run.state import RunPhase

if TYPE_CHECKING:
    from collections.abc import Sequence

MARKS = {
    RunPhase.PLANNED: ("◌", "cyan"),
    RunPhase.QUEUED: ("◌", "cyan"),
    RunPhase.STARTING: ("◔", "cyan"),
    RunPhase.RUNNING: ("●", "green"),
    RunPhase.STOPPING: ("◑", "yellow"),
    RunPhase.SUCCEEDED: ("✔", "green"),
    RunPhase.FAILED: ("✖", "red"),
    RunPhase.STOPPED: ("■", "yellow"),
    RunPhase.LOST: ("?", "magenta"),
}
"""A mark and a colour for each state; the word always stands beside them."""


def colour_wanted(stream_fd: int = 1) -> bool:
    """Whether to colour: on a terminal, unless `NO_COLOR` is set or it is a dumb one."""
    return (
        os.isatty(stream_fd) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )


def paint(text: str, colour: str, *, bold: bool = False) -> str:
    """Colour the text if colour is wanted on stdout."""
    return click.style(text, fg=colour, bold=bold) if colour_wanted() else text


def state_label(state: RunPhase) -> str:
    """`● running`, coloured when wanted."""
    mark, colour = MARKS[state]
    return paint(f"{mark} {state.value}", colour)


def width(text: str) -> int:
    """Cells the text takes on a terminal; East Asian wide characters take two."""
    plain = click.unstyle(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in plain
    )


def duration(seconds: float | None) -> str:
    """`2:12:41`, `3:09` or `–`."""
    if seconds is None:
        return "–"
    total = max(0, int(seconds))
    hours, minutes, rest = total // 3600, total // 60 % 60, total % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def age(seconds: float) -> str:
    """The coarse age of something: `12s`, `5m`, `3h`, `2d`."""
    total = max(0, int(seconds))
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if total >= size:
            return f"{total // size}{unit}"
    return f"{total}s"


def size(count: int | None) -> str:
    """Bytes for people: `12 MiB`."""
    if count is None:
        return "–"
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def shown(text: str, limit: int = 0) -> str:
    """Text from outside, made safe for the terminal, and cut to `limit` cells if that is given."""
    safe = clean(text).replace("\t", " ")
    if not limit or width(safe) <= limit:
        return safe
    kept, used = [], 0
    for char in safe:
        used += width(char)
        if used > limit - 1:
            break
        kept.append(char)
    return "".join(kept) + "…"


def table(rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> str:
    """Rows as aligned columns, two spaces apart; columns in `right` are right-aligned."""
    if not rows:
        return ""
    widths = [max(width(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = []
        for column, cell in enumerate(row):
            gap = " " * (widths[column] - width(cell))
            cells.append(gap + cell if column in right else cell + gap)
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def terminal_width() -> int:
    """Columns of the terminal, 100 where there is none."""
    if not sys.stdout.isatty():
        return 100
    try:
        return os.get_terminal_size(1).columns
    except OSError:
        return 100
