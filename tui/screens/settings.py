"""Settings: each on a line, changed with one key and kept at once; themes are seen at once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import on

from rankdeck.config.folder import config_folder
from rankdeck.config.settings import FILE, Settings
from rankdeck.errors import UserError
from tui.keys import Scope, bindings, keys_of
from tui.looks import Line, Piece, safe
from tui.screens.base import DeckScreen
from tui.themes import DEFAULT, MONOCHROME, theme_names
from tui.widgets.bars import KeyBar, TitleBar
from tui.widgets.prompt_line import PromptLine
from tui.widgets.row_table import Column, RowTable
from tui.widgets.text_lines import TextLines

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from textual.app import ComposeResult

_KEYMAP = "keymap.yaml"
_NEXT_START = "holds from the next start on"


@dataclass(frozen=True, slots=True)
class Row:
    """One line."""

    name: str
    title: str
    about: str
    file: str = FILE


_ROWS = (
    Row("theme", "theme", "Colours. Seen at once; colour-blind, high-contrast, monochrome, …"),
    Row("mouse", "mouse", f"Whether the mouse is used; {_NEXT_START}."),
    Row("notify", "tell of ends", "A toast and the bell when a run ends that is not being seen."),
    Row(
        "notify_command",
        "command at ends",
        "Executed when a run ends, with RANKDECK_NAME, _STATE, _SUMMARY, _RUN set.",
    ),
    Row("read_only", "read-only", "Refuse everything that starts, stops, deletes or writes."),
    Row(
        "metric_patterns",
        "log patterns",
        "Regular expressions with named groups, for numbers in logs; blanks between them.",
    ),
    Row(
        "",
        "keys",
        "Your own keys; `rankdeck config keys` lists their names. They hold as soon as the file "
        "is closed, or with R.",
        _KEYMAP,
    ),
)
_COLUMNS = (
    Column("title", "SETTING", 16),
    Column("value", "NOW", 20, share=2),
    Column("about", "", 20, share=4, from_width=90),
)


class SettingsScreen(DeckScreen):
    """Changes settings and keeps them."""

    BINDINGS = bindings(Scope.SETTINGS)
    SCOPES = (Scope.SETTINGS, Scope.TABLE, Scope.EVERYWHERE)
    DEFAULT_CSS = """
    SettingsScreen RowTable { height: 9; }
    SettingsScreen TextLines { padding: 1 1 0 1; }
    """

    def compose(self) -> ComposeResult:
        """Title, table, what is wrong, keys."""
        yield TitleBar()
        yield RowTable[Row](_COLUMNS, lambda row: row.title, self._cells)
        yield TextLines()
        yield PromptLine()
        yield KeyBar(keys_of(Scope.SETTINGS, Scope.EVERYWHERE))

    def on_mount(self) -> None:
        """Show what holds."""
        self.controller.watch_nothing()
        self._table.focus()
        self._show()

    @property
    def _table(self) -> RowTable[Row]:
        table: RowTable[Row] = self.query_one(RowTable)
        return table

    @property
    def _row(self) -> Row:
        return self._table.selected or _ROWS[0]

    @on(RowTable.Moved)
    def _show(self) -> None:
        self._table.show(_ROWS, self.now())
        folder = config_folder()
        self.query_one(TitleBar).show_parts((("settings", "bold"),), ((safe(str(folder)), "dim"),))
        row = self._row
        lines: list[Line] = [((row.about, ""),), ((f"{safe(str(folder / row.file))}", "dim"),), ()]
        problems = self.deck.problems
        if not problems:
            lines.append((("✔ everything in your files counts", "good"),))
        for problem in problems:
            lines.append((("! ", "warning"), (safe(str(problem)), "")))
            if problem.hint:
                lines.append((("  " + safe(problem.hint), "dim"),))
        self.query_one(TextLines).show(lines)

    def _cells(self, row: Row, now: float, widths: Mapping[str, int]) -> Mapping[str, Piece]:
        return {
            "title": (row.title, "bold"),
            "value": self._value(row),
            "about": (row.about, "dim"),
        }

    def _value(self, row: Row) -> Piece:
        if not row.name:
            count = sum(problem.file.endswith(_KEYMAP) for problem in self.deck.problems)
            return (f"! {count} conflicts or mistakes", "warning") if count else ("✔", "good")
        if row.name == "theme":
            locked = "  (NO_COLOR)" if self.deck.no_color else ""
            return f"◂ {self.deck.theme} ▸{locked}", "accent"
        value = getattr(self.deck.settings, row.name)
        if isinstance(value, bool):
            return ("● on", "good") if value else ("○ off", "dim")
        text = "  ".join(value) if isinstance(value, tuple) else value
        return (safe(text), "") if text else ("-", "dim")

    # -- keys -------------------------------------------------------------------------------

    @on(RowTable.Opened)
    def _opened(self) -> None:
        self.action_change(1)

    def action_change(self, step: int) -> None:
        """Take another value."""
        row = self._row
        if row.name == "theme":
            self._change_theme(step)
        elif not row.name:
            self.action_edit()
        elif isinstance(value := getattr(self.deck.settings, row.name), bool):
            self._set(row.name, not value)
        else:
            text = "  ".join(value) if isinstance(value, tuple) else value
            self.query_one(PromptLine).open(row.title, text, "empty: none")

    def _change_theme(self, step: int) -> None:
        if self.deck.no_color:
            self.notify(f"NO_COLOR is set: {MONOCHROME} it is", markup=False)
            return
        names = theme_names()
        at = names.index(self.deck.theme) if self.deck.theme in names else 0
        self.deck.choose_theme(names[(at + step) % len(names)])
        self._show()

    @on(PromptLine.Given)
    def _given(self, message: PromptLine.Given) -> None:
        row = self._row
        value: object = message.text.strip()
        if isinstance(getattr(Settings(), row.name), tuple):
            value = tuple(message.text.split())
            problem = _wrong_pattern(message.text.split())
            if problem:
                self.query_one(PromptLine).say(problem, wrong=True)
                return
        self.query_one(PromptLine).close()
        self._table.focus()
        self._set(row.name, value)

    def _set(self, name: str, value: object) -> None:
        self.deck.save_settings({name: value})
        if name == "read_only":
            self.deck.refuse_writes(bool(value))
        if name == "mouse":
            self.notify(_NEXT_START, timeout=3, markup=False)
        self._show()

    def action_reset(self) -> None:
        """Back to the default."""
        row = self._row
        if row.name == "theme":
            self.deck.choose_theme(DEFAULT)
            self._show()
        elif row.name:
            self._set(row.name, getattr(Settings(), row.name))

    @property
    def _path(self) -> Path:
        return config_folder() / self._row.file

    def action_edit(self) -> None:
        """Open the row's file in the user's editor."""
        from rankdeck.programs import editor
        from tui.outside import run_outside

        path = self._path
        try:
            command = editor(os.environ)
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            run_outside(self.app, [*command, str(path)])
        except OSError as error:
            self.deck.tell(UserError(f"{path}: {error.strerror}"))
            return
        except UserError as error:
            self.deck.tell(error)
            return
        self.action_reload()

    def action_reload(self) -> None:
        """Take what the files say now."""

        def done() -> None:
            if self.is_there:
                self._show()
            if wrong := len(self.deck.problems):
                told = f"{wrong} line{'s' if wrong > 1 else ''} of your files without effect"
                self.notify(f"{told}: see the settings", severity="warning", markup=False)
            else:
                self.notify("your settings and keys hold now", timeout=3, markup=False)

        self.deck.read_settings(done)

    def action_copy(self) -> None:
        """Copy the path of the row's file."""
        self.deck.copy(str(self._path), "the path")

    def action_back(self) -> None:
        """Out of a field, then out."""
        prompt = self.query_one(PromptLine)
        if prompt.is_open:
            prompt.close()
            self._table.focus()
        else:
            super().action_back()


def _wrong_pattern(patterns: list[str]) -> str:
    from rankdeck.config.settings import check_pattern

    for pattern in patterns:
        try:
            check_pattern(pattern)
        except ValueError as error:
            return str(error)
    return ""
