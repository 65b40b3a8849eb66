"""The keys that are valid where the user came from, out of the key table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input

from tui.keys import Scope, bindings, keys_of
from tui.looks import Line, Piece, fit, line_width, wrap
from tui.widgets.text_lines import TextLines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.app import ComposeResult

_KEYS = 15
_TWO_COLUMNS = 140
_GAP = 3


class HelpScreen(ModalScreen[None]):
    """Lists keys; any of esc, q and ? closes it."""

    BINDINGS = bindings(Scope.HELP)
    DEFAULT_CSS = """
    HelpScreen { align: center middle; }
    HelpScreen > Vertical {
        width: 184; max-width: 100%; height: auto; max-height: 100%;
        background: $surface; border: round $primary;
    }
    HelpScreen.-one > Vertical { width: 92; }
    HelpScreen TextLines { height: auto; max-height: 100%; background: $surface; }
    HelpScreen Input { height: 1; border: none; padding: 0 1; background: $boost; display: none; }
    HelpScreen Input:focus { border: none; }
    HelpScreen Input.-open { display: block; }
    """

    def __init__(self, scopes: tuple[Scope, ...]) -> None:
        super().__init__()
        self._scopes = scopes

    def compose(self) -> ComposeResult:
        """One page of text, and a line to filter it by."""
        with Vertical():
            yield Input(placeholder="words of what a key does, or the key itself")
            yield TextLines()

    def on_mount(self) -> None:
        """Show the table."""
        keys = {key.action: key.shown.split()[0] for key in keys_of(Scope.HELP)}
        said = f"{keys['filter']} finds a key · {keys['close']} closes"
        self.query_one(Vertical).border_subtitle = Content(said)
        self._show()
        self.query_one(TextLines).focus()

    def on_resize(self, event: events.Resize) -> None:
        """Use the room there is."""
        self._show()

    @on(Input.Changed)
    def _show(self) -> None:
        width = self.app.size.width
        two = width >= _TWO_COLUMNS
        self.set_class(not two, "-one")
        words = self.query_one(Input).value.lower().split()
        blocks = help_blocks(self._scopes, words)
        page = self.query_one(TextLines)
        page.show(side_by_side(blocks, min(width, 184) - 6) if two else one_below_other(blocks))
        page.scroll_home(animate=False)

    def action_filter(self) -> None:
        """Begin to type words."""
        field = self.query_one(Input)
        field.add_class("-open")
        field.focus()

    @on(Input.Submitted)
    def _keep(self) -> None:
        self.query_one(Input).set_class(bool(self.query_one(Input).value), "-open")
        self.query_one(TextLines).focus()

    def action_close(self) -> None:
        """Show everything again; then close."""
        field = self.query_one(Input)
        if field.has_class("-open"):
            field.value = ""
            field.remove_class("-open")
            self.query_one(TextLines).focus()
        else:
            self.dismiss()


def help_blocks(scopes: tuple[Scope, ...], words: Sequence[str] = ()) -> tuple[list[Line], ...]:
    """The keys of these scopes that have all these words, a heading above each scope's."""
    blocks = []
    for scope in scopes:
        rows = [
            ((f"  {fit(key.shown, _KEYS)}", "key"), (key.help, ""))
            for key in keys_of(scope)
            if all(word in f"{key.shown} {key.label} {key.help}".lower() for word in words)
        ]
        if rows:
            blocks.append([((scope.value, "title"),), *rows])
    return tuple(blocks)


def one_below_other(blocks: Sequence[list[Line]]) -> tuple[Line, ...]:
    """The blocks with an empty line between."""
    lines: list[Line] = []
    for block in blocks:
        lines += [(), *block] if lines else block
    return tuple(lines) or ((("no key has these words", "dim"),),)


def side_by_side(blocks: Sequence[list[Line]], width: int) -> tuple[Line, ...]:
    """The blocks in two columns of about the same height."""
    room = (width - _GAP) // 2
    wrapped = [[part for line in block for part in wrap(line, room)] for block in blocks]
    half = sum(len(block) + 1 for block in wrapped) / 2
    columns: tuple[list[Line], list[Line]] = ([], [])
    for block in wrapped:
        left = columns[0]
        column = left if not left or len(left) + len(block) / 2 < half else columns[1]
        column += [(), *block] if column else block
    if not columns[0]:
        return one_below_other(blocks)
    lines = []
    for number in range(max(map(len, columns))):
        first, second = (column[number] if number < len(column) else () for column in columns)
        pad: Piece = (" " * (room - line_width(first) + _GAP), "")
        lines.append((*first, pad, *second))
    return tuple(lines)
