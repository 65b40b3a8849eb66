"""The palette: type a few letters of anything that can be done, and do it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual import on
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from tui.keys import Scope, bindings, keys_of
from tui.palette import Choice, choices, run_choices, search, shared_command
from tui.widgets.bars import KeyBar
from tui.widgets.row_table import Column, RowTable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from textual.app import ComposeResult
    from textual.screen import Screen

    from rankdeck.errors import UserError
    from rankdeck.run.summary import RunSummary
    from tui.deck import Deck
    from tui.looks import Piece

_RUNS = 100
_COLUMNS = (
    Column("title", "", 18, share=1),
    Column("about", "", 10, share=6, from_width=60),
    Column("keys", "", 12, share=1, most=24, right=True),
)


class PaletteScreen(ModalScreen["Callable[[], object]"]):
    """Dismissed with what is to be done."""

    BINDINGS = bindings(Scope.MENU)
    SCOPES = (Scope.MENU,)
    DEFAULT_CSS = """
    PaletteScreen { align: center top; background: $background 60%; }
    PaletteScreen > Vertical {
        width: 96; max-width: 98%; height: 20; max-height: 90%; margin-top: 1;
        background: $surface; border: round $primary;
    }
    PaletteScreen Input { height: 1; border: none; padding: 0 1; background: $boost; }
    PaletteScreen Input:focus { border: none; }
    PaletteScreen RowTable { background: $surface; }
    PaletteScreen Static { height: 1fr; color: $text-muted; }
    """

    def __init__(self, below: Screen[Any], text: str = "") -> None:
        """Offer what can be done on the screen `below`; `text` is typed already."""
        super().__init__()
        self._below = below
        self._text = text
        self._choices: tuple[Choice, ...] = ()

    def compose(self) -> ComposeResult:
        """What is typed, what fits, the keys."""
        with Vertical():
            hint = "an action, a place, a run …"
            yield Input(self._text, placeholder=hint, select_on_focus=False)
            yield RowTable[Choice](_COLUMNS, _key, _cells)
            yield Static(" nothing is called that: fewer letters find more", classes="-hidden")
            yield KeyBar(keys_of(Scope.MENU))

    def on_mount(self) -> None:
        """Offer what is known at once, and the runs as soon as they have been read."""
        deck: Deck = self.app  # type: ignore[assignment]
        self._choices = choices(deck, self._below)
        self.query_one(RowTable).can_focus = False
        self.query_one(Input).focus()
        self._show()

        def read(runs: tuple[RunSummary, ...] | None, error: UserError | None) -> None:
            # the palette is of use without the runs, too; their screen says why they are missing
            if runs and self.is_attached and not self._closing and not self._pruning:
                self._choices += run_choices(deck, runs)
                self._show()

        deck.controller.do(lambda: deck.controller.store.list(_RUNS), read, key="palette")

    @on(Input.Changed)
    def _show(self) -> None:
        table = self._table
        found = search(self._choices, self.query_one(Input).value)
        table.show(found, 0.0)
        table.cursor = 0
        table.set_class(not found, "-hidden")
        self.query_one(Static).set_class(bool(found), "-hidden")

    @property
    def _table(self) -> RowTable[Choice]:
        table: RowTable[Choice] = self.query_one(RowTable)
        return table

    def action_cursor(self, step: int) -> None:
        """Another line."""
        self._table.action_cursor(step)

    def action_page(self, step: int) -> None:
        """Another page."""
        self._table.action_page(step)

    def action_complete(self) -> None:
        """Type what every command that fits begins with; where that is typed, the cursor's."""
        choice = self._table.selected
        if choice is None:
            return
        field = self.query_one(Input)
        shared = shared_command(self._table.rows, field.value)
        field.value = shared or (f":{choice.command}" if choice.command else choice.title)
        field.cursor_position = len(field.value)

    @on(Input.Submitted)
    @on(RowTable.Opened)
    def action_choose(self) -> None:
        """Do what is under the cursor."""
        choice = self._table.selected
        if choice is not None:
            self.dismiss(choice.do)

    async def action_dismiss(self, result: Callable[[], object] | None = None) -> None:
        """Do nothing."""
        self.dismiss(result)


def _key(choice: Choice) -> str:
    return f"{choice.title}\0{choice.command}\0{choice.about}\0{choice.keys}"


def _cells(choice: Choice, now: float, widths: Mapping[str, int]) -> Mapping[str, Piece]:
    return {
        "title": (choice.title, ""),
        "about": (choice.about, "dim"),
        "keys": (choice.keys or (f":{choice.command}" if choice.command else ""), "key"),
    }
