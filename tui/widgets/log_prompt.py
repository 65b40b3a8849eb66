"""LogPrompt: the line in which one types what to look for, to filter by, where to go, how to save.

Each kind of question has its own history, which `up` and `down` go through; all panes of a deck
share it.
"""

from __future__ import annotations

from collections import defaultdict
from enum import Enum
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from tui.keys import Scope, bindings

if TYPE_CHECKING:
    from textual.app import App, ComposeResult

_MOST_REMEMBERED = 100


class Ask(str, Enum):
    """What is asked; the value stands before the line."""

    SEARCH = "/"
    FILTER = "filter:"
    JUMP = "go to:"
    RANKS = "ranks:"
    SAVE = "save as:"


History = defaultdict[Ask, list[str]]
"""What was typed, the newest last."""
_HISTORIES: WeakKeyDictionary[App[Any], History] = WeakKeyDictionary()
"""What was typed in each app."""

_HINTS = {
    Ask.SEARCH: "text, or re:expression; upper case makes case count",
    Ask.FILTER: "text & !not this & re:expression; empty: all lines",
    Ask.JUMP: "line, 50%, 12:01:07, +5m, -1h",
    Ask.RANKS: "0-7,12; empty: all",
    Ask.SAVE: "a new file",
}


class _Line(Input):
    BINDINGS = bindings(Scope.LOG_PROMPT)

    class Recalled(Message):
        """What was typed before, or after that, is wanted."""

        def __init__(self, way: int) -> None:
            super().__init__()
            self.way = way
            """Which way through the history."""

    def action_recall(self, direction: int) -> None:
        """Go through what was typed before."""
        self.post_message(self.Recalled(direction))


class LogPrompt(Horizontal):
    """A question and the line for its answer; hidden until `ask`."""

    BINDINGS = bindings(Scope.PROMPT)
    DEFAULT_CSS = """
    LogPrompt { height: 1; display: none; background: $panel; }
    LogPrompt.-asking { display: block; }
    LogPrompt > Static { width: auto; padding: 0 1 0 0; color: $primary; text-style: bold; }
    LogPrompt > Input { width: 1fr; border: none; padding: 0; height: 1; }
    """

    class Given(Message):
        """The line was entered."""

        def __init__(self, kind: Ask, text: str) -> None:
            super().__init__()
            self.kind = kind
            self.text = text

    class Left(Message):
        """The line was left without an answer."""

    def __init__(self) -> None:
        super().__init__()
        self.kind = Ask.SEARCH
        self._label = Static("", markup=False)
        self._line = _Line(compact=True)
        self._history = History(list)
        self._at = 0
        self._draft = ""

    def on_mount(self) -> None:
        """Share what was typed with the other panes."""
        self._history = _HISTORIES.setdefault(self.app, self._history)

    def compose(self) -> ComposeResult:
        """The question, and the line."""
        yield self._label
        yield self._line

    @property
    def asking(self) -> bool:
        """Whether it is on the screen."""
        return self.has_class("-asking")

    def ask(self, kind: Ask, text: str = "") -> None:
        """Ask for something, beginning with a text."""
        self.kind = kind
        self._label.update(Content(kind.value))
        self._line.placeholder = _HINTS[kind]
        self._line.value = text
        self._line.select_all()
        self._at = len(self._history[kind])
        self.add_class("-asking")
        self._line.focus()

    def leave(self) -> None:
        """Hide it."""
        self.remove_class("-asking")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Give what was typed."""
        event.stop()
        self.leave()
        past = self._history[self.kind]
        if event.value:
            if event.value in past:
                past.remove(event.value)
            past.append(event.value)
            del past[:-_MOST_REMEMBERED]
        self.post_message(self.Given(self.kind, event.value))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Nobody else's business."""
        event.stop()

    async def action_give(self) -> None:
        """Give what was typed."""
        await self._line.action_submit()

    def action_cancel(self) -> None:
        """Leave without an answer."""
        self.leave()
        self.post_message(self.Left())

    def on__line_recalled(self, event: _Line.Recalled) -> None:
        """Go through the history."""
        event.stop()
        past = self._history[self.kind]
        if self._at == len(past):
            self._draft = self._line.value
        self._at = max(0, min(len(past), self._at + event.way))
        self._line.value = past[self._at] if self._at < len(past) else self._draft
        self._line.cursor_position = len(self._line.value)
