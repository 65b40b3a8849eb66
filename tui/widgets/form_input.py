"""The line that is typed into: switches on space, default on →, commands that are pasted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message
from textual.widgets import Input

from tui.form.texts import looks_like_command

if TYPE_CHECKING:
    from textual import events
    from textual.suggester import Suggester


class FormInput(Input):
    """An input of a form."""

    class Toggled(Message):
        """Space was pressed in a switch."""

    class CommandPasted(Message):
        """A command line that starts a job was pasted; it has not been put in."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, *, suggester: Suggester | None, switch: bool, takes_commands: bool) -> None:
        """Make one.

        Args:
            suggester: Completes what is typed.
            switch: Whether space goes to the other value.
            takes_commands: Whether a pasted command line is told of instead of put in.
        """
        super().__init__(compact=True, select_on_focus=False, suggester=suggester)
        self._switch = switch
        self._takes_commands = takes_commands

    def _on_key(self, event: events.Key) -> None:  # type: ignore[override]
        if self._switch and event.key == "space":
            event.stop()
            # textual would type the space all the same
            event.prevent_default()
            self.post_message(self.Toggled())

    def _on_paste(self, event: events.Paste) -> None:
        if self._takes_commands and looks_like_command(event.text):
            event.stop()
            event.prevent_default()
            self.post_message(self.CommandPasted(event.text))

    def action_cursor_right(self, select: bool = False) -> None:
        """Take what holds while nothing is typed, to change it; else go right."""
        if not self.value and self.placeholder and not select:
            self.value = str(self.placeholder)
            self.cursor_position = len(self.value)
            return
        super().action_cursor_right(select)
