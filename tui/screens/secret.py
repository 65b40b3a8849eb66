"""A passphrase, typed without being shown and kept by nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from tui.keys import Scope, bindings, keys_of
from tui.looks import safe
from tui.widgets.bars import KeyBar
from tui.widgets.text_lines import TextLines

if TYPE_CHECKING:
    from textual.app import ComposeResult


class SecretScreen(ModalScreen[str]):
    """Asks; dismissed with what was typed, or with nothing."""

    BINDINGS = bindings(Scope.SECRET)
    SCOPES = (Scope.SECRET,)
    DEFAULT_CSS = """
    SecretScreen { align: center middle; }
    SecretScreen > Vertical {
        width: 92; max-width: 98%; height: auto; max-height: 90%; padding: 1;
        background: $surface; border: round $warning;
    }
    SecretScreen TextLines { height: auto; max-height: 6; background: $surface; }
    SecretScreen Input { height: 1; border: none; padding: 0 1; margin-top: 1; background: $boost; }
    SecretScreen KeyBar { margin-top: 1; background: $surface; }
    """

    def __init__(self, prompt: str) -> None:
        super().__init__()
        self._prompt = prompt

    def compose(self) -> ComposeResult:
        """The prompt, the line, its keys."""
        with Vertical():
            yield TextLines()
            yield Input(password=True)
            yield KeyBar(keys_of(Scope.SECRET))

    def on_mount(self) -> None:
        """Wait for the first character."""
        self.query_one(TextLines).show((((safe(self._prompt), "title"),),))
        self.query_one(Input).focus()

    def on_input_submitted(self) -> None:
        """Enter, while the line has the keys."""
        self.action_give()

    def action_give(self) -> None:
        """Give what was typed to whoever asked."""
        self.dismiss(self.query_one(Input).value)

    def action_give_none(self) -> None:
        """Go on without it."""
        self.dismiss("")
