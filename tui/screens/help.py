"""The keys that are valid where the user came from, out of the key table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Vertical
from textual.screen import ModalScreen

from tui.keys import Scope, bindings, keys_of
from tui.looks import Line, fit
from tui.widgets.text_lines import TextLines

if TYPE_CHECKING:
    from textual.app import ComposeResult


class HelpScreen(ModalScreen[None]):
    """Lists keys; any of esc, q and ? closes it."""

    BINDINGS = bindings(Scope.HELP)
    DEFAULT_CSS = """
    HelpScreen { align: center middle; }
    HelpScreen > Vertical {
        width: 92; max-width: 100%; height: auto; max-height: 100%;
        background: $surface; border: round $primary;
    }
    HelpScreen TextLines { height: auto; max-height: 100%; background: $surface; }
    """

    def __init__(self, scopes: tuple[Scope, ...]) -> None:
        super().__init__()
        self._scopes = scopes

    def compose(self) -> ComposeResult:
        """One page of text."""
        with Vertical():
            yield TextLines()

    def on_mount(self) -> None:
        """Show the table."""
        page = self.query_one(TextLines)
        page.show(help_lines(self._scopes))
        page.focus()


def help_lines(scopes: tuple[Scope, ...]) -> tuple[Line, ...]:
    """The keys of these scopes as text."""
    lines: list[Line] = []
    for scope in scopes:
        if lines:
            lines.append(())
        lines.append(((scope.value, "title"),))
        lines += [((f"  {fit(key.shown, 15)}", "key"), (key.help, "")) for key in keys_of(scope)]
    return tuple(lines)
