"""The command log: everything that Rankdeck has executed, newest last, to be read and copied."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from textual import on

from rankdeck.command_log import Logged, read_logs
from rankdeck.run.layout import RunDir
from rankdeck.text import duration
from tui.keys import Scope, bindings, keys_of
from tui.looks import Line, Piece, counted, safe
from tui.screens.base import DeckScreen
from tui.widgets.bars import KeyBar, TitleBar
from tui.widgets.prompt_line import PromptLine
from tui.widgets.row_table import Column, RowTable
from tui.widgets.text_lines import TextLines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from textual.app import ComposeResult

    from rankdeck.errors import UserError

_RUNS = 30
_COLUMNS = (
    Column("time", "TIME", 14),
    Column("run", "RUN", 10, share=1, most=24, from_width=90),
    Column("host", "HOST", 8, share=1, most=20, from_width=80),
    Column("command", "COMMAND", 20, share=6),
    Column("why", "WHY", 10, share=1, most=30, from_width=140),
    Column("seconds", "TOOK", 7, right=True),
    Column("exit", "EXIT", 5, right=True),
)


class CommandsScreen(DeckScreen):
    """Merges the logs of commands, decks and the newest runs."""

    BINDINGS = bindings(Scope.COMMANDS)
    SCOPES = (Scope.COMMANDS, Scope.TABLE, Scope.EVERYWHERE)
    DEFAULT_CSS = """
    CommandsScreen #full {
        height: auto; max-height: 30%; padding: 0 1; background: $surface;
    }
    CommandsScreen #full:focus { max-height: 80%; background: $primary-muted; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._logged: tuple[Logged, ...] | None = None

    def compose(self) -> ComposeResult:
        """Title, table, the command in full, filter, keys."""
        yield TitleBar()
        yield RowTable[Logged](_COLUMNS, _key, _cells)
        yield TextLines(id="full")
        yield PromptLine()
        yield KeyBar(keys_of(Scope.COMMANDS, Scope.EVERYWHERE))

    def on_mount(self) -> None:
        """Begin to read."""
        self.controller.watch_nothing()
        self._table.focus()
        self._title()
        self.action_reload()

    @property
    def _table(self) -> RowTable[Logged]:
        table: RowTable[Logged] = self.query_one(RowTable)
        return table

    def action_reload(self) -> None:
        """Read the files again."""
        store = self.controller.store

        def read() -> tuple[Logged, ...]:
            runs = store.list(_RUNS)
            return read_logs(store.home, [RunDir(store.runs_dir / run.id) for run in runs])

        def done(logged: tuple[Logged, ...] | None, error: UserError | None) -> None:
            if not self.is_there:
                return
            if error is not None:
                self.deck.tell(error)
            first = self._logged is None
            self._logged = logged or ()
            self._show()
            if first:
                self._table.action_edge(1)

        self.controller.do(read, done, key="command-log")

    def _show(self) -> None:
        words = self.query_one(PromptLine).text.lower().split()
        rows = [one for one in self._logged or () if _matches(one, words)]
        self._table.show(rows, self.now())
        self._title()
        self._show_full()

    def _title(self) -> None:
        left: Line = (("command log", "bold"),)
        shown, every = len(self._table.rows), len(self._logged or ())
        if shown != every:
            left = (*left, (f"  {shown} of {every} shown", "warning"))
        told = "reading …" if self._logged is None else counted(every, "command")
        self.query_one(TitleBar).show_parts(left, ((told, "dim"),))

    @on(RowTable.Moved)
    def _show_full(self) -> None:
        logged = self._table.selected
        page = self.query_one("#full", TextLines)
        if logged is None:
            empty = "nothing fits the filter" if self._logged else "nothing has been executed yet"
            page.show((((empty, "dim"),),))
            return
        page.show(full_lines(logged))

    # -- keys -------------------------------------------------------------------------------

    def action_filter(self) -> None:
        """Begin to type a filter, or to change it."""
        prompt = self.query_one(PromptLine)
        prompt.open("filter", prompt.text, "words of command, host, run; !word: without it")

    @on(PromptLine.Changed)
    def _filter(self) -> None:
        self._show()

    @on(PromptLine.Given)
    def _keep_filter(self, message: PromptLine.Given) -> None:
        if not message.text.strip():
            self.query_one(PromptLine).close()
        self._table.focus()

    @on(RowTable.Opened)
    def action_full(self) -> None:
        """Scroll the whole command."""
        self.query_one("#full").focus()

    def action_copy(self) -> None:
        """Copy commands as a shell takes them."""
        chosen = self._table.chosen
        if chosen:
            what = "the command" if len(chosen) == 1 else f"{len(chosen)} commands"
            self.deck.copy("\n".join(one.line for one in chosen), what)

    def action_back(self) -> None:
        """From the command to the table, from a filter to all, then out."""
        prompt = self.query_one(PromptLine)
        if self.query_one("#full").has_focus:
            self._table.focus()
        elif prompt.is_open:
            prompt.open("filter")
            prompt.close()
            self._table.focus()
            self._show()
        else:
            super().action_back()


def full_lines(logged: Logged) -> tuple[Line, ...]:
    """Everything about a command."""
    one = logged.command
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one.t))
    told = [when, safe(one.why)]
    if one.host:
        told.append(f"on {safe(one.host)}")
    if one.times > 1:
        told.append(f"{one.times} times since the record before")
    if logged.run:
        told.append(safe(logged.run))
    lines: list[Line] = [((" · ".join(told), "dim"),)]
    lines += [((safe(line), ""),) for line in logged.line.splitlines()]
    return tuple(lines)


def _matches(logged: Logged, words: list[str]) -> bool:
    one = logged.command
    text = f"{logged.line} {one.host} {logged.run} {one.why}".lower()
    return all(
        word[1:] not in text if word.startswith("!") and len(word) > 1 else word in text
        for word in words
    )


def _key(logged: Logged) -> str:
    return f"{logged.run}\0{logged.command.t}\0{logged.command.argv}"


def _cells(logged: Logged, now: float, widths: Mapping[str, int]) -> Mapping[str, Piece]:
    one = logged.command
    today = time.localtime(now)[:3] == time.localtime(one.t)[:3]
    when = time.strftime("%H:%M:%S" if today else "%m-%d %H:%M:%S", time.localtime(one.t))
    failed = one.exit_code not in (None, 0)
    times = f"×{one.times} " if one.times > 1 else ""
    line = " ".join(safe(part) for part in logged.line.splitlines())
    return {
        "time": (when, "dim"),
        "run": (safe(logged.run[16:]) if logged.run else "this client", "dim"),
        "host": (safe(one.host) or "here", "" if one.host else "dim"),
        "command": (times + line, ""),
        "why": (safe(one.why), "dim"),
        "seconds": ("" if one.seconds is None else _took(one.seconds), ""),
        "exit": (
            "" if one.exit_code is None else f"{'✖' if failed else '✔'} {one.exit_code}",
            "error" if failed else "good",
        ),
    }


def _took(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else duration(seconds)
