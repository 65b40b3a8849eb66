"""A place for fields that come and go: exchanged at once, so that no key finds none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Vertical

from tui.widgets.form_field import FormField

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.dom import DOMNode


class FormPlace(Vertical):
    """The fields of a project, or of a backend."""

    DEFAULT_CSS = "FormPlace { height: auto; }"

    def exchange(self, rows: Sequence[FormField]) -> None:
        """Have these fields, in this order; those that were there before keep text and focus."""
        parent = self.screen.focused.parent if self.screen.focused else None
        focused = parent.key if isinstance(parent, FormField) and parent not in rows else ""
        for child in tuple(self.children):
            if child not in rows:
                child.remove()
        new = [row for row in rows if not row.is_attached]
        if new:
            self.mount_all(new)

        def place(child: DOMNode) -> int:
            return rows.index(child) if isinstance(child, FormField) and child in rows else -1

        self.sort_children(key=place)
        again = next((row for row in new if row.key == focused), None)
        if again is not None:
            self.screen.set_focus(again.editor)
