"""RunLoads: reads in the background what the nodes in sight did over the run, for their pane.

Files of nodes that nobody looks at are not read, and those of a run that has ended only once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.run.layout import RunDir
from tui.screens.base import DeckScreen
from tui.widgets.node_load import NodeLoad, node_rows

if TYPE_CHECKING:
    from rankdeck.errors import UserError
    from rankdeck.run.view import RunSnapshot
    from tui.node_past import NodePast

_AGAIN = 10.0
"""Seconds after which a history may have grown."""
_SHARE = 100.0
"""Of a long run it is read again when it can have grown by a hundredth: a cell shows more."""


class RunLoads(DeckScreen):
    """The part of the run screen that shows nodes and their past."""

    run_id: str
    nodes: NodeLoad
    pasts: dict[str, NodePast]
    """What is known, by node."""
    _read: dict[str, tuple[float, bool]]
    """When a history was asked for, and whether the run had ended by then."""

    def __init__(self) -> None:
        super().__init__()
        self.pasts = {}
        self._read = {}

    if TYPE_CHECKING:

        def pasts_changed(self) -> None:
            """Show them wherever they are seen: the screen does."""

    def show_nodes(self, snapshot: RunSnapshot, now: float) -> None:
        """Show the nodes of the run."""
        self.nodes.show(node_rows(snapshot, self.pasts), now)
        if self.nodes.shows_past:
            self.ask_pasts(snapshot, now, self.nodes.in_sight)

    def ask_pasts(self, snapshot: RunSnapshot, now: float, names: tuple[str, ...]) -> None:
        """Read the histories of these nodes, where they may tell more than is known."""
        state = snapshot.run
        began = state.created if state.started is None else state.started
        again = max(_AGAIN, (now - began) / _SHARE)
        over = state.state.final
        due = tuple(name for name in names if self._is_due(name, now, again, over=over))
        if not due:
            return
        self._read.update(dict.fromkeys(due, (now, over)))
        run = RunDir(self.controller.store.runs_dir / self.run_id)
        ended = state.ended if over else now

        def read() -> dict[str, NodePast]:
            from rankdeck.run.load_history import read_loads
            from tui.node_past import past_of

            made = ((name, past_of(read_loads(run.node(name).load), began, ended)) for name in due)
            return {name: past for name, past in made if past is not None}

        def heard(found: dict[str, NodePast] | None, error: UserError | None) -> None:
            # a history that cannot be read leaves its column empty
            if found and error is None and self.is_there:
                self.pasts.update(found)
                self.pasts_changed()

        self.controller.do(read, heard, key=("loads", self.run_id, due))

    def _is_due(self, name: str, now: float, again: float, *, over: bool) -> bool:
        asked, was_over = self._read.get(name, (float("-inf"), False))
        return not was_over and (over or now - asked >= again)
