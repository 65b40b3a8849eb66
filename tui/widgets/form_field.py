"""One field of a form on one line: its name, what is typed, and beside it what is known of it.

Beside it stand, in this order: what is wrong, what it was in the last run, what was found, and
what it is for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.suggester import SuggestFromList
from textual.widgets import Input, Static

from tui.form.history import History
from tui.form.words import in_short
from tui.looks import Line, fit, safe
from tui.widgets.form_input import FormInput

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.suggester import Suggester
    from textual.widget import Widget

_LABEL = 20
_SWITCHES = (("on", "off"), ("true", "false"))

Remark = tuple[str, str]
"""A mark and a text: `("✔", "16 nodes × 8 = 128 ranks")`."""

_STYLES = {"✔": "$text-success", "!": "$text-warning", "✖": "$text-error"}


class FormField(Horizontal):
    """A field that is always text; a list of choices can be gone through with keys."""

    DEFAULT_CSS = """
    FormField { height: auto; min-height: 1; margin-bottom: 0; }
    FormField > .label { width: 20; text-style: bold; }
    FormField > Input { width: 2fr; height: 1; border: none; padding: 0 1; background: $panel; }
    FormField > Input:focus { background: $primary-muted; }
    FormField > .note { width: 3fr; padding: 0 1; color: $text-muted; height: auto; max-height: 3; }
    FormField.-idle > .note { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    FormField.-wrong > .note { height: auto; max-height: 6; }
    FormField.-wrong > Input { background: $error-muted; }
    """

    class Changed(Message):
        """Something was typed."""

        def __init__(self, field: FormField) -> None:
            super().__init__()
            self.field = field

    def __init__(
        self,
        key: str,
        label: str,
        help_text: str,
        choices: tuple[str, ...] = (),
        *,
        suggester: Suggester | None = None,
        takes_commands: bool = False,
    ) -> None:
        """Make a field.

        Args:
            key: What it is called in a job: `nnodes`, `hyperparameters.lr`.
            label: Its name for people.
            help_text: What it is for; shown beside it while nothing else is.
            choices: Values to go through; others can be typed all the same.
            suggester: Completes what is typed, where there are no choices.
            takes_commands: Whether a command line may be pasted into it.
        """
        super().__init__(classes="-idle")
        self.key = key
        self._label = safe(label)
        self._help = safe(help_text)
        self.choices = choices
        self._problem = ""
        self._hint = ""
        self._was: str | None = None
        self._remarks: tuple[Remark, ...] = ()
        self._history = History()
        if suggester is None and choices:
            suggester = SuggestFromList(choices)
        self.input = FormInput(
            suggester=suggester, switch=choices in _SWITCHES, takes_commands=takes_commands
        )
        self._note = Static("", classes="note", markup=False)
        self._noted: Content | None = None

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
        self.input.cursor_position = len(text)

    @property
    def default(self) -> str:
        """What holds while nothing is typed, as shown."""
        return str(self.input.placeholder)

    @property
    def is_switch(self) -> bool:
        """Whether it is either on or off."""
        return self.choices in _SWITCHES

    @property
    def help(self) -> str:
        """What it is for, in full."""
        return self._help

    @property
    def about(self) -> Line:
        """What is most worth knowing of it, in full: what is wrong and what to do, else its use."""
        if self._problem:
            todo = f" · {safe(self._hint)}" if self._hint else ""
            return ((f"✖ {safe(self._problem)}", "error"), (todo, "dim"))
        if marked := [(mark, text) for mark, text in self._remarks if mark != "✔"]:
            mark, text = marked[0]
            return ((f"{mark} {safe(text)}", "error" if mark == "✖" else "warning"),)
        return ((self._help, "dim"),)

    @property
    def problem(self) -> str:
        """What is wrong with it, as shown."""
        return self._problem

    @property
    def was(self) -> str | None:
        """What it was in the last run, where that was something else."""
        return self._was

    def alike(self, other: FormField) -> bool:
        """Whether it says the same of itself as another, whatever was typed."""
        own = (type(self), self.key, self._label, self._help, self.choices)
        return own == (type(other), other.key, other._label, other._help, other.choices)

    def compose(self) -> ComposeResult:
        """Label, input, note."""
        yield Static(fit(self._label, _LABEL - 1), classes="label", markup=False)
        yield self.editor
        yield self._note

    def show_problem(self, problem: str, hint: str = "") -> None:
        """Show what is wrong, or that nothing is; `hint` is what to do about it."""
        self._hint = hint
        if problem != self._problem:
            self._problem = problem
            self._show_note()

    def show_facts(self, was: str | None, remarks: tuple[Remark, ...]) -> None:
        """Show what it was in the last run (None: the same as now), and what was found."""
        if (was, remarks) != (self._was, self._remarks):
            self._was, self._remarks = was, remarks
            self._show_note()

    def show_default(self, text: str) -> None:
        """Show what holds while nothing is typed."""
        shown = safe(text)
        if self.input.placeholder != shown:
            self.input.placeholder = shown

    def choose(self, step: int) -> bool:
        """Go to another of the choices; false where there are none."""
        if not self.choices:
            return False
        known = self.text or self.default
        at = self.choices.index(known) if known in self.choices else -1 if step > 0 else 0
        self.text = self.choices[(at + step) % len(self.choices)]
        return True

    def undo(self) -> bool:
        """Take back what was typed last; false where there is nothing to take back."""
        return self._put(self._history.undo())

    def redo(self) -> bool:
        """Type again what was taken back; false where there is nothing."""
        return self._put(self._history.redo())

    def _put(self, text: str | None) -> bool:
        if text is None:
            return False
        self.text = text
        return True

    def _show_note(self) -> None:
        pieces: list[tuple[str, str]] = []
        if self._problem:
            pieces.append((f"✖ {safe(self._problem)}", "$text-error bold"))
        if self._was is not None:
            pieces.append((f"was {safe(self._was) or 'not set'}", "$text-accent bold"))
        pieces += [(f"{mark} {safe(text)}", _STYLES[mark]) for mark, text in self._remarks]
        told = bool(pieces)
        if self._help and not told:
            pieces.append((in_short(self._help, self._note.size.width), ""))
        self.set_class(bool(self._problem), "-wrong")
        self.set_class(not told, "-idle")
        joined = [part for piece in pieces for part in ((" · ", ""), piece)][1:]
        note = Content.assemble(*joined)
        if note != self._noted:
            self._noted = note
            self._note.update(note)

    def on_resize(self) -> None:
        """Say as much of its use as there is room for."""
        self._show_note()

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self._history.note(self.text)
        self.post_message(self.Changed(self))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()

    @on(FormInput.Toggled)
    def _toggled(self, event: FormInput.Toggled) -> None:
        event.stop()
        self.choose(1)
