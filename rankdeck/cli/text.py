"""Text for people: tables, durations, ages, colours. Pure but for the question of colour."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from rankdeck.text import MARKS, age, duration, shown, size
from rankdeck.text import width as plain_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rankdeck.run.state import RunPhase

__all__ = [
    "age",
    "colour_wanted",
    "duration",
    "paint",
    "shown",
    "size",
    "state_label",
    "table",
    "terminal_width",
    "width",
]


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
    """Cells the text takes on a terminal, its colours not counted."""
    return plain_width(click.unstyle(text))


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
