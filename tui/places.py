"""The screens that can be gone to from anywhere, as data: for the palette, keys and `Deck.go`."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.screen import Screen


@dataclass(frozen=True, slots=True)
class Place:
    """One screen that needs nothing to be opened."""

    name: str
    title: str
    """As the palette and the breadcrumb show it."""
    help: str
    module: str
    screen: str
    """The class in `module`; imported only when the place is gone to."""
    typed: bool = False
    """Whether something is typed there that would be lost with it."""

    def make(self) -> Screen[None]:
        """A new screen of it."""
        screen: Screen[None] = getattr(import_module(self.module), self.screen)()
        return screen


PLACES: tuple[Place, ...] = (
    Place("runs", "runs", "Every run, newest first.", "tui.screens.runs", "RunsScreen"),
    Place(
        "new",
        "new job",
        "Describe a job and start it.",
        "tui.screens.new_job",
        "NewJobScreen",
        True,
    ),
    Place(
        "templates",
        "templates",
        "Jobs kept under a name.",
        "tui.screens.templates",
        "TemplatesScreen",
    ),
    Place(
        "workspaces",
        "workspaces",
        "Nodes, limits and defaults that new jobs begin from.",
        "tui.screens.workspaces",
        "WorkspacesScreen",
    ),
    Place("nodes", "nodes", "Every node, and who uses it.", "tui.screens.nodes", "NodesScreen"),
    Place(
        "commands",
        "command log",
        "Every command that Rankdeck has executed.",
        "tui.screens.commands",
        "CommandsScreen",
    ),
    Place("settings", "settings", "Theme, keys, mouse.", "tui.screens.settings", "SettingsScreen"),
)


def place(name: str) -> Place:
    """The place of that name. Raises KeyError where there is none."""
    return {known.name: known for known in PLACES}[name]
