"""What stands left of a log's text: bookmark, line number, time, and whose line it is.

Asks the source for numbers and times, so it belongs to the reader's thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.log_page import Gutter, PageRow, Times
from tui.log_text import clock_text, since_text, span_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from rankdeck.logs.lines import LogLine
    from tui.log_page import Look
    from tui.log_views import View
    from tui.widgets.log_viewport import Row

_DIGITS = 6


def gutter_of(view: View, look: Look, bookmarks: bool) -> Gutter:
    """How wide each column is."""
    number = 0
    if look.numbers:
        number = max(_DIGITS, len(f"{view.source.line_count}")) + 1
    return Gutter(1 if bookmarks else 0, number, look.times.width, view.label)


def rank_label(line: LogLine, width: int, everybody: int) -> str:
    """`[17]`, or the ranks that wrote the same, or how many they are."""
    several = line.ranks
    if len(several) > 1:
        told = f"[{short_ranks(several)}]" if len(several) < everybody else ""
        if not told or len(told) > width - 1:
            told = f"×{len(several)}"
    elif line.rank >= 0:
        told = f"[{line.rank}]"
    else:
        told = ""
    return f"{told:>{width - 1}} "


def short_ranks(ranks: Iterable[int]) -> str:
    """`0-3,7`."""
    parts: list[list[int]] = []
    for rank in sorted(ranks):
        if parts and parts[-1][1] == rank - 1:
            parts[-1][1] = rank
        else:
            parts.append([rank, rank])
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in parts)


class LabelLayout:
    """Makes the labels of one view."""

    def __init__(self, width: int, everybody: int) -> None:
        self.width = width
        self.everybody = everybody

    def of(self, line: LogLine) -> str:
        """The label of one line, as wide as the column."""
        return rank_label(line, self.width, self.everybody) if self.width else ""


def page_rows(
    view: View,
    look: Look,
    rows: Sequence[Row],
    gutter: Gutter,
    labels: LabelLayout,
    marks: Collection[int],
) -> tuple[PageRow, ...]:
    """The rows with what stands left of them; only a line's first row has anything."""
    numbers = _numbers(view, rows) if gutter.number else {}
    times = _times(view, look.times, rows) if gutter.time else {}
    shown = []
    for row in rows:
        line, first = row.line, row.start == 0
        number = numbers.get(line.offset) if first and line.exact else None
        told = f"{number + 1}" if number is not None else ""
        shown.append(
            PageRow(
                row,
                f"{told:>{gutter.number - 1}} " if gutter.number else "",
                f"{times.get(line.offset, '') if first else '':>{gutter.time - 1}} "
                if gutter.time
                else "",
                labels.of(line) if first else " " * gutter.label,
                line.rank,
                first and line.offset in marks,
            )
        )
    return tuple(shown)


def _numbers(view: View, rows: Sequence[Row]) -> dict[int, int]:
    """Line numbers by position, where they are known."""
    source = view.source
    if not rows:
        return {}
    numbers: dict[int, int] = {}
    if not view.consecutive:
        for row in rows:
            number = view.numbers.get(row.line.offset)
            if number is None:
                number = source.line_at(row.line.offset)
            if number is not None:
                numbers[row.line.offset] = number
        view.numbers.clear()
        view.numbers.update(numbers)
        return numbers
    first = source.line_at(rows[0].line.offset)
    if first is None:
        return {}
    offset = rows[0].line.offset
    numbers[offset] = first
    for row in rows:
        if row.line.offset != offset:
            first, offset = first + 1, row.line.offset
            numbers[offset] = first
    return numbers


def _times(view: View, kind: Times, rows: Sequence[Row]) -> dict[int, str]:
    source = view.source
    told: dict[int, str] = {}
    before: float | None = None
    if kind is Times.DELTA and rows and (above := source.before(rows[0].line.offset, 1)):
        before = source.time_at(above[-1].offset)
    start = view.started
    if kind is Times.SINCE and start is None:
        first = source.after(0, 1)
        start = source.time_at(first[0].offset) if first else None
    for row in rows:
        if row.start or row.line.offset in told:
            continue
        moment = source.time_at(row.line.offset)
        if moment is None:
            continue
        if kind is Times.CLOCK:
            told[row.line.offset] = clock_text(moment)
        elif kind is Times.DELTA:
            told[row.line.offset] = span_text(moment - before) if before is not None else ""
            before = moment
        elif start is not None:
            told[row.line.offset] = since_text(moment - start)
    return told
