"""A question that is answered with a key before something is done that cannot be undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Vertical
from textual.screen import ModalScreen

from tui.keys import Scope, bindings, keys_of, shown_key_of
from tui.widgets.bars import KeyBar
from tui.widgets.text_lines import TextLines

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult

    from tui.looks import Line


class ConfirmScreen(ModalScreen[bool]):
    """Asks; dismissed with the answer."""

    BINDINGS = bindings(Scope.CONFIRM)
    DEFAULT_CSS = """
    ConfirmScreen { align: center middle; }
    ConfirmScreen > Vertical {
        width: 92; max-width: 98%; height: auto; max-height: 90%; padding: 1;
        background: $surface; border: round $warning;
    }
    ConfirmScreen ToastRack { dock: top; align: right top; }
    ConfirmScreen TextLines { height: auto; max-height: 14; background: $surface; }
    ConfirmScreen KeyBar { margin-top: 1; background: $surface; }
    """

    def __init__(self, lines: tuple[Line, ...]) -> None:
        super().__init__()
        self._lines = lines
        self._text = TextLines()

    def compose(self) -> ComposeResult:
        """The question and its keys."""
        with Vertical():
            yield self._text
            yield KeyBar(keys_of(Scope.CONFIRM))

    def on_mount(self) -> None:
        """Show the question; notices stand above it, once, so that they hide none of its keys."""
        # not looked for: where the interface is left just now, it has no parts any more
        self._text.show(self._lines)
        for screen in self.app.screen_stack[:-1]:
            # shown again by its screen as soon as that is on top
            screen.query("ToastRack").set(display=False)

    def show(self, lines: tuple[Line, ...]) -> None:
        """Say more, as soon as it is known."""
        self._lines = lines
        if self.is_mounted:
            self._text.show(lines)

    def on_key(self, event: events.Key) -> None:
        """Keys that agree to anything elsewhere do not here: say which ones answer."""
        if event.key in ("enter", "space"):
            event.stop()
            yes, no = shown_key_of("confirm.answer-true"), shown_key_of("confirm.answer-false")
            self.notify(f"{yes} does it, {no} does not", timeout=3, markup=False)

    def action_answer(self, answer: bool) -> None:
        """Give the answer to whoever asked."""
        self.dismiss(answer)
