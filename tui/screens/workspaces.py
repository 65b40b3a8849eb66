"""Workspaces: named nodes, limits and defaults; new jobs begin from the one in use."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on

from rankdeck.library.workspaces import WorkspaceStore, workspace_store
from tui.keys import Scope, bindings
from tui.looks import Line, Piece, safe
from tui.shelf_screen import ShelfScreen
from tui.widgets.row_table import Column, RowTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rankdeck.library.shelf import Kept


class WorkspacesScreen(ShelfScreen):
    """The user's workspaces."""

    SCOPE = Scope.WORKSPACES
    SCOPES = (Scope.WORKSPACES, Scope.TABLE, Scope.EVERYWHERE)
    BINDINGS = bindings(Scope.WORKSPACES)
    HINT = "letters of the name, words, backend:ssh  hostfile:lab  exclude:node07"
    COLUMNS = (
        Column("current", "IN USE", 6),
        Column("name", "NAME", 12, share=1, most=40),
        Column("backend", "BACKEND", 8),
        Column("nodes", "NODES", 12, share=2, most=50),
        Column("limit", "LIMIT", 6, from_width=70),
        Column("about", "DESCRIPTION", 14, share=3, from_width=60),
    )
    NOTHING: ClassVar[tuple[Line, ...]] = (
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

    shelf: WorkspaceStore

    def make_shelf(self) -> WorkspaceStore:
        """The user's workspaces."""
        return workspace_store()

    def read_current(self) -> str:
        """The one in use."""
        return self.shelf.current

    def cells(self, kept: Kept, widths: Mapping[str, int]) -> dict[str, Piece]:
        """A workspace's row."""
        from rankdeck.library.workspaces import nodes_text

        draft = kept.draft
        about: Piece = (safe(kept.description), "dim")
        if kept.problems:
            first = kept.problems[0]
            where = f"line {first.line}: " if first.line else ""
            about = (safe(f"✖ {where}{first.key} {first.message}"), "error")
        mark = "✖ " if kept.broken and "about" not in widths else ""
        return {
            "current": ("● yes", "good") if kept.name == self.current else ("", ""),
            "name": (safe(mark + kept.name), "error" if kept.broken else "bold"),
            "backend": (safe(draft.backend or "–"), ""),
            "nodes": (safe(nodes_text(kept) or "–"), ""),
            "limit": (safe(str(draft.time_limit or "–")), ""),
            "about": about,
        }

    # -- keys -------------------------------------------------------------------------------

    @on(RowTable.Opened)
    def action_use(self) -> None:
        """Let new jobs begin from the one under the cursor, or from none."""
        kept = self.selected
        if kept is None:
            return
        if kept.name == self.current:
            self.write(lambda: self.shelf.use(None), "new jobs begin from nothing")
        else:
            self.write(lambda: self.shelf.use(kept.name), f"new jobs begin from {kept.name}")

    def action_create(self) -> None:
        """A new workspace."""
        self.ask_line("new workspace", "", "a name", self.edit)

    def action_copy_command(self) -> None:
        """Copy the command that makes this workspace the current one."""
        if self.selected is not None:
            self.deck.copy(f"rankdeck workspace use {self.selected.name}", "command")
