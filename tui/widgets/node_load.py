"""NodeLoad: the nodes of a run and their load, those in trouble first."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

from rankdeck.text import age, size
from tui.keys import Scope, bindings
from tui.looks import Piece, safe
from tui.widgets.row_table import Column, RowTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rankdeck.run.view import NodeView, RunSnapshot

_LATE = 8.0
"""An agent that has not written for so long is told."""
_SKEW = 1.0
_COLUMNS = (
    Column("node", "NODE", 7, share=1, most=24),
    Column("state", "STATE", 9, share=1, most=14),
    Column("cpu", "CPU", 4, right=True),
    Column("mem", "MEM", 4, right=True),
    Column("gpu", "GPU", 4, right=True, from_width=84),
    Column("memory", "USED/TOTAL", 19, right=True, from_width=116),
    Column("disk", "DISK FREE", 10, right=True, from_width=96),
    Column("clock", "CLOCK", 8, right=True, from_width=110),
    Column("heard", "HEARD", 5, right=True, from_width=35),
    Column("what", "", 4, share=8, from_width=56),
)


@dataclass(frozen=True, slots=True)
class NodeRow:
    """One node as the table shows it."""

    view: NodeView
    clock_ahead: float
    ended: bool
    """The run has ended: load and silence mean nothing any more."""


def node_rows(snapshot: RunSnapshot) -> tuple[NodeRow, ...]:
    """The nodes, those in trouble first, then in their own order. Pure."""
    ended = snapshot.run.state.final
    rows = [
        NodeRow(view, node.clock_ahead, ended)
        for view, node in zip(snapshot.nodes, snapshot.run.nodes, strict=True)
    ]
    return tuple(sorted(rows, key=lambda row: (calm(row.view), row.view.node_rank)))


def calm(node: NodeView) -> int:
    """0 for a node in trouble, 1 for one that is silent, 2 for all others."""
    if node.problem is not None or node.state == "lost":
        return 0
    return 1 if node.silent_since is not None else 2


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
        # agents do not look at GPUs: what is not known is told as that
        "gpu": ("–", "dim"),
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
    return ("", "")


def nodes_title(rows: Sequence[NodeRow], now: float) -> tuple[Piece, ...]:
    """All nodes in one line: how many are in which state, and the first that is in trouble."""
    if not rows:
        return (("no nodes", "dim"),)
    count = f"{len(rows):,} node{'s' if len(rows) > 1 else ''}"
    if rows[0].view.placeholder:
        return ((count, ""), (", not chosen yet", "dim"))
    worst = rows[0].view
    if not rows[0].ended or calm(worst) == 0:
        told = Counter(calm(row.view) for row in rows)
        if told[0]:
            return ((f"{count} · ", ""), (f"✖ {told[0]} bad: {safe(worst.name)}", "error"))
        if told[1]:
            return ((f"{count} · ", ""), (f"! {told[1]} silent: {safe(worst.name)}", "warning"))
    loads = [row.view.load for row in rows if row.view.load is not None]
    cpus = [load.cpu_percent for load in loads if load.cpu_percent is not None]
    load_text = f" · cpu {sum(cpus) / len(cpus):.0f}%" if cpus and not rows[0].ended else ""
    return ((count, ""), (load_text, "dim"))


class NodeLoad(RowTable[NodeRow]):
    """The table of a run's nodes."""

    BINDINGS = bindings(Scope.NODE_LOAD)

    class Asked(Message):
        """Something is wanted of the node under the cursor."""

        def __init__(self, what: str, node: NodeView) -> None:
            super().__init__()
            self.what = what
            """`launcher-log`, `agent-log`, `ranks` or `shell`."""
            self.node = node

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(_COLUMNS, lambda row: row.view.name, self._cells_of, id=id)

    @staticmethod
    def _cells_of(row: NodeRow, now: float, _: Mapping[str, int]) -> Mapping[str, Piece]:
        return node_cells(row, now)

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

    def action_shell(self) -> None:
        """Open a shell on the node."""
        self._ask("shell")
