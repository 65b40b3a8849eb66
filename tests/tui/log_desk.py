"""A log pane in a running app, and the log that it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import App
from textual.widgets import Input

from tests.tui.pilot import until
from tui.widgets.log_pane import LogPane
from tui.widgets.rank_grid import RankGrid

if TYPE_CHECKING:
    from pathlib import Path

    from textual.app import ComposeResult
    from textual.pilot import Pilot


class Deck(App[None]):
    """A pane, and another widget that may have the keys."""

    def compose(self) -> ComposeResult:
        yield LogPane()
        other = RankGrid()
        other.styles.height = 1
        yield other


class Desk:
    """A pane in a running app, and the log it shows."""

    def __init__(self, app: Deck, pilot: Pilot[None], path: Path) -> None:
        self.app = app
        self.pilot = pilot
        self.path = path
        self.pane = app.query_one(LogPane)

    def write(self, text: str | bytes) -> None:
        with self.path.open("ab") as file:
            file.write(text if isinstance(text, bytes) else text.encode())

    async def settle(self) -> None:
        """Wait until all that was asked for is on the screen."""
        await self.pilot.pause()
        pane = self.pane
        await until(self.pilot, lambda: pane.settled and pane._seek is None)
        await self.pilot.pause()
        await until(self.pilot, lambda: pane.settled)
        await self.pilot.pause()

    async def tick(self) -> None:
        self.pane.tick()
        await self.settle()

    async def open(self) -> None:
        self.pane.open(self.path, "rank 0")
        self.pane.focus()
        await self.tick()

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.pilot.press(key)
            await self.settle()

    async def look_for(self, text: str) -> None:
        await self.pilot.press("slash")
        self.app.query_one(Input).value = text
        await self.press("enter")

    async def enter(self, key: str, text: str) -> None:
        """Type into the line that a key opens."""
        await self.pilot.press(key)
        self.app.query_one(Input).value = text
        await self.press("enter")

    @property
    def rows(self) -> list[str]:
        view = self.pane.view
        return [view.render_line(y).text for y in range(view.size.height)]

    @property
    def texts(self) -> list[str]:
        """The rows without line numbers and scroll bar."""
        view = self.pane.view
        gutter = view.size.width - view.text_width - 1
        return [row[gutter:].rstrip("█").rstrip() for row in self.rows]

    @property
    def found(self) -> str:
        page = self.pane.view.page
        row = page.row_of(page.found)
        assert row is not None
        return row.row.cells.text


def numbered(first: int, last: int) -> str:
    """Lines with their numbers."""
    return "".join(f"line {number}\n" for number in range(first, last + 1))
