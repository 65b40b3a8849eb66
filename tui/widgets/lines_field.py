"""A field of a form for several values: one a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.content import Content
from textual.widgets import TextArea

from tui.looks import safe
from tui.widgets.form_field import FormField

if TYPE_CHECKING:
    from textual.widget import Widget


class LinesField(FormField):
    """Grows with its lines; tab leaves it."""

    DEFAULT_CSS = """
    LinesField > TextArea {
        width: 2fr; height: auto; max-height: 6; border: none; padding: 0; background: $panel;
    }
    LinesField > TextArea:focus { border: none; background: $primary-muted; }
    LinesField.-wrong > TextArea { background: $error-muted; }
    """

    def __init__(self, key: str, label: str, help_text: str) -> None:
        super().__init__(key, label, help_text)
        self._area = TextArea(
            compact=True, show_line_numbers=False, highlight_cursor_line=False, soft_wrap=True
        )

    @property
    def editor(self) -> Widget:
        """What is typed into."""
        return self._area

    @property
    def text(self) -> str:
        """The lines that are not empty."""
        return "\n".join(line for line in map(str.strip, self._area.text.splitlines()) if line)

    @text.setter
    def text(self, text: str) -> None:
        self._area.text = text

    @property
    def default(self) -> str:
        """What holds while nothing is typed, as shown."""
        return str(self._area.placeholder)

    def undo(self) -> bool:
        """Take back what was typed last."""
        self._area.undo()
        return True

    def redo(self) -> bool:
        """Type again what was taken back."""
        self._area.redo()
        return True

    def move(self, rows: int) -> bool:
        """Go up or down within the lines; false where there are no more."""
        row = self._area.cursor_location[0] + rows
        if not 0 <= row < self._area.document.line_count:
            return False
        self._area.move_cursor_relative(rows=rows)
        return True

    def show_default(self, text: str) -> None:
        """Show what holds while nothing is typed."""
        self._area.placeholder = Content("\n".join(map(safe, text.splitlines())))

    @on(TextArea.Changed)
    def _lines_changed(self, event: TextArea.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(self))
