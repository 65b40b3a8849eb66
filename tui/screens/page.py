"""A page of text over a screen: details where there is no room for a pane, what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import Vertical
from textual.screen import ModalScreen

from tui.keys import Scope, bindings
from tui.widgets.bars import LineBar
from tui.widgets.text_lines import TextLines

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tui.looks import Line


class PageScreen(ModalScreen[None]):
    """Shows lines; esc, q and ? close it."""

    # it has nothing to be searched
    BINDINGS: ClassVar = [b for b in bindings(Scope.HELP) if getattr(b, "action", "") == "close"]
    DEFAULT_CSS = """
    PageScreen { align: center middle; }
    PageScreen > Vertical {
        width: 110; max-width: 100%; height: auto; max-height: 100%;
        background: $surface; border: round $primary;
    }
    PageScreen LineBar { background: $surface; }
    PageScreen TextLines { height: auto; max-height: 100%; background: $surface; padding: 0 1; }
    """

    def __init__(self, title: str, lines: tuple[Line, ...] = ((("reading …", "dim"),),)) -> None:
        """Show this under a title; both are safe."""
        super().__init__()
        self._title = title
        self._lines = lines
        self._page = TextLines()

    def compose(self) -> ComposeResult:
        """The title and the page."""
        with Vertical():
            yield LineBar(id="page-title")
            yield self._page

    def on_mount(self) -> None:
        """Show what there is."""
        self.query_one(LineBar).show(((f" {self._title}", "title"), ("  esc closes", "dim")))
        self._page.show(self._lines)
        self._page.focus()

    def action_close(self) -> None:
        """Go back to what lies below."""
        self.dismiss()

    def show(self, lines: tuple[Line, ...]) -> None:
        """Show other lines, as soon as they are known."""
        self._lines = lines
        if self.is_mounted:
            # not looked for: one that has been closed has no parts any more
            self._page.show(lines)
