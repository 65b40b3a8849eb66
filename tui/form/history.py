"""What a field held before, for undo; runs of letters are one step. Pure."""

from __future__ import annotations


class History:
    """The texts of one field, in the order they were typed."""

    def __init__(self) -> None:
        self._texts = [""]
        self._at = 0
        self._grouping = False

    def note(self, text: str) -> None:
        """The field holds this now."""
        now = self._texts[self._at]
        if text == now:
            return
        added = text.removeprefix(now) if text.startswith(now) else ""
        grouped = self._grouping and len(added) == 1 and added.isalnum()
        self._grouping = len(added) == 1 and added.isalnum()
        del self._texts[self._at + 1 :]
        if grouped:
            self._texts[self._at] = text
            return
        self._texts.append(text)
        self._at += 1

    def undo(self) -> str | None:
        """The text before; None: there is none."""
        return self._go(-1)

    def redo(self) -> str | None:
        """The text after, where something was undone; None: there is none."""
        return self._go(1)

    def _go(self, step: int) -> str | None:
        at = self._at + step
        if not 0 <= at < len(self._texts):
            return None
        self._at, self._grouping = at, False
        return self._texts[at]
