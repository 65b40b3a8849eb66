"""ShelfScreen: what the screens of templates and of workspaces share.

A live list of the files of one kind, filtered, with the file under the cursor beside it; copying,
deleting and editing them. Nothing is read or written on the interface's own thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.containers import Container, Vertical
from textual.message import Message

from rankdeck.library.names import name_fault
from rankdeck.library.search import search
from tui.keys import keys_of
from tui.looks import Line, Piece, counted, safe
from tui.screens.base import DeckScreen
from tui.shelf_text import file_lines, text_of
from tui.watch import Reading, WatchFailed
from tui.widgets.bars import KeyBar, TitleBar
from tui.widgets.prompt_line import PromptLine
from tui.widgets.row_table import Column, RowTable
from tui.widgets.text_lines import TextLines

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from textual import events
    from textual.app import ComposeResult

    from rankdeck.errors import UserError
    from rankdeck.library.shelf import Kept, Shelf
    from tui.keys import Scope

_EVERY = 1.0
_SIDE_FROM = 120
_UNDER_FROM = 30
_SETTLED = 0.05
_MOST_NAMED = 8
_OF_A_FILE = frozenset(
    ("open", "start", "edit", "copy_as", "delete", "details", "use", "copy_command", "filter")
)
_OF_THE_LIST = _OF_A_FILE | {"create", "workspaces"}


@dataclass(frozen=True, slots=True)
class ShelfKind:
    """What is said of the files of one kind."""

    shelf: Shelf
    """Where they are."""
    columns: tuple[Column, ...]
    cells: Callable[[Kept, Mapping[str, int], str], dict[str, Piece]]
    """A file's row, from the widths of the columns and the name of the one in use."""
    nothing: tuple[Line, ...]
    """What is shown while there are none."""
    hint: str
    """What a filter may be."""
    read_current: Callable[[], str]
    """The name of the one in use; called in the background."""
    remark: Callable[[str], Line] = lambda current: ()
    """What the title says besides, from the name of the one in use."""


class ShelfChanged(Message, bubble=False):
    """The files, as they are now."""

    def __init__(self, facts: tuple[tuple[Kept, ...], str]) -> None:
        super().__init__()
        self.kept, self.current = facts


class ShelfTable(RowTable["Kept"]):
    """The files of one kind."""

    DEFAULT_CSS = "ShelfTable { width: 1fr; }"


class ShelfScreen(DeckScreen):
    """A list of kept files."""

    SCOPE: ClassVar[Scope]
    DEFAULT_CSS = """
    ShelfScreen ToastRack { margin-bottom: 2; }
    ShelfScreen #shelf-body { height: 1fr; layout: vertical; }
    ShelfScreen #shelf-body.-side { layout: horizontal; }
    ShelfScreen #shelf-list { width: 1fr; height: 1fr; }
    ShelfScreen #shelf-file { height: 12; border-top: solid $panel; padding: 0 1; }
    ShelfScreen #shelf-body.-side > #shelf-file {
        width: 45%; height: 1fr; border-top: none; border-left: solid $panel;
    }
    ShelfScreen .-hidden { display: none; }
    """

    def __init__(self, kind: ShelfKind) -> None:
        super().__init__()
        self.kind = kind
        self.shelf: Shelf = kind.shelf
        self.current = ""
        """The name of the one in use, where that means something."""
        self._kept: tuple[Kept, ...] | None = None
        self._query = ""
        self._asking: Callable[[str], None] | None = None
        self._wants_file = True
        self._wanted = ""
        self._last: tuple[tuple[Kept, ...], str] | None = None
        self._useless = _OF_A_FILE
        self._made = ""
        """A name that shall be under the cursor as soon as it is in the list."""

    # -- the screen -------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While a line is typed into, its keys are its own."""
        if action in _OF_THE_LIST and self.is_mounted and self.query_one(PromptLine).is_open:
            return False
        return super().check_action(action, parameters)

    def compose(self) -> ComposeResult:
        """Title, table and file, prompt, keys."""
        yield TitleBar()
        with Container(id="shelf-body"):
            with Vertical(id="shelf-list"):
                yield ShelfTable(
                    self.kind.columns,
                    lambda kept: kept.path,
                    lambda kept, _, widths: self.kind.cells(kept, widths, self.current),
                )
                yield TextLines(id="nothing")
            yield TextLines(id="shelf-file")
        yield PromptLine()
        yield KeyBar(keys_of(self.SCOPE))

    def on_mount(self) -> None:
        """Say where one is."""
        self.query_one("#nothing", TextLines).show(self.kind.nothing)
        self.query_one("#nothing").add_class("-hidden")
        self.table.focus()
        self._show_title()

    def on_screen_resume(self) -> None:
        """Watch the files while they are seen."""
        super().on_screen_resume()
        self.controller.watch(self, self._read, lambda facts: ShelfChanged(facts))

    def on_resize(self, event: events.Resize) -> None:
        """Put the file where there is room for it."""
        self.query_one("#shelf-body").set_class(event.size.width >= _SIDE_FROM, "-side")
        self._lay_out()

    def _read(self) -> Reading:
        facts = (self.shelf.list(), self.kind.read_current())
        if facts != self._last:
            self._last = facts
        return Reading(self._last, _EVERY)

    @on(ShelfChanged)
    def _changed(self, message: ShelfChanged) -> None:
        self._kept, self.current = message.kept, message.current
        self._wanted = ""
        self.show()

    @on(WatchFailed)
    def _failed(self, message: WatchFailed) -> None:
        self.deck.tell(message.error)

    @property
    def useless(self) -> frozenset[str]:
        """Where there is no file, nothing can be done with one."""
        return frozenset() if self.is_mounted and self.selected is not None else _OF_A_FILE

    @property
    def table(self) -> ShelfTable:
        """The list."""
        return self.query_one(ShelfTable)

    @property
    def selected(self) -> Kept | None:
        """The file under the cursor."""
        return self.table.selected

    def show(self) -> None:
        """Show what fits the filter."""
        kept = self._kept or ()
        self.table.show(search(kept, self._query), self.now())
        if self._made and self.table.select(str(self.shelf.path(self._made))):
            self._made = ""
        there = bool(kept) or self._kept is None
        self.table.set_class(not there, "-hidden")
        if self.useless != self._useless:
            self._useless = self.useless
            self.refresh_bindings()
        self.query_one("#nothing").set_class(there, "-hidden")
        self._show_title()
        self._lay_out()
        self._ask_file()

    def _show_title(self) -> None:
        kept = self._kept or ()
        left: list[Piece] = [(f"{self.shelf.what}s", "")]
        if self._query:
            left.append((f"  /{safe(self._query)}", "key"))
            left.append((f"  {len(self.table.rows)} of {len(kept)} shown", "warning"))
        if marked := len(self.table.marked):
            left.append((f"  {marked} marked", "warning"))
        broken = sum(one.broken for one in kept)
        right: list[Piece] = [*self.kind.remark(self.current)]
        told = "reading …" if self._kept is None else counted(len(kept), self.shelf.what)
        right += [(told, "dim")]
        if broken:
            right.append((f" · {broken} cannot be used", "error"))
        self.query_one(TitleBar).show_parts(tuple(left), tuple(right))

    # -- the file ---------------------------------------------------------------------------

    @property
    def _has_room(self) -> bool:
        return self.size.width >= _SIDE_FROM or self.size.height >= _UNDER_FROM

    def _lay_out(self) -> None:
        seen = self._has_room and self._wants_file and bool(self._kept)
        self.query_one("#shelf-file").set_class(not seen, "-hidden")

    @on(RowTable.Moved)
    def _moved(self) -> None:
        self.set_timer(_SETTLED, self._ask_file)

    @on(RowTable.Marked)
    def _marked(self) -> None:
        self._show_title()

    def _ask_file(self) -> None:
        kept = self.selected
        pane = self.query_one("#shelf-file", TextLines)
        if kept is None:
            pane.show(())
            self._wanted = ""
        elif not pane.has_class("-hidden") and kept.path != self._wanted:
            self._wanted = kept.path
            self._read_file(kept, lambda lines: self._show_file(kept, lines))

    def _show_file(self, kept: Kept, lines: tuple[Line, ...]) -> None:
        if kept.path == self._wanted:
            self.query_one("#shelf-file", TextLines).show(lines)

    def _read_file(self, kept: Kept, done: Callable[[tuple[Line, ...]], None]) -> None:
        def heard(text: str | None, error: UserError | None) -> None:
            if not self.is_there:
                return
            said = text if error is None and text is not None else ""
            done(file_lines(kept, said, error))

        self.controller.do(lambda: text_of(kept), heard, key="shelf-file")

    def action_details(self) -> None:
        """Show or hide the file; where there is no room, show it over the list."""
        kept = self.selected
        if self._has_room:
            self._wants_file = not self._wants_file
            self._lay_out()
            self._wanted = ""
            self._ask_file()
        elif kept is not None:
            from tui.screens.page import PageScreen

            page = PageScreen(safe(kept.name))
            self.deck.push_screen(page)
            self._read_file(kept, page.show)

    # -- the filter and other lines to type into --------------------------------------------

    def action_filter(self) -> None:
        """Begin to type a filter, or to change the one there is."""
        self._asking = None
        self.query_one(PromptLine).open("/", self._query, self.kind.hint)

    def ask_line(self, label: str, text: str, hint: str, given: Callable[[str], None]) -> None:
        """Ask for a line at the foot of the screen; `given` gets what was typed."""
        self._asking = given
        self.query_one(PromptLine).open(label, text, hint)

    @on(PromptLine.Changed)
    def _typed(self, message: PromptLine.Changed) -> None:
        if self._asking is None:
            self._query = message.text
            self.show()
            count = f"{len(self.table.rows)} of {len(self._kept or ())}"
            self.query_one(PromptLine).say(count)

    @on(PromptLine.Given)
    def _given(self, message: PromptLine.Given) -> None:
        self.query_one(PromptLine).close()
        self.table.focus()
        if self._asking is not None and message.text.strip():
            self._asking(message.text.strip())
        self._asking = None

    def action_back(self) -> None:
        """Close the line, show all again, unmark, or go back: the first that there is to do."""
        prompt = self.query_one(PromptLine)
        if prompt.is_open:
            if self._asking is None:
                self._query = ""
            self._asking = None
            prompt.close()
            self.table.focus()
            self.show()
        elif self._query:
            self._query = ""
            self.show()
        elif self.table.marked:
            self.table.mark(frozenset())
        else:
            super().action_back()

    # -- what is done with files ------------------------------------------------------------

    def write(self, job: Callable[[], object], told: str) -> None:
        """Change something in the background, say that it is done, and look again."""

        def heard(_: object, error: UserError | None) -> None:
            if error is not None:
                self.deck.tell(error)
            else:
                self.notify(safe(told), timeout=4, markup=False)
            self.look_again()

        self.controller.do(job, heard, writes=True)

    def made(self, name: str) -> None:
        """Put the cursor on the file of that name when it is there."""
        self._made = "" if name_fault(name) else name

    def look_again(self) -> None:
        """Read the files now."""
        if self.is_mounted and self.on_top:
            self.controller.watch(self, self._read, lambda facts: ShelfChanged(facts))

    def action_copy_as(self) -> None:
        """Copy the file under another name."""
        kept = self.selected
        if kept is None:
            return

        def named(name: str) -> None:
            self.made(name)
            self.write(lambda: self.shelf.copy(kept.name, name), f"{kept.name}: copied to {name}")

        self.ask_line(f"copy {safe(kept.name)} to", f"{kept.name}-2", "a name", named)

    def action_delete(self) -> None:
        """Delete the marked files, or the one under the cursor, after one question."""
        chosen = self.table.chosen
        if not chosen:
            return
        what = self.shelf.what
        title = f"Delete {counted(len(chosen), what)}?" if chosen[1:] else f"Delete this {what}?"
        names = [kept.path.rpartition("/")[2] for kept in chosen]
        named: list[Line] = [((f"  {safe(name)}", "warning"),) for name in names]
        if len(named) > _MOST_NAMED:
            more = len(named) - _MOST_NAMED + 1
            named = [*named[: _MOST_NAMED - 1], ((f"  and {more} more", "dim"),)]
        lines: tuple[Line, ...] = (
            ((title, "title"),),
            (),
            *named,
            ((f"in {safe(str(self.shelf.folder))}", "dim"),),
            (("The files go for good; runs that were started stay.", ""),),
        )

        def remove() -> None:
            for kept in chosen:
                self.shelf.remove_file(kept)

        self.deck.ask(lines, lambda: self.write(remove, f"{len(chosen)} deleted"))

    def action_edit(self) -> None:
        """Open the file in the user's editor."""
        if self.selected is not None:
            self.edit(self.selected.name)

    def edit(self, name: str) -> None:
        """Open a file, or a new one, in the user's editor, and look at what has become of it."""
        from tui.shelf_edit import ShelfEdit

        self.made(name)
        ShelfEdit(self, name).begin()
