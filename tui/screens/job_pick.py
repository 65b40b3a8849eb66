"""A line to type into and a list below it: chooses one of the list, or takes what was typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import on
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from tui.keys import Scope, bindings, keys_of
from tui.looks import Line, safe
from tui.widgets.bars import KeyBar, LineBar
from tui.widgets.form_choices import ChoiceList

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import ComposeResult

    from tui.form.choice import Choice


@dataclass(frozen=True, slots=True)
class Picked:
    """What was chosen."""

    key: str
    """The choice's; empty: what was typed counts."""
    text: str
    """What was typed, all lines of it where it was pasted."""


class _PasteInput(Input):
    """Keeps every line of what is pasted."""

    pasted = ""

    def _on_paste(self, event: object) -> None:
        self.pasted = getattr(event, "text", "")


class PickScreen(ModalScreen[Picked | None]):
    """Asks for one of several things, or for a line of text."""

    BINDINGS = bindings(Scope.MENU)
    DEFAULT_CSS = """
    PickScreen { align: center middle; }
    PickScreen > Vertical {
        width: 100; max-width: 98%; height: auto; max-height: 92%; padding: 0 1;
        background: $surface; border: round $primary;
    }
    PickScreen LineBar { background: $surface; }
    PickScreen Input { height: 1; border: none; padding: 0 1; background: $boost; }
    PickScreen ChoiceList { margin-top: 1; background: $surface; }
    PickScreen KeyBar { margin-top: 1; background: $surface; }
    """

    def __init__(
        self,
        title: str,
        choices: Sequence[Choice] = (),
        *,
        text: str = "",
        hint: str = "",
        typed: Callable[[str], Sequence[Choice]] | None = None,
        only_text: bool = False,
        at: str = "",
    ) -> None:
        """Ask.

        Args:
            title: What is asked.
            choices: What there is to choose from; filtered by what is typed.
            text: What is typed to begin with.
            hint: A line below the title.
            typed: Choices made of what was typed, above the others.
            only_text: Whether there is nothing to choose, only a line to type.
            at: The key of the choice that the cursor begins on.
        """
        super().__init__()
        self._title = title
        self._hint = hint
        self._choices = tuple(choices)
        self._typed = typed
        self._only_text = only_text
        self._at = at
        self._moved = False
        self._input = _PasteInput(text, compact=True, select_on_focus=False)
        self._list = ChoiceList()

    def compose(self) -> ComposeResult:
        """Title, line, list, keys."""
        with Vertical():
            yield LineBar(id="title")
            yield self._input
            if not self._only_text:
                yield self._list
            yield KeyBar(keys_of(Scope.MENU))

    def on_mount(self) -> None:
        """Show what there is."""
        lines: list[Line] = [((safe(self._title), "title"),)]
        if self._hint:
            lines.append(((safe(self._hint), "dim"),))
        self.query_one("#title", LineBar).show(*lines)
        self._input.cursor_position = len(self._input.value)
        self.set_focus(self._input)
        keys = [choice.key for choice in self._choices]
        self._show(keys.index(self._at) if self._at in keys else 0)

    def offer(self, choices: Sequence[Choice]) -> None:
        """Exchange the choices, as soon as more are known."""
        self._choices = tuple(choices)
        if not self.is_mounted:
            return
        before = self._list.choice
        self._show()
        if before is not None and (self._moved or before.key == self._at):
            keys = [choice.key for choice in self._list.choices]
            self._list.move(keys.index(before.key) if before.key in keys else 0)

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self._moved = False
        self._show()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_choose()

    @property
    def text(self) -> str:
        """What was typed or pasted."""
        pasted, typed = self._input.pasted, self._input.value
        # the line shows only the first line of what was pasted
        return pasted if pasted.splitlines()[:1] == [typed] else typed

    def _show(self, at: int = 0) -> None:
        words = self._input.value.casefold().split()
        made = tuple(self._typed(self.text)) if self._typed and self.text.strip() else ()
        left = [c for c in self._choices if all(word in c.words for word in words)]
        self._list.show((*made, *left), at)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Where there is only a line to type, nothing can be completed or gone through."""
        if self._only_text and action in ("complete", "cursor", "page"):
            return False
        return super().check_action(action, parameters)

    def action_cursor(self, rows: int) -> None:
        """Move the cursor."""
        self._moved = True
        self._list.move(rows)

    def action_page(self, pages: int) -> None:
        """Move the cursor by a page."""
        self._list.move(pages * max(1, self._list.size.height - 1))

    def action_complete(self) -> None:
        """Type the choice under the cursor."""
        if (choice := self._list.choice) is not None:
            self._input.value = choice.label
            self._input.cursor_position = len(choice.label)

    def action_choose(self) -> None:
        """Give the answer."""
        choice = None if self._only_text else self._list.choice
        if choice is None and not self._only_text:
            return
        self.dismiss(Picked(choice.key if choice else "", self.text))

    async def action_dismiss(self, result: Picked | None = None) -> None:
        """Go back without an answer."""
        self.dismiss(None)
