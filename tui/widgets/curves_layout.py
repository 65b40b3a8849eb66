"""What the curves pane shows, as lines: which metrics, where the charts go, lists. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rankdeck.metrics import words
from rankdeck.metrics.series import combine
from rankdeck.text import figure, ranges
from tui.looks import Line, Piece, safe
from tui.widgets.curves_chart import LEAST_HEIGHT, LEAST_WIDTH, LETTERS, Curve, clip

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rankdeck.metrics.alerts import Alert
    from rankdeck.metrics.series import Series
    from tui.widgets.curves_source import Picture

HOWS = ("mean", "min", "max", "each")
ALERT_MARKS = {"nan": "✕", "spike": "▲", "divergence": "↗", "stall": "◌"}
_WIDE = 60
"""A pane this wide has room for words that can be done without."""
_EACH_AT_MOST = len(LETTERS)


@dataclass(frozen=True, slots=True)
class Grid:
    """Charts side by side."""

    columns: int
    rows: int
    width: int
    height: int

    @property
    def places(self) -> int:
        """How many charts are seen at once."""
        return self.columns * self.rows


def grid_of(charts: int, width: int, height: int) -> Grid:
    """As many charts as fit, none smaller than can be read; large ones where there are few."""
    most_columns = max(1, width // LEAST_WIDTH)
    most_rows = max(1, height // LEAST_HEIGHT)
    best, score = Grid(1, 1, width, height), -1.0
    for columns in range(1, min(most_columns, max(1, charts)) + 1):
        rows = min(most_rows, -(-max(1, charts) // columns))
        grid = Grid(columns, rows, width // columns, height // rows)
        shown = min(charts, grid.places)
        # wide charts read best at about four cells to a row of them
        shape = abs(math.log(max(1, grid.width) / (4.0 * grid.height)))
        value = shown - 0.9 * shape - 0.3 * (grid.places - shown)
        if value > score:
            best, score = grid, value
    return best


def metrics_of(pictures: Sequence[Picture], text: str = "") -> tuple[str, ...]:
    """The metrics worth a chart, the ones people look at first before the others."""
    longest: dict[str, int] = {}
    for picture in pictures:
        for rank in picture.ranks:
            for key, series in rank.series.items():
                longest[key] = max(longest.get(key, 0), len(series) + series.odd_count)
    several = any(length > 1 for length in longest.values())
    wanted = text.lower()
    # what was told once only is a setting, not a measurement
    return tuple(
        sorted(
            (
                key
                for key, length in longest.items()
                if wanted in key.lower() and (length > 1 or not several or words.strong(key))
            ),
            key=words.order,
        )
    )


def curves_of(
    key: str,
    pictures: Sequence[tuple[str, Picture]],
    numbers: Sequence[int],
    how: str,
    joined: Mapping[object, Series],
) -> tuple[Curve, ...]:
    """The curves of one metric, the first run's first.

    Args:
        key: The metric.
        pictures: Each run's label and picture.
        numbers: Each run's number, which stays its own as long as it is seen.
        how: What becomes of several ranks: one of `HOWS`.
        joined: Filled with what was combined, to be given again.
    """
    found: list[Curve] = []
    for number, (label, picture) in zip(numbers, pictures, strict=True):
        members = [(rank.rank, rank.series[key]) for rank in picture.ranks if key in rank.series]
        if not members:
            continue
        if how == "each" and len(pictures) == 1:
            for index, (rank, series) in enumerate(members[:_EACH_AT_MOST]):
                found.append(Curve(f"rank {rank}", index, series, picture.start))
            continue
        several = [series for _, series in members]
        series = several[0]
        if len(several) > 1:
            place = (tuple(map(id, several)), how)
            held = joined.get(place)
            if held is None:
                held = combine(several, "mean" if how == "each" else how)
                if isinstance(joined, dict):
                    if len(joined) > 32:
                        joined.clear()
                    joined[place] = held
            series = held
        found.append(Curve(label, number, series, picture.start))
    return tuple(found)


def header(
    picture: Picture, metrics: int, selected: int, how: str, options: Sequence[str], width: int
) -> Line:
    """The line above the charts: whose numbers, how far they have been read, what is odd."""
    pieces: list[Piece] = [(" ", "")]
    told = [rank.rank for rank in picture.ranks]
    if len(told) > 1:
        pieces += [(f"{how} of " if how != "each" else "", "dim"), (f"ranks {ranges(told)}", "")]
    elif told:
        pieces.append((f"rank {told[0]}", ""))
    steps = [s.last_step for r in picture.ranks for s in r.series.values() if s.last_step]
    if steps:
        totals = [rank.total_steps for rank in picture.ranks if rank.total_steps]
        total = f"/{max(totals):,}" if totals and width >= _WIDE else ""
        pieces.append((f" · step {max(steps):,.0f}{total}", "dim"))
    if picture.alerts:
        count = len(picture.alerts)
        word = f" alert{'s' if count > 1 else ''}" if width >= _WIDE else ""
        pieces.append((f" · ⚠ {count}{word} (A)", "warning"))
    if picture.problems:
        pieces.append((f" · ⚠ {len(picture.problems)} bad pattern(s) (A)", "error"))
    if picture.part < 1 and not picture.fault:
        pieces.append((f" · reading {picture.part:.0%}", "accent"))
    if metrics:
        pieces.append((f" · metric {selected + 1} of {metrics}", "dim"))
    pieces += [(f" · {option}", "accent") for option in options]
    if picture.fault:
        pieces.append((f" · {safe(picture.fault)}", "error"))
    return clip(tuple(pieces), width)


def empty_lines(picture: Picture, text: str) -> list[Line]:
    """What to say where there is no curve."""
    if picture.loading:
        return [(("  reading …", "dim"),)]
    if text:
        return [((f"  no metric has {safe(text)!r} in its name; esc shows all", "dim"),)]
    if picture.part < 1:
        return [(("  no number yet; the logs are being read", "dim"),)]
    return [
        (("  No numbers in the logs yet.", ""),),
        (),
        (("  Lines like these become curves:", "dim"),),
        (("    step 12/100 loss 1.84 lr 2.9e-5", "accent"),),
        (("    {'loss': 1.84, 'grad_norm': 0.7, 'epoch': 0.1}", "accent"),),
        (),
        (("  For others write expressions", "dim"),),
        (("  into the project's metrics.yaml:", "dim"),),
        (("    patterns:", "accent"),),
        (("      - 'score (?P<score>[\\d.]+) at (?P<step>\\d+)'", "accent"),),
    ]


def alert_line(alert: Alert, several_ranks: bool = True) -> Line:
    """One alert of the list."""
    from time import localtime, strftime

    when = strftime("%H:%M:%S", localtime(alert.time)) if alert.time == alert.time else "        "
    where = f"rank {alert.rank}" if several_ranks else ""
    if alert.attempt:
        where += f" attempt {alert.attempt + 1}"
    kind = alert.kind.value
    return (
        (f" {ALERT_MARKS[kind]} {kind:<10} ", "error" if kind != "stall" else "warning"),
        (f"{when}  ", "dim"),
        (f"{where}  ", "dim"),
        (safe(alert.text), ""),
    )


def alert_lines(picture: Picture) -> list[Line]:
    """The alerts, newest first, and what is wrong with the patterns."""
    lines = [alert_line(alert) for alert in reversed(picture.alerts)]
    lines += [((" ✖ pattern    ", "error"), (safe(str(p)), "")) for p in picture.problems]
    return lines


def run_line(name: str, run_id: str, number: int | None) -> Line:
    """One run of the list to choose from; `number` where it is chosen."""
    mark: Piece = ("   [ ] ", "dim")
    if number is not None:
        letter = LETTERS[number % len(LETTERS)]
        mark = (f" {letter} [×] ", f"curve{number % len(LETTERS)}-bold")
    return (mark, (f"{safe(name)}  ", "bold"), (run_id, "dim"))


def legend(curves: Sequence[Curve], width: int) -> Line:
    """Which letter is whose."""
    pieces: list[Piece] = [(" ", "")]
    for curve in curves:
        style = f"curve{curve.number % len(LETTERS)}-bold"
        last = curve.series.last
        value = "" if last is None else f" {figure(last)}" if math.isfinite(last) else f" {last}"
        pieces += [
            (f"{LETTERS[curve.number % len(LETTERS)]} ", style),
            (_DASHES[curve.number % 4], style),
            (f" {safe(curve.label)}", ""),
            (f"{value}   ", "dim"),
        ]
    return clip(tuple(pieces), width)


_DASHES = ("━━━", "╍╍ ", "∙∙∙", "━∙━")


def metric_lines(
    metrics: Sequence[str], selected: int, picture: Picture, width: int, height: int
) -> list[Line]:
    """The list of metrics beside one chart."""
    first = max(0, min(selected - height // 2, len(metrics) - height))
    lines: list[Line] = []
    for index in range(first, min(len(metrics), first + height)):
        key = metrics[index]
        last = next((r.series[key].last for r in picture.ranks if key in r.series), None)
        value = "–" if last is None else figure(last) if math.isfinite(last) else str(last)
        style = "selected" if index == selected else ""
        from tui.looks import fit

        name = fit(safe(key), max(4, width - len(value) - 4))
        mark = "▸" if index == selected else " "
        lines.append(clip(((f"{mark}{name} ", style), (value, "dim"), (" │", "dim")), width))
    while len(lines) < height:
        lines.append(clip(((" " * (width - 1), ""), ("│", "dim")), width))
    return lines


def csv_text(curves: Sequence[Curve], key: str) -> str:
    """The curves as CSV: run or rank, step, time, value."""
    lines = ["curve,step,time," + _quoted(key)]
    for curve in curves:
        series = curve.series
        name = _quoted(curve.label)
        for step, time, value in series.rows():
            when = "" if math.isnan(time) else f"{time:.3f}"
            lines.append(f"{name},{step:g},{when},{value!r}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    plain = safe(text)
    if any(char in plain for char in ',"\n'):
        return '"' + plain.replace('"', '""') + '"'
    # a spreadsheet must not take a name for a formula
    return "'" + plain if plain[:1] in "=+-@" else plain
