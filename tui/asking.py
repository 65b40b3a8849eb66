"""Questions that work in the background has for the user: it waits, the interface does not.

Knows no screen: a question is posted to the app, whose answer wakes the thread that asked.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from textual.message_pump import MessagePump


class Question(Message, bubble=False):
    """Something to be asked; whoever shows it calls `answer` once."""

    def __init__(self, text: str, detail: str, *, hidden: bool) -> None:
        super().__init__()
        self.text = text
        self.detail = detail
        self.hidden = hidden
        """Whether the answer is a line that is not shown, not a yes or no."""
        self._answered = threading.Event()
        self._answer: str | bool | None = None

    def answer(self, answer: str | bool | None) -> None:
        """Let the work go on; only the first answer counts."""
        if not self._answered.is_set():
            self._answer = answer
            self._answered.set()

    def wait(self) -> str | bool | None:
        """The answer, as soon as there is one."""
        self._answered.wait()
        return self._answer


class DeckAsk:
    """The user of the interface, asked by its background threads."""

    def __init__(self, app: MessagePump) -> None:
        """Ask by posting to `app`."""
        self._app = app
        self._lock = threading.Lock()
        self._open: set[Question] = set()
        self._closed = False

    def confirm(self, question: str, detail: str) -> bool:
        """Whether the user said yes; leaving the interface is no."""
        return self._ask(Question(question, detail, hidden=False)) is True

    def secret(self, prompt: str) -> str | None:
        """What was typed; None for nothing."""
        answer = self._ask(Question(prompt, "", hidden=True))
        return answer if isinstance(answer, str) and answer else None

    def close(self) -> None:
        """The interface leaves: every open question, and every later one, is answered by no."""
        with self._lock:
            self._closed = True
            waiting = tuple(self._open)
        for question in waiting:
            question.answer(None)

    def _ask(self, question: Question) -> str | bool | None:
        with self._lock:
            if self._closed:
                return None
            self._open.add(question)
        try:
            if not self._app.post_message(question):
                question.answer(None)
            return question.wait()
        finally:
            with self._lock:
                self._open.discard(question)
