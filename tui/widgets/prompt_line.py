"""PromptLine: one line to type into at the foot of a screen: a filter, a range, a note.

Says beside the text what is wrong with it, while it is typed. What a text means, its owner knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual import on
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

from tui.keys import Scope, bindings
from tui.looks import safe

if TYPE_CHECKING:
    from textual.app import ComposeResult


class PromptLine(Horizontal):
    """Hidden until it is opened."""

    BINDINGS = bindings(Scope.PROMPT)
    DEFAULT_CSS = """
    PromptLine { height: auto; max-height: 4; background: $boost; display: none; }
    PromptLine.-open { display: block; }
    PromptLine > #prompt-label { width: auto; padding: 0 0 0 1; color: $accent; text-style: bold; }
    PromptLine > Input, PromptLine > Input:focus {
        width: 1fr; height: 1; border: none; padding: 0; background: $boost;
    }
    PromptLine > #prompt-note {
        width: auto; max-width: 65%; height: auto; padding: 0 1; color: $text-muted;
    }
    PromptLine > #prompt-note.-wrong { color: $text-error; text-style: bold; }
    """

    _said = ""

    class Changed(Message):
        """Something has been typed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Given(Message):
        """What has been typed is meant."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def compose(self) -> ComposeResult:
        """What is asked, the line, and what is to be said about it."""
        yield Static("", id="prompt-label", markup=False)
        yield Input(select_on_focus=False)
        yield Static("", id="prompt-note", markup=False)

    @property
    def is_open(self) -> bool:
        """Whether it is seen."""
        return self.has_class("-open")

    @property
    def text(self) -> str:
        """What has been typed."""
        return self.query_one(Input).value

    def open(self, label: str, text: str = "", hint: str = "") -> None:
        """Ask; the text that is there already can be changed."""
        field = self.query_one(Input)
        self.query_one("#prompt-label", Static).update(f"{label} ")
        with field.prevent(Input.Changed):
            field.value = text
        field.cursor_position = len(text)
        field.placeholder = hint
        self.say("")
        self.add_class("-open")
        field.focus()

    def close(self) -> None:
        """Ask no more."""
        self.remove_class("-open")

    def say(self, text: str, *, wrong: bool = False) -> None:
        """Say something beside the line."""
        note = self.query_one("#prompt-note", Static)
        said = safe(text)
        if said != self._said:
            # a line that is as long as the one before moves nothing: every key says something here
            stays = note.size.height == 1 and cell_len(said) == cell_len(self._said)
            note.update(said, layout=not stays)
            self._said = said
        note.set_class(wrong, "-wrong")

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(event.value))

    @on(Input.Submitted)
    def _given(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Given(event.value))

    def action_give(self) -> None:
        """The text is meant."""
        self.post_message(self.Given(self.text))

    async def action_cancel(self) -> None:
        """What goes back from it is the screen's matter: it may have a text to take back."""
        await self.run_action("screen.back")
