"""The runs as a table: what a run's row says. A function of the summaries and the clock."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from rich.cells import cell_len

from rankdeck.text import age, duration, state_text
from tui.looks import Piece, bar, fit, safe, sparkline, state_piece
from tui.widgets.row_table import Column, RowTable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rankdeck.run.summary import RunSummary

_BAR = 8
_BAR_FROM = 24
_PERCENT = 4
_LOSS = 6
_REASON_FROM = 24
_LONG_COUNT = 10_000
"""Steps from here on may be told in thousands."""
_FIRST_SECONDS = 3.0
"""By then a new run has its supervisor."""
_COLUMNS = (
    Column("state", "STATE", 11, sort=True),
    Column("name", "NAME", 10, share=3, most=40, sort=True),
    Column("backend", "BACKEND", 8, from_width=100, sort=True),
    Column("nodes", "NODES", 6, right=True, from_width=100, sort=True, falls=True),
    Column("ranks", "RANKS", 6, right=True, sort=True, falls=True),
    Column("step", "STEP", 14, share=1, most=29, sort=True, falls=True),
    Column("loss", "LOSS, WHY", 9, share=3, sort=True),
    Column("elapsed", "ELAPSED", 8, right=True, sort=True, falls=True),
    Column("age", "AGE", 5, right=True, sort=True),
)


class RunTable(RowTable["RunSummary"]):
    """A live table of runs."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(_COLUMNS, attrgetter("id"), run_cells, id=id)


def run_cells(run: RunSummary, now: float, widths: Mapping[str, int]) -> dict[str, Piece]:
    """A run's row."""
    return {
        "state": state_piece(run.state),
        "name": (safe(run.name), "bold"),
        "backend": (safe(run.backend), ""),
        "nodes": (str(run.nnodes), ""),
        "ranks": (str(run.world_size), ""),
        "step": (_step(run, widths.get("step", 0)), ""),
        "loss": _loss(run, now, widths.get("loss", 0)),
        "elapsed": (duration(elapsed(run, now)), ""),
        "age": (age(now - run.created), "dim"),
    }


def elapsed(run: RunSummary, now: float) -> float | None:
    """Seconds since the first rank began, until the end; None: it has not begun."""
    if run.started is None:
        return None
    return ((run.ended if run.state.final else None) or now) - run.started


def stale_text(run: RunSummary, now: float) -> str:
    """Why what is shown of a living run may no longer be so; empty: it is up to date."""
    if run.state.final:
        return ""
    if not run.supervised and now - run.created > _FIRST_SECONDS:
        since = f"stale {age(now - run.last_word)}, " if run.last_word is not None else ""
        return f"{since}unsupervised"
    if run.silent_since is not None:
        which = "1 node" if run.silent == 1 else f"{run.silent} nodes"
        return f"stale {age(now - run.silent_since)}, {which} silent"
    return ""


def _step(run: RunSummary, room: int) -> str:
    if run.step is None:
        return "–"
    if not run.total_steps:
        return str(run.step)
    part = run.step / run.total_steps
    end = f" {int(100 * part):{_PERCENT - 1}}%"
    if room >= _BAR_FROM:
        end = f" {bar(part, _BAR)}{end}"
    left, count = room - len(end), f"{run.step}/{run.total_steps}"
    if len(count) > left:
        count = f"{_short(run.step)}/{_short(run.total_steps)}"
    return f"{fit(count, left)}{end}"


def _short(count: int) -> str:
    """`140k`: a number of steps in few cells."""
    if count < _LONG_COUNT:
        return str(count)
    thousands = count / 1000
    return f"{thousands:.3g}k" if thousands < 1000 else f"{thousands / 1000:.3g}M"


def cause(run: RunSummary, room: int) -> str:
    """Why it failed, in so many cells: what happened comes before who it happened to."""
    told = safe(run.failure_summary)
    if cell_len(told) <= room:
        return told
    who = f"rank {run.failure_rank} on {safe(run.failure_node or '')} "
    return told.removeprefix(who).removeprefix("raised ")


def _loss(run: RunSummary, now: float, room: int) -> Piece:
    loss = "" if run.loss is None else f"{run.loss:<{_LOSS}.4g}"
    if stale := stale_text(run, now):
        # where there is little room, that it is stale says more than why
        return (stale if room >= _REASON_FROM else stale.partition(",")[0], "warning")
    if run.failure_summary:
        return (cause(run, room), "error")
    if not run.state.final and run.reason:
        return (state_text(run, now), "dim")
    if run.loss is None:
        return (safe(run.reason) or "–", "dim")
    curve = sparkline(run.loss_curve, min(16, room - len(loss) - 1))
    return (f"{loss} {curve}", "")


def sort_runs(
    runs: Sequence[RunSummary], column: str, now: float, *, falls: bool
) -> tuple[RunSummary, ...]:
    """The runs by a column of the table; those that have no value there come last.

    Args:
        runs: Newest first.
        column: A column's name; empty: newest first.
        now: Seconds since the epoch, for those that go on.
        falls: The largest first.
    """
    if not column:
        return tuple(reversed(runs)) if falls else tuple(runs)
    value = _ORDERS[column]
    values = [value(run, now) for run in runs]
    order = [place for place, found in enumerate(values) if found is not None]
    order.sort(key=values.__getitem__, reverse=falls)  # type: ignore[arg-type]
    order += [place for place, found in enumerate(values) if found is None]
    return tuple(runs[place] for place in order)


_URGENCY = (
    "running", "stopping", "starting", "queued", "planned", "failed", "lost", "stopped",
    "succeeded",
)  # fmt: skip
_ORDERS: dict[str, Callable[[RunSummary, float], object]] = {
    "state": lambda run, now: _URGENCY.index(run.state.value),
    "name": lambda run, now: run.name.lower(),
    "backend": lambda run, now: run.backend,
    "nodes": lambda run, now: run.nnodes,
    "ranks": lambda run, now: run.world_size,
    "step": lambda run, now: (
        None if run.step is None else run.step / run.total_steps if run.total_steps else 0.0
    ),
    "loss": lambda run, now: run.loss,
    "elapsed": elapsed,
    "age": lambda run, now: now - run.created,
}
CHANGING = frozenset(("elapsed",))
"""Columns whose order may be another one a moment later: not all of it goes on."""
