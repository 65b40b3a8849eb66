"""NodeLoad: the nodes of a run and their load, those in trouble first."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

from rankdeck.run.gpus import in_order, summarise
from rankdeck.text import age, size
from tui.keys import Scope, bindings
from tui.looks import Piece, safe
from tui.node_gpus import gpu_cells
from tui.node_past import sparkline
from tui.widgets.row_table import Column, RowTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rankdeck.run.view import NodeView, RunSnapshot
    from tui.node_past import NodePast

_LATE = 8.0
"""An agent that has not written for so long is told."""
_SKEW = 1.0
_COLUMNS = (
    Column("node", "NODE", 7, share=1, most=24),
    Column("state", "STATE", 9, share=1, most=14),
    Column("cpu", "CPU", 4, right=True),
    Column("mem", "MEM", 4, right=True),
    Column("gpu", "GPU", 4, right=True, from_width=60),
    Column("low", "LEAST", 5, right=True, from_width=90),
    Column("gpus", "GPUS", 8, from_width=72),
    Column("vram", "VRAM", 4, right=True, from_width=100),
    Column("hot", "HOT", 4, right=True, from_width=100),
    Column("filled", "MEMORY, OVER THE RUN", 12, share=4, most=48, from_width=170),
    Column("memory", "USED/TOTAL", 19, right=True, from_width=140),
    Column("disk", "DISK FREE", 10, right=True, from_width=116),
    Column("clock", "CLOCK", 8, right=True, from_width=110),
    Column("heard", "HEARD", 5, right=True, from_width=35),
    Column("what", "OVER THE RUN", 4, share=8, from_width=56),
)


@dataclass(frozen=True, slots=True)
class NodeRow:
    """One node as the table shows it."""

    view: NodeView
    clock_ahead: float
    ended: bool
    """The run has ended: load and silence mean nothing any more."""
    past: NodePast | None = None
    """What it did over the run, once that has been read."""


def node_rows(
    snapshot: RunSnapshot, pasts: Mapping[str, NodePast] | None = None
) -> tuple[NodeRow, ...]:
    """The nodes, those in trouble first, then in their own order. Pure."""
    ended = snapshot.run.state.final
    known = pasts or {}
    rows = [
        NodeRow(view, node.clock_ahead, ended, known.get(view.name))
        for view, node in zip(snapshot.nodes, snapshot.run.nodes, strict=True)
    ]
    return tuple(sorted(rows, key=lambda row: (calm(row), row.view.node_rank)))


def calm(row: NodeRow) -> int:
    """0: a node in trouble, 1: one that is silent, 2: with a bad GPU, 3: all others."""
    node = row.view
    if node.problem is not None or node.state == "lost":
        return 0
    if node.silent_since is not None:
        return 1
    return 2 if bad_gpu(row) else 3


def bad_gpu(row: NodeRow) -> str:
    """The gravest that is wrong with the node's GPUs; empty: nothing, or the run is over."""
    load = None if row.ended or row.view.load is None else row.view.load.gpus
    if load is None or in_order(load):
        return ""
    return next((safe(fault.text) for fault in summarise(load).faults if fault.grave), "")


def node_cells(row: NodeRow, now: float) -> dict[str, Piece]:
    """One node as the columns of the table. Pure."""
    node, load = row.view, None if row.ended else row.view.load
    silent = node.silent_since is not None and not row.ended
    state, style = (safe(node.state), "")
    if node.problem is not None or node.state == "lost":
        state, style = (f"✖ {state}", "error")
    elif silent:
        state, style = ("! silent", "warning")
    cells: dict[str, Piece] = {
        "node": ("not chosen" if node.placeholder else safe(node.name), "bold"),
        "state": (state, style),
        "cpu": ("–", "dim"),
        "mem": ("–", "dim"),
        **gpu_cells(None if load is None else load.gpus),
        "memory": ("–", "dim"),
        "disk": (size(node.disk_free), "dim" if node.disk_free is None else ""),
        "clock": ("", ""),
        "heard": _heard(row, now),
        "what": _what(row, now),
    }
    if load is not None and load.cpu_percent is not None:
        cells["cpu"] = (f"{load.cpu_percent:.0f}%", "")
    if load is not None and load.mem_total and load.mem_used is not None:
        part = load.mem_used / load.mem_total
        cells["mem"] = (f"{100 * part:.0f}%", "warning" if part > 0.95 else "")
        cells["memory"] = (f"{size(load.mem_used)}/{size(load.mem_total)}", "")
    if abs(row.clock_ahead) >= _SKEW:
        cells["clock"] = (f"{row.clock_ahead:+.1f}s", "warning")
    return cells


def past_cells(
    past: NodePast | None, widths: Mapping[str, int], *, trouble: Piece
) -> dict[str, Piece]:
    """What the node did over the run, as wide as the columns are. Pure.

    Args:
        past: What is known of that.
        widths: Cells of the columns that are shown.
        trouble: What is wrong with the node, which comes first.
    """
    if past is None:
        return {"what": trouble, "filled": ("", "")}
    busy = sparkline(past.busy, widths.get("what", 0))
    memory = sparkline(past.curve("memory"), widths.get("filled", 0), peaks=True)
    return {"what": trouble if trouble[0] else (busy, ""), "filled": (memory, "")}


def _heard(row: NodeRow, now: float) -> Piece:
    node = row.view
    if row.ended:
        return ("", "")
    if node.silent_since is not None:
        return (age(now - node.silent_since), "warning")
    if node.heartbeat is None:
        return ("–", "dim")
    late = now - node.heartbeat
    # agents write every two seconds: a figure that goes up and down tells nothing and costs bytes
    return ("now", "dim") if late < _LATE else (age(late), "warning")


def _what(row: NodeRow, now: float) -> Piece:
    """What is wrong with it; nothing for a node in order."""
    node = row.view
    if node.problem is not None:
        return (safe(node.problem.message).removeprefix(f"{safe(node.name)}: "), "error")
    if node.silent_since is not None and not row.ended:
        return (f"not heard for {age(now - node.silent_since)}: {safe(node.silence)}", "warning")
    if row.ended or node.load is None or node.load.gpus is None:
        return ("", "")
    faults = summarise(node.load.gpus).faults
    more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
    return next(
        ((safe(f.text) + more, "error" if f.grave else "warning") for f in faults), ("", "")
    )


def nodes_title(rows: Sequence[NodeRow], now: float) -> tuple[Piece, ...]:
    """All nodes in one line: how many are in which state, and the first that is in trouble."""
    if not rows:
        return (("none", "dim"),)
    count = f"{len(rows):,}"
    if rows[0].view.placeholder:
        return ((count, ""), (", not chosen yet", "dim"))
    worst = rows[0].view
    if not rows[0].ended or calm(rows[0]) == 0:
        told = Counter(map(calm, rows))
        if told[0]:
            return ((f"{count} · ", ""), (f"✖ {told[0]} bad: {safe(worst.name)}", "error"))
        if told[1]:
            return ((f"{count} · ", ""), (f"! {told[1]} silent: {safe(worst.name)}", "warning"))
        if told[2]:
            text = f"✖ {told[2]} with a bad GPU: {safe(worst.name)}, {bad_gpu(rows[0])}"
            return ((f"{count} · ", ""), (text, "error"))
    return ((count, ""), ("" if rows[0].ended else _load_text(rows), "dim"))


def _load_text(rows: Sequence[NodeRow]) -> str:
    """What all nodes do on average."""
    loads = [row.view.load for row in rows if row.view.load is not None]
    cpus = [load.cpu_percent for load in loads if load.cpu_percent is not None]
    gpus = [
        device.util
        for load in loads
        for device in (load.gpus.devices if load.gpus is not None else ())
        if device.util is not None
    ]
    named = (("cpu", cpus), ("gpu", gpus))
    return "".join(f" · {name} {sum(all_) / len(all_):.0f}%" for name, all_ in named if all_)


class NodeLoad(RowTable[NodeRow]):
    """The table of a run's nodes."""

    BINDINGS = bindings(Scope.NODE_LOAD)

    class Asked(Message):
        """Something is wanted of the node under the cursor."""

        def __init__(self, what: str, node: NodeView) -> None:
            super().__init__()
            self.what = what
            """`launcher-log`, `agent-log`, `ranks`, `details` or `shell`."""
            self.node = node

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(_COLUMNS, lambda row: row.view.name, self._cells_of, id=id)

    @staticmethod
    def _cells_of(row: NodeRow, now: float, widths: Mapping[str, int]) -> Mapping[str, Piece]:
        cells = node_cells(row, now)
        return {**cells, **past_cells(row.past, widths, trouble=cells["what"])}

    @property
    def shows_past(self) -> bool:
        """Whether it is seen, and wide enough for what nodes did over the run."""
        return self.size.height > 0 and "what" in self.widths()

    @property
    def in_sight(self) -> tuple[str, ...]:
        """The names of the nodes whose rows are seen."""
        top = self.scroll_offset.y
        return tuple(row.view.name for row in self.rows[top : top + self.size.height])

    def _ask(self, what: str) -> None:
        row = self.selected
        if row is not None:
            self.post_message(self.Asked(what, row.view))

    def action_open(self) -> None:
        """Show what the node's launcher printed."""
        self._ask("launcher-log")

    def action_agent_log(self) -> None:
        """Show what the node's agent has noted."""
        self._ask("agent-log")

    def action_ranks(self) -> None:
        """Go to the node's ranks."""
        self._ask("ranks")

    def action_details(self) -> None:
        """Show what is known of the node, GPU by GPU."""
        self._ask("details")

    def action_shell(self) -> None:
        """Open a shell on the node."""
        self._ask("shell")
