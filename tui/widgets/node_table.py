"""The nodes as a table: what a node's row says. A function of the rows and the clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.nodes.notes import note_text
from rankdeck.text import size
from tui.looks import Piece, safe
from tui.node_rows import STATES
from tui.widgets.row_table import Column, RowTable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rankdeck.nodes.expressions import Slots
    from tui.node_rows import NodeRow

_COLUMNS = (
    Column("in", "IN", 5, sort=True),
    Column("name", "NODE", 10, share=1, most=24, sort=True),
    Column("state", "STATE", 13, sort=True),
    Column("slots", "SLOTS", 5, right=True, sort=True, falls=True),
    Column("gpus", "GPUS", 5, right=True, sort=True, falls=True),
    Column("cpus", "CPUS", 5, right=True, from_width=100, sort=True, falls=True),
    Column("load", "LOAD", 6, right=True, from_width=90, sort=True, falls=True),
    Column("memory", "FREE MEM", 10, right=True, from_width=110, sort=True, falls=True),
    Column("runs", "OUR RUNS", 10, share=1, most=20, from_width=75, sort=True, falls=True),
    Column("note", "WHY, NOTES", 10, share=8),
)


class NodeTable(RowTable["NodeRow"]):
    """A table of nodes."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(_COLUMNS, lambda row: row.name, node_cells, id=id)


def node_cells(row: NodeRow, now: float, widths: Mapping[str, int]) -> dict[str, Piece]:
    """A node's row."""
    mark, style = STATES[row.state]
    word = row.state
    if row.scheduler and row.state in ("ready", "busy", "unusable"):
        word = safe(row.scheduler.partition(":")[0].partition(",")[0])
    return {
        "in": _chosen(row),
        "name": (safe(row.name), "bold" if row.chosen is not None else "dim"),
        "state": (f"{mark} {word}", style),
        "slots": ("–" if row.slots is None else str(len(row.slots)), ""),
        "gpus": (str(row.gpus) if row.gpus else "–", ""),
        "cpus": (str(row.cpus) if row.cpus else "–", ""),
        "load": ("–" if row.load is None else f"{row.load:.1f}", ""),
        "memory": (size(row.memory_free), ""),
        "runs": (_runs(row), "accent" if row.use.living else "dim"),
        "note": _note(row, now),
    }


def _chosen(row: NodeRow) -> Piece:
    if row.chosen is None:
        return ("·", "dim")
    if not row.chosen:
        return ("✔", "good")
    return (f"✔ {slots_text(row.chosen)}", "good")


def slots_text(slots: Slots) -> str:
    """Some slots in few cells: `0-3`, `0,2,5`."""
    from rankdeck.text import ranges

    return ranges(slots).replace(" ", "")


def _runs(row: NodeRow) -> str:
    living = row.use.living
    if not living:
        return "–"
    name = safe(living[0].name)
    return name if len(living) == 1 else f"{len(living)}: {name} …"


def _note(row: NodeRow, now: float) -> Piece:
    if row.bad and row.trouble:
        noted = "" if row.note is None else f"{note_text(row.note, now)} · "
        return (safe(noted + row.trouble), "error")
    if row.note is not None:
        return (safe(note_text(row.note, now)), "warning" if row.note.avoids(now) else "")
    if row.trouble:
        return (safe(row.trouble), "warning")
    if count := len(row.use.blamed):
        return (f"{count} failure{'s' if count > 1 else ''} of our runs began here", "dim")
    return ("", "")


def sort_nodes(rows: Sequence[NodeRow], column: str, *, falls: bool) -> tuple[NodeRow, ...]:
    """The nodes by a column; those that have no value there come last.

    Args:
        rows: In the inventory's order.
        column: A column's name; empty: the inventory's order.
        falls: The largest first.
    """
    if not column:
        return tuple(reversed(rows)) if falls else tuple(rows)
    value = _ORDERS[column]
    keyed = [(value(row), row) for row in rows]
    known = [pair for pair in keyed if pair[0] is not None]
    known.sort(key=lambda pair: pair[0], reverse=falls)  # type: ignore[arg-type, return-value]
    return (*(row for _, row in known), *(row for found, row in keyed if found is None))


_WORST = ("unreachable", "broken", "unusable", "avoid", "warning", "unknown", "asking", "busy")
_ORDERS: dict[str, Callable[[NodeRow], object]] = {
    "in": lambda row: row.chosen is None,
    "name": lambda row: row.name,
    "state": lambda row: _WORST.index(row.state) if row.state in _WORST else len(_WORST),
    "slots": lambda row: None if row.slots is None else len(row.slots),
    "gpus": lambda row: row.gpus,
    "cpus": lambda row: row.cpus,
    "load": lambda row: row.load,
    "memory": lambda row: row.memory_free,
    "runs": lambda row: len(row.use.living),
}
