"""Workspaces: named nodes, limits and defaults; new jobs begin from the one in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on

from rankdeck.library.workspaces import nodes_text, workspace_store
from tui.keys import Scope, bindings
from tui.looks import Line, Piece, safe
from tui.shelf_screen import ShelfKind, ShelfScreen
from tui.shelf_text import shared_cells
from tui.widgets.row_table import Column, RowTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rankdeck.library.shelf import Kept

_COLUMNS = (
    Column("current", "IN USE", 6),
    Column("name", "NAME", 12, share=2, most=40),
    Column("backend", "BACKEND", 8),
    Column("nodes", "NODES", 12, share=1, most=50),
    Column("limit", "LIMIT", 6, from_width=70),
    Column("about", "DESCRIPTION", 14, share=3, from_width=60),
)
_NOTHING: tuple[Line, ...] = (
    (),
    (("  There are no workspaces yet.", "title"),),
    (("  One keeps nodes, limits and defaults under a name; new jobs begin from it.", ""),),
    (),
    (("  a", "key"), (" and a name opens your editor on a new one.", "")),
    (
        ("  rankdeck workspace save lab --backend ssh --hostfile hosts", "key"),
        (" does so in a shell.", ""),
    ),
)


class WorkspacesScreen(ShelfScreen):
    """The user's workspaces."""

    SCOPE = Scope.WORKSPACES
    SCOPES = (Scope.WORKSPACES, Scope.TABLE, Scope.EVERYWHERE)
    BINDINGS = bindings(Scope.WORKSPACES)

    def __init__(self) -> None:
        self.store = workspace_store()
        super().__init__(
            ShelfKind(
                shelf=self.store,
                columns=_COLUMNS,
                cells=_cells,
                nothing=_NOTHING,
                hint="letters of the name, words, backend:ssh  hostfile:lab  exclude:node07",
                read_current=lambda: self.store.current,
            )
        )

    # -- keys -------------------------------------------------------------------------------

    @on(RowTable.Opened)
    def action_use(self) -> None:
        """Let new jobs begin from the one under the cursor, or from none."""
        kept = self.selected
        if kept is None:
            return
        if kept.name == self.current:
            self.write(lambda: self.store.use(None), "new jobs begin from nothing")
        else:
            self.write(lambda: self.store.use(kept.name), f"new jobs begin from {kept.name}")

    def action_create(self) -> None:
        """A new workspace."""
        self.ask_line("new workspace:", "", "a name", self.edit)

    def action_copy_command(self) -> None:
        """Copy the command that makes this workspace the current one."""
        if self.selected is not None:
            self.deck.copy(f"rankdeck workspace use {self.selected.name}", "command")


def _cells(kept: Kept, widths: Mapping[str, int], current: str) -> dict[str, Piece]:
    return {
        **shared_cells(kept, widths),
        "current": ("● yes", "good") if kept.name == current else ("", ""),
        "nodes": (safe(nodes_text(kept) or "–"), ""),
        "limit": (safe(str(kept.draft.time_limit or "–")), ""),
    }
