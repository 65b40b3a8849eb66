"""LogBase: the frame of a log pane: its reader, the page that is shown, and the line that tells.

Everything that reads is sent to the reader's thread; what comes back is shown here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Vertical
from textual.message import Message

from tui.keys import shown_key_of
from tui.log_choices import Choices
from tui.log_page import Look, Page, Target
from tui.log_reader import Intent, LogReader
from tui.log_state import Notice
from tui.log_text import filter_text
from tui.log_work import LogWork
from tui.widgets.bars import LineBar
from tui.widgets.log_lines import safe_text
from tui.widgets.log_prompt import LogPrompt
from tui.widgets.log_view import LogView

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult
    from typing_extensions import Self

    from tui.log_choices import LogChoices
    from tui.log_finder import Count, Seek
    from tui.log_marks import LogMarks
    from tui.log_save import Save
    from tui.looks import Piece

_MIB = 1 << 20
STUCK = 1.0
"""Seconds after which a read is told of, and a reader that is to read something else is left."""


class LogBase(Vertical):
    """What every part of a log pane builds on."""

    DEFAULT_CSS = """
    LogBase { height: 1fr; }
    LogBase > #log-status { height: 1; }
    """

    class Handed(Message, bubble=False):
        """The reader (or a task that it began) has something for the pane."""

        def __init__(self, reader: LogReader, found: object) -> None:
            super().__init__()
            self.reader = reader
            self.found = found

        def can_replace(self, message: Message) -> bool:
            """A newer page of the same reader is as good as both."""
            return (
                isinstance(message, LogBase.Handed)
                and message.reader is self.reader
                and isinstance(message.found, Page)
                and isinstance(self.found, Page)
            )

    def __init__(
        self,
        *,
        name: str | None = None,
        id: str | None = None,  # noqa: A002 - the library's own name for it
        classes: str | None = None,
        marks: LogMarks | None = None,
        choices: LogChoices | None = None,
        has_ended: Callable[[Look], bool] | None = None,
    ) -> None:
        """Begin without a log; `open` gives it one.

        Args:
            name: As for every widget.
            id: As for every widget.
            classes: As for every widget.
            marks: Where bookmarks are kept; None: nowhere.
            choices: Where it is kept how lines are shown; None: nowhere.
            has_ended: Whether all who write what is looked at have ended; None: nobody knows.
        """
        super().__init__(name=name, id=id, classes=classes)
        self._marks = marks
        self._choices = choices
        self._has_ended = has_ended
        self._ended = False
        self.status = ""
        """Where the view is: `following · 182,331 lines`."""
        self.look = Look()
        self._view = LogView()
        self._prompt = LogPrompt()
        self._line = LineBar(id="log-status")
        self._reader: LogReader | None = None
        self._target: Target | None = None
        self._title = ""
        self._notice = ""
        self._follow_wanted = True
        self._selecting = False
        self._reveal = False
        self._seek: Seek | None = None
        self._count: Count | None = None
        self._save: Save | None = None

    def compose(self) -> ComposeResult:
        """The view, the line to type in and the line that tells."""
        yield self._view
        yield self._prompt
        yield self._line

    def on_mount(self) -> None:
        """Say what there is to say before the first tick."""
        self._tell()

    def on_unmount(self) -> None:
        """Stop reading and looking."""
        self._stop_tasks()
        if self._reader is not None:
            self._reader.end()

    def focus(self, scroll_visible: bool = True) -> Self:
        """Give the keys to the log."""
        self._view.focus(scroll_visible)
        return self

    @property
    def view(self) -> LogView:
        """The part that shows lines."""
        return self._view

    @property
    def following(self) -> bool:
        """Whether the end of the log is shown as it grows."""
        return self._follow_wanted

    @property
    def settled(self) -> bool:
        """Whether all that was asked for has been read."""
        return self._reader is None or self._reader.idle

    # -- to the reader and back -------------------------------------------------------------

    def _send(self, kind: str, act: Callable[[LogWork], object]) -> None:
        """Have something done on the reader's thread."""
        if self._reader is not None:
            self._reader.send(Intent(kind, lambda work, _: act(work)))

    def _send_amount(self, kind: str, act: Callable[[LogWork, int], object], amount: int) -> None:
        if self._reader is not None:
            self._reader.send(Intent(kind, act, amount))

    def _fresh_reader(self) -> None:
        """A reader that is not stuck; one that hangs is left to itself."""
        if self._reader is not None and self._reader.stuck_for < STUCK:
            return
        if self._reader is not None:
            self._reader.end()
        if self._save is not None and not self._save.begun:
            self._save = None  # that reader was to begin it
        marks, choices = self._marks, self._choices
        self._reader = LogReader(lambda: LogWork(marks, choices), self._hand)
        self._send_size()

    def _hand(self, reader: LogReader, found: object) -> None:
        self.post_message(self.Handed(reader, found))

    def _send_size(self) -> None:
        columns, rows = self._view.size
        self._send("resize", lambda work: work.resize(columns, rows))

    def on_log_view_resized(self) -> None:
        """Have the new size filled."""
        self._send_size()

    def on_log_base_handed(self, event: Handed) -> None:
        """Show what the reader found."""
        event.stop()
        if event.reader is not self._reader:
            return
        found = event.found
        if isinstance(found, Page):
            self._show(found)
        elif isinstance(found, Notice):
            self._say(found)
        elif isinstance(found, Choices):
            self.look = found.of(self.look)
        else:
            self._take(found)

    def _show(self, page: Page) -> None:
        self._follow_wanted = page.follow
        self._selecting = page.selection is not None
        self._draw(page)
        if self._reveal and page.row_of(page.found) is not None:
            self._reveal = False
            self._view.reveal_column()
        self._tell()

    def _draw(self, page: Page) -> None:
        if not page.rows:
            self._view.empty = page.problem or self._why_empty(page)
        self._view.show(page)

    def _look_for_end(self) -> bool:
        """Find out whether more can come; returns whether that has changed."""
        before, self._ended = self._ended, bool(self._has_ended and self._has_ended(self.look))
        return self._ended is not before

    def _why_empty(self, page: Page) -> str:
        if not page.exists:
            return self._no_output
        if self.look.filters:
            return "no line passes the filter" if page.searching is None else "looking for lines …"
        return ""

    def _take(self, found: object) -> None:
        """Something that is neither a page nor a notice."""

    def _stop_tasks(self) -> None:
        """Stop looking."""
        for task in (self._seek, self._count):
            if task is not None:
                task.cancel()
        self._seek = self._count = None

    # -- what is told -----------------------------------------------------------------------

    def _say(self, notice: str) -> None:
        self._notice = safe_text(notice)
        self._tell()

    def _tell(self) -> None:
        if self._look_for_end() and self._view.page.height:
            self._draw(self._view.page)
        told = self._told()
        self.status = " · ".join(text for text, _ in told)
        # a view of many ranks says itself what it is
        title = "" if self._view.page.view else self._title
        pieces: list[Piece] = [(title + (" — " if told else ""), "bold")] if title else []
        for index, piece in enumerate(told):
            pieces += [(" · ", "dim"), piece] if index else [piece]
        if self.is_mounted:
            self._line.show(tuple(pieces))

    def _told(self) -> list[Piece]:
        if self._target is None:
            return []
        page = self._view.page
        told: list[Piece] = []
        stuck = self._reader.stuck_for if self._reader is not None else 0.0
        if stuck >= STUCK:
            told.append((f"waiting for the file system … {stuck:.0f} s", "warning"))
        if page.problem:
            told.append((page.problem, "error"))
        else:
            told += self._told_of_follow(page)
            if page.new_lines:
                told.append((f"+{page.new_lines:,} line{_s(page.new_lines)}", "bold"))
        # what has just happened comes first: a narrow screen shows no more
        if self._notice:
            told.append((self._notice, "accent"))
        told += self._told_of_tasks()
        if not page.problem:
            told += self._told_of_place(page)
        return told

    def _told_of_follow(self, page: Page) -> list[Piece]:
        if not self._ended:
            return [("following", "good") if page.follow else ("paused", "warning")]
        at_end = page.follow or page.part in (None, 100)
        return [("end of log", "dim")] if at_end and page.rows else []

    def _told_of_place(self, page: Page) -> list[Piece]:
        told: list[Piece] = []
        if page.selection is not None:
            lines = "lines" if page.selected < 0 else f"{page.selected:,} line{_s(page.selected)}"
            copies, ends = shown_key_of("log.copy"), shown_key_of("log.leave")
            told.append((f"{lines} selected: {copies} copies, {ends} ends", "accent"))
        told.append((self._length(page), ""))
        if page.part is not None:
            told.append((f"{page.part}%", "dim"))
        if page.view:
            told.append((page.view, "accent"))
        if self.look.filters:
            looking = "" if page.searching is None else f" … {page.searching}%"
            told.append((f"only {safe_text(filter_text(self.look.filters))}{looking}", "accent"))
        if page.wrap:
            told.append(("wrapped", "dim"))
        if self._view.column:
            told.append((f"column {self._view.column + 1}", "dim"))
        return told

    def _told_of_tasks(self) -> list[Piece]:
        told: list[Piece] = []
        if self._seek is not None:
            name = safe_text(self._seek.wanted.name)
            slow = self._seek.wanted.query.slow
            name += f" (slow: {slow})" if slow else ""
            told.append((f"searching {name} {self._seek.percent}%", "accent"))
        elif self._count is not None and self._count.matches:
            told.append((self._count.told(self._view.page.found), "accent"))
        if self._save is not None:
            told.append((f"saving {self._save.percent}%", "accent"))
        return told

    @property
    def _no_output(self) -> str:
        return "no output" if self._ended else "no output yet"

    def _length(self, page: Page) -> str:
        if not page.exists:
            return self._no_output
        if page.counted >= 1.0:
            return f"{page.lines:,} line{_s(page.lines)}"
        return f"{page.size / _MIB:,.1f} MiB, lines counted {int(page.counted * 100)}%"


def _s(count: int) -> str:
    return "" if count == 1 else "s"
