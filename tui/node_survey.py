"""NodeSurvey: what is known of the nodes just now; reads and asks in the background.

Used on the interface's own thread only; `changed` is set whenever there is something new to show.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from textual.message import Message

from rankdeck.errors import UserError
from rankdeck.nodes.notes import NodeNotes
from tui.node_rows import NodeRow, make_rows
from tui.work import WorkPool

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.message_pump import MessagePump

    from rankdeck.backend_reach import NodeAnswer
    from rankdeck.job.draft import JobDraft
    from rankdeck.nodes.census import Census
    from rankdeck.nodes.notes import NodeNote
    from rankdeck.probe.verdict import NodeCheck
    from tui.controller import Controller
    from tui.node_choice import NodeChoice
    from tui.node_rows import NodeUse

_ASKED_UNBIDDEN = 64
"""So many nodes are asked as soon as they are known; more only where the user wants it."""


class NodeAnswered(Message, bubble=False):
    """A node has said what it has."""

    def __init__(self, answer: NodeAnswer, asked: int) -> None:
        super().__init__()
        self.answer = answer
        self.asked = asked


class NodeSurvey:
    """The nodes, what they have said, and what is noted of them."""

    def __init__(
        self, controller: Controller, owner: MessagePump, tell: Callable[[UserError], None]
    ) -> None:
        """Nothing is read yet.

        Args:
            controller: Does the work.
            owner: Gets `NodeAnswered` and passes it on to `heard`.
            tell: Shows an error of something that the user asked for.
        """
        self._controller = controller
        self._owner = owner
        self._tell = tell
        self._pool = WorkPool(threads=1)
        self._answers: dict[str, NodeAnswer] = {}
        self._checks: dict[str, NodeCheck] = {}
        self._round = 0
        self.census: Census | None = None
        self.notes: dict[str, NodeNote] = {}
        self.uses: dict[str, NodeUse] = {}
        self.trouble: UserError | None = None
        """Why there are no nodes to show."""
        self.asking = False
        self.remark = ""
        """Why not every node was asked; hostile."""
        self.changed = False

    @property
    def asked(self) -> int:
        """How many nodes have answered, or could not be reached."""
        return len(self._answers)

    def close(self) -> None:
        """Ask no more."""
        self._round += 1
        self._pool.close()

    def look(self, draft: JobDraft, found: Callable[[], None]) -> None:
        """Read the inventory and the notes; `found` is called when they are known."""
        notes = NodeNotes(self._controller.store.home)
        self._round += 1
        looked = self._round
        self.census, self.trouble, self.remark, self.asking = None, None, "", False
        self._answers, self._checks = {}, {}

        def job() -> tuple[Census, dict[str, NodeNote], UserError | None]:
            from rankdeck.nodes.census import take_census

            told: dict[str, NodeNote] = {}
            trouble = None
            try:
                told = notes.read()
            except UserError as error:
                # nodes are shown without notes rather than not at all
                trouble = error
            return take_census(draft, _cwd(), os.environ), told, trouble

        def done(
            read: tuple[Census, dict[str, NodeNote], UserError | None] | None,
            error: UserError | None,
        ) -> None:
            if looked != self._round:
                return
            self.trouble = error
            if read is not None:
                self.census, self.notes, trouble = read
                if trouble is not None:
                    self._tell(trouble)
                self._begin(self.census)
            found()

        self._controller.do(job, done, key="census")

    def _begin(self, census: Census) -> None:
        self.remark = census.silence
        if census.silence:
            return
        if len(census.listed) <= _ASKED_UNBIDDEN:
            self.ask(bidden=False)
        else:
            self.remark = "p asks every node what it has"

    def ask(self, *, bidden: bool) -> None:
        """Ask every node what it has; unbidden without a question to the user."""
        census = self.census
        if census is None or self.asking:
            return
        self._round += 1
        asked = self._round
        self._answers, self._checks, self.asking, self.remark = {}, {}, True, ""
        questions = self._controller.questions

        def job() -> UserError | None:
            from rankdeck.ask import Nobody
            from rankdeck.nodes.census import ask_nodes

            refused: list[UserError] = []
            who = questions if bidden else Nobody()
            for answer in ask_nodes(census, who, refused.append):
                if asked != self._round:
                    break
                self._owner.post_message(NodeAnswered(answer, asked))
            return refused[0] if refused else None

        def done(refused: UserError | None, error: UserError | None) -> None:
            if asked != self._round:
                return
            self.asking = False
            self.changed = True
            told = error or refused
            if told is not None:
                self.remark = told.message if bidden else f"{told.message} · p asks again"
                if bidden:
                    self._tell(told)

        self._controller.do(job, done, pool=self._pool)

    def heard(self, message: NodeAnswered) -> None:
        """Take an answer."""
        if message.asked == self._round:
            self._answers[message.answer.node] = message.answer
            self.changed = True

    def note(self, names: tuple[str, ...], note: NodeNote | None, done: Callable[[], None]) -> None:
        """Note something of these nodes, or forget what is noted; `done` is called after that."""
        notes = NodeNotes(self._controller.store.home)

        def job() -> dict[str, NodeNote]:
            if note is None:
                notes.clear(names)
            else:
                notes.put(names, note)
            return notes.read()

        def written(read: dict[str, NodeNote] | None, error: UserError | None) -> None:
            if error is not None:
                self._tell(error)
            elif read is not None:
                self.notes = read
                done()

        self._controller.do(job, written, writes=True)

    def rows(self, choice: NodeChoice, now: float) -> tuple[NodeRow, ...]:
        """The nodes as they are known now."""
        self.changed = False
        if self.census is None:
            return ()
        if len(self._answers) != len(self._checks):
            from rankdeck.nodes.census import judge_nodes

            self._checks = judge_nodes(tuple(self._answers.values()))
        return make_rows(
            self.census,
            self._checks,
            self.notes,
            self.uses,
            choice,
            asking=self.asking,
            now=now,
        )


def _cwd() -> Path:
    try:
        return Path.cwd()
    except OSError:
        # the directory we were started in has been deleted
        return Path("/")
