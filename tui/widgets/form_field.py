"""One field of a form on one line: its name, what is typed, and beside it what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.containers import Horizontal
from textual.message import Message
from textual.suggester import SuggestFromList
from textual.widgets import Input, Static

from tui.looks import fit, safe

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.widget import Widget

_LABEL = 18


class FormField(Horizontal):
    """A field that is always text; a list of choices can be gone through with keys."""

    DEFAULT_CSS = """
    FormField { height: auto; min-height: 1; margin-bottom: 0; }
    FormField > .label { width: 18; text-style: bold; }
    FormField > Input { width: 2fr; height: 1; border: none; padding: 0 1; background: $boost; }
    FormField > Input:focus { background: $primary-muted; }
    FormField > .note { width: 3fr; padding: 0 1; color: $text-muted; height: auto; max-height: 3; }
    FormField.-idle > .note { height: 1; }
    FormField.-wrong > .note {
        color: $text-error; text-style: bold; height: auto; max-height: 6;
    }
    FormField.-wrong > Input { background: $error-muted; }
    """

    class Changed(Message):
        """Something was typed."""

        def __init__(self, field: FormField) -> None:
            super().__init__()
            self.field = field

    def __init__(self, key: str, label: str, help_text: str, choices: tuple[str, ...] = ()) -> None:
        """Make a field.

        Args:
            key: What it is called in a job: `nnodes`, `hyperparameters.lr`.
            label: Its name for people.
            help_text: What it is for; shown beside it while nothing is wrong.
            choices: Values to go through; others can be typed all the same.
        """
        super().__init__(classes="-idle")
        self.key = key
        self._label = safe(label)
        self._help = safe(help_text)
        self._choices = choices
        self._problem = ""
        self.input = Input(
            compact=True,
            select_on_focus=False,
            suggester=SuggestFromList(choices) if choices else None,
        )
        self._note = Static(self._help, classes="note", markup=False)

    @property
    def editor(self) -> Widget:
        """What is typed into."""
        return self.input

    @property
    def text(self) -> str:
        """What was typed; empty: the default holds."""
        return self.input.value

    @text.setter
    def text(self, text: str) -> None:
        self.input.value = text

    @property
    def about(self) -> str:
        """What it is for, in full."""
        return self._help

    @property
    def problem(self) -> str:
        """What is wrong with it, as shown."""
        return self._problem

    def compose(self) -> ComposeResult:
        """Label, input, note."""
        yield Static(fit(self._label, _LABEL - 1), classes="label", markup=False)
        yield self.editor
        yield self._note

    def show_problem(self, problem: str) -> None:
        """Show what is wrong, or that nothing is."""
        if problem == self._problem:
            return
        self._problem = problem
        self.set_class(bool(problem), "-wrong")
        self._note.update(f"✖ {safe(problem)}" if problem else self._help)

    def show_default(self, text: str) -> None:
        """Show what holds while nothing is typed."""
        shown = safe(text)
        if self.input.placeholder != shown:
            self.input.placeholder = shown

    def choose(self, step: int) -> bool:
        """Go to another of the choices; false where there are none."""
        if not self._choices:
            return False
        known = self.text or str(self.input.placeholder)
        at = self._choices.index(known) if known in self._choices else -1 if step > 0 else 0
        self.input.value = self._choices[(at + step) % len(self._choices)]
        self.input.cursor_position = len(self.input.value)
        return True

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(self))
