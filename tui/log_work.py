"""LogWork: what one log pane's reader works on; every method runs on the reader's thread.

Knows the view's source, the place in it, the selection and the bookmarks, and makes pages of them.
It never touches a widget.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.errors import UserError
from rankdeck.logs.handle import Change
from tui.log_gutter import LabelLayout, gutter_of, page_rows
from tui.log_page import Look, Page, Selection
from tui.log_save import Copied, Outside, OutsideFile, gather
from tui.log_text import clock_near
from tui.log_views import open_view
from tui.widgets.log_viewport import Viewport

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.log_page import Target
    from tui.log_save import Save
    from tui.log_text import Place
    from tui.log_views import View

_BUDGET = 8 << 20
"""Bytes counted between two looks at what the user wants."""
_SELECTED_COUNTED = 100_000


class Notice(str):
    """Something to tell the user once."""

    __slots__ = ()


class LogWork:
    """The state of one pane's reading."""

    def __init__(self) -> None:
        self.target: Target | None = None
        self.look = Look()
        self.view: View | None = None
        self.viewport: Viewport | None = None
        self.selection: Selection | None = None
        self.found: int | None = None
        self.size = (0, 0)
        """Columns and rows of the widget."""
        self.problem = ""
        self._bookmarks: dict[str, set[int]] = {}
        self._found: list[object] = []
        self._mark: tuple[int, int | None] = (0, None)
        self._page = Page()

    # -- the thread's frame -----------------------------------------------------------------

    def attempt(self, act: Callable[[], object]) -> None:
        """Do something that may fail, and keep what to tell about it."""
        try:
            act()
        except OSError as error:
            self.problem = f"cannot be read: {error.strerror or error}"
        except UserError as error:
            said = error.message + (f": {error.hint}" if error.hint else "")
            if self.view is None:
                self.problem = said
            else:
                self.tell(said)
        except IndexError as error:
            self.tell(f"there is no such place: {error}")

    def tell(self, text: str) -> None:
        """Tell the user something, once."""
        self._found.append(Notice(text))

    def hand(self, found: object) -> None:
        """Give the pane something besides a page."""
        self._found.append(found)

    def take_found(self) -> list[object]:
        """What is to be handed over before the next page."""
        found, self._found = self._found, []
        return found

    @property
    def unfinished(self) -> bool:
        """Whether lines are left to be counted."""
        view = self.view
        if view is None or self.problem:
            return False
        return not view.source.indexed or (self.viewport is not None and self.viewport.searching)

    def count_some(self) -> None:
        """Count lines for a moment."""
        view = self.view
        if view is None:
            return
        if view.source.indexed:
            return
        before = view.source.indexed_part, view.source.line_count
        view.source.index_some(_BUDGET)
        if not view.source.indexed and before == (view.source.indexed_part, view.source.line_count):
            # shorter than it was: the next look will tell
            self.problem = "became shorter while it was read"

    def close(self) -> None:
        """Let go of all files."""
        if self.view is not None:
            self.view.source.close()

    # -- what is shown ----------------------------------------------------------------------

    def open(self, target: Target, look: Look) -> None:
        """Show another log, at its end."""
        self.target, self.look = target, look
        self.selection = self.found = None
        self._show_end()

    def retarget(self, target: Target) -> None:
        """Another rank is looked at, in a view that has it already."""
        self.target = target

    def change(self, look: Look) -> None:
        """Show the same log another way, staying about where we are."""
        old, self.look = self.look, look
        if look.choice == old.choice and self.viewport is not None:
            self.viewport.wrap = look.wrap
            return
        self.selection = self.found = None
        self._reopen()

    def _show_end(self) -> None:
        """Open the view that is wanted, at its end."""
        old, self.view, self.viewport = self.view, None, None
        if old is not None:
            old.source.close()
        self.problem = ""
        if self.target is None:
            return
        self.view = open_view(self.target, self.look)
        self.viewport = Viewport(self.view.source, sparse=self.view.sparse)
        self.viewport.wrap = self.look.wrap
        self._still()

    def _reopen(self) -> None:
        """Open another view of the same lines, at about the same place."""
        viewport, view = self.viewport, self.view
        if viewport is None or view is None or viewport.follow:
            self._show_end()
            return
        top = viewport.rows[0].line.offset if viewport.rows else viewport.top
        one_file, origin = view.file is not None, view.source.origin(top)
        moment = view.source.time_at(top)
        self._show_end()
        new = self.view
        if new is None or self.viewport is None:
            return
        position: int | None = None
        if one_file == (new.file is not None):
            position = top
        elif origin is not None and new.file is not None and origin.path == new.file.file.path:
            position = origin.offset
        elif origin is not None and new.merged is not None and self.target is not None:
            rank = self.target.rank if self.target.rank is not None else -1
            position = new.merged.position_of(rank, origin.offset)
        if position is None and moment is not None:
            position = new.source.position_at(moment)
        if position is not None:
            self.viewport.go_to(self._line_from(position))

    def _line_from(self, position: int) -> int:
        """The first line at this position or later, else the last one."""
        assert self.view is not None
        source = self.view.source
        lines = source.after(position, 1) or source.before(source.size, 1)
        return lines[-1].offset if lines else 0

    def resize(self, columns: int, rows: int) -> None:
        """Fill another size."""
        self.size = (columns, rows)

    def poll(self) -> None:
        """Look whether the log has changed."""
        if self.target is None:
            return
        if self.view is None or self.viewport is None:
            self._show_end()
            return
        change = self.view.source.refresh()
        if change is Change.GREW and self.view.merged is not None:
            self.viewport.grew()
        if self.problem:
            self.problem = ""
        if change is Change.RESET:
            was_there = self._page.exists
            self.viewport.reset()
            self.selection = self.found = None
            self._bookmarks.pop(str(self.target.path), None)
            self._still()
            if was_there:
                self.tell("the log was replaced")
        elif self.view.source.indexed:
            return
        else:
            self.count_some()

    # -- moving -----------------------------------------------------------------------------

    def move(self, rows: int) -> None:
        """Go some rows up or down."""
        if self.viewport is not None:
            self.viewport.move(rows)

    def page_by(self, pages: int) -> None:
        """Go some pages up or down."""
        if self.viewport is not None:
            self.viewport.move(pages * max(1, self.viewport.height - 1))

    def begin(self) -> None:
        """Go to the first line."""
        if self.viewport is not None:
            self.viewport.to_begin()

    def end(self) -> None:
        """Go to the end and follow."""
        if self.viewport is not None:
            self.viewport.to_end()

    def toggle_follow(self) -> None:
        """Follow, or stay here."""
        if self.viewport is not None:
            self.viewport.follow = not self.viewport.follow

    def fraction(self, part: float) -> None:
        """Go to a part of the log."""
        if self.viewport is not None:
            self.viewport.to_fraction(part)

    def show(self, position: int) -> None:
        """Go to a line and mark it as found."""
        if self.viewport is not None:
            self.found = position
            self.viewport.show_line(position)

    def goto(self, place: Place) -> None:
        """Go to a line number, a part, a time of day, or some time from here."""
        if self.viewport is None or self.view is None:
            return
        source = self.view.source
        if place.fraction is not None:
            self.show(source.position_near(place.fraction))
        elif place.line is not None:
            self._goto_line(place.line)
        else:
            here = source.time_at(self.current())
            if here is None:
                self.tell("nobody noted when the lines of this log were written")
            elif place.clock is not None:
                self.goto_time(clock_near(place.clock, here))
            else:
                self.goto_time(here + (place.seconds or 0.0))

    def _goto_line(self, line: int) -> None:
        assert self.view is not None
        numbered = self.view.source
        while numbered.line_count <= line + 1 and not numbered.indexed:
            before = numbered.line_count
            numbered.index_some(_BUDGET)
            if numbered.line_count == before:
                break
        if numbered.line_count == 0:
            return
        position = numbered.offset_of(min(line, numbered.line_count - 1))
        self.show(self._line_from(position))

    def goto_time(self, moment: float) -> None:
        """Go to the first line written at this time or later."""
        if self.view is None:
            return
        position = self.view.source.position_at(moment)
        if position is None:
            self.tell("nobody noted when the lines of this log were written")
        else:
            self.show(self._line_from(position))

    def current(self) -> int:
        """Position of the line that what the user asks for begins from."""
        viewport = self.viewport
        if viewport is None or not viewport.rows:
            return 0
        if self.selection is not None:
            return self.selection.cursor
        on_screen = [row.line.offset for row in viewport.rows]
        if self.found in on_screen:
            return self.found or 0
        return on_screen[-1 if viewport.follow else 0]

    def seek_start(self, *, backward: bool) -> int:
        """Where a search from here begins: at the line found last if it is seen, else the top."""
        rows = self.viewport.rows if self.viewport is not None else ()
        for row in rows:
            if row.line.offset == self.found:
                return row.line.offset if backward else row.line.end
        return rows[0].line.offset if rows else 0

    # -- selecting --------------------------------------------------------------------------

    def select_begin(self) -> None:
        """Begin to select at the current line."""
        if self.viewport is not None and self.viewport.rows:
            here = self.current()
            self.selection = Selection(here, here)
            self.viewport.follow = False

    def select(self, anchor: int, cursor: int) -> None:
        """Select these lines."""
        if self.viewport is not None:
            self.selection = Selection(anchor, cursor)
            self.viewport.follow = False

    def select_none(self) -> None:
        """Nothing is selected any more."""
        self.selection = None

    def select_move(self, lines: int) -> None:
        """Extend the selection by lines."""
        if self.selection is None or self.view is None:
            return
        source, cursor = self.view.source, self.selection.cursor
        if lines > 0:
            found = source.after(cursor, lines + 1)
            cursor = found[-1].offset if found else cursor
        else:
            found = source.before(cursor, -lines)
            cursor = found[0].offset if found else cursor
        self._select_to(cursor)

    def select_page(self, pages: int) -> None:
        """Extend the selection by pages."""
        if self.viewport is not None:
            self.select_move(pages * max(1, self.viewport.height - 1))

    def select_edge(self, last: bool) -> None:
        """Extend the selection to the begin or the end."""
        if self.view is not None:
            source = self.view.source
            lines = source.before(source.size, 1) if last else source.after(0, 1)
            if lines:
                self._select_to(lines[0].offset)

    def _select_to(self, cursor: int) -> None:
        if self.selection is not None and self.viewport is not None:
            self.selection = Selection(self.selection.anchor, cursor)
            self.viewport.reveal(cursor)

    def _selected(self) -> int:
        """How many lines are selected; -1: too many to say quickly, or not counted yet."""
        if self.selection is None or self.view is None:
            return 0
        source = self.view.source
        low, high = source.line_at(self.selection.low), source.line_at(self.selection.high)
        return -1 if low is None or high is None else high - low + 1

    # -- taking lines away ------------------------------------------------------------------

    def copy(self) -> None:
        """Gather what is selected, or the line that was found, or what is on the screen."""
        view, viewport = self.view, self.viewport
        if view is None or viewport is None or not viewport.rows:
            self.hand(Copied("", 0, whole=True))
            return
        rows = viewport.rows
        low, high = rows[0].line.offset, rows[-1].line.offset
        if self.selection is not None:
            low, high = self.selection.low, self.selection.high
        elif any(row.line.offset == self.found for row in rows):
            low = high = self.found or 0
        self.hand(gather(view, low, high))

    def save(self, save: Save) -> None:
        """Write what is selected, or the whole view, to a file."""
        if self.view is None:
            return
        low, high = (
            (0, None) if self.selection is None else (self.selection.low, self.selection.high)
        )
        save.begin(self.view, low, high)

    def outside(self, *, editor: bool) -> None:
        """Find a file, and the line in it, for another program."""
        view, target = self.view, self.target
        if view is None or target is None or not view.source.exists:
            self.tell("there is nothing to open yet")
            return
        here = self.current()
        if view.file is None:
            self.hand(Outside(editor, here))
            return
        while (line := view.file.line_at(here)) is None and not view.file.indexed:
            view.file.index_some(_BUDGET)
        self.hand(OutsideFile(str(target.path), (line or 0) + 1, editor))

    # -- bookmarks --------------------------------------------------------------------------

    @property
    def _marks(self) -> set[int]:
        key = str(self.target.path) if self.target and not self.look.merged else "merged"
        return self._bookmarks.setdefault(key, set())

    def bookmark(self) -> None:
        """Set a bookmark at the current line, or take it away."""
        if self.viewport is None or not self.viewport.rows:
            return
        self._marks.symmetric_difference_update({self.current()})

    def to_bookmark(self, direction: int) -> None:
        """Go to the next bookmark, or the one before, round the end."""
        marks = sorted(self._marks)
        if not marks:
            self.tell("no bookmarks here yet: b sets one")
            return
        here = self.current()
        if direction > 0:
            self.show(next((mark for mark in marks if mark > here), marks[0]))
        else:
            self.show(next((mark for mark in reversed(marks) if mark < here), marks[-1]))

    # -- pages ------------------------------------------------------------------------------

    def _still(self) -> None:
        """From now on, lines are new."""
        view = self.view
        if view is not None:
            known = view.source.line_count if view.source.indexed else None
            self._mark = (view.source.size, known)

    def _new_lines(self) -> int:
        view, viewport = self.view, self.viewport
        if view is None or viewport is None or viewport.follow:
            self._still()
            return 0
        position, known = self._mark
        if known is None:
            if not view.source.indexed:
                return 0
            known = view.source.line_count if position >= view.source.size else None
            if known is None:
                known = view.source.line_at(position)
            self._mark = (position, known)
        return max(0, view.source.line_count - (known or 0))

    def page(self) -> Page:
        """What belongs on the screen now; what cannot be read stays as it was."""
        self.attempt(self._lay_out)
        return self._page

    def _lay_out(self) -> None:
        columns, rows = self.size
        if self.view is None or self.viewport is None:
            self._page = Page(height=rows, problem=self.problem)
            return
        view, viewport, source = self.view, self.viewport, self.view.source
        marks = self._marks
        gutter = gutter_of(view, self.look, bool(marks))
        viewport.width, viewport.height = max(2, columns - gutter.width - 1), rows
        viewport.layout()
        labels = LabelLayout(gutter.label, view.ranks)
        shown = page_rows(view, self.look, viewport.rows, gutter, labels, marks)
        new_lines = self._new_lines()
        self._page = Page(
            rows=shown,
            gutter=gutter,
            text_width=viewport.width,
            height=rows,
            wrap=viewport.wrap,
            follow=viewport.follow,
            searching=viewport.searching,
            thumb=self._thumb(rows),
            exists=source.exists,
            size=source.size,
            lines=source.line_count,
            counted=1.0 if source.indexed else source.indexed_part,
            new_lines=new_lines,
            selection=self.selection,
            selected=self._selected(),
            found=self.found,
            view=view.name,
            problem=self.problem,
        )

    def _thumb(self, height: int) -> tuple[int, int]:
        viewport = self.viewport
        if viewport is None or not viewport.rows or viewport.source.size == 0:
            return 0, 0
        rows, size = viewport.rows, viewport.source.size
        begin, at_end = rows[0].line.offset, viewport.at_end
        if at_end and viewport.at_begin:
            return 0, 0
        length = max(1, min(height, (rows[-1].line.end - begin) * height // size))
        first = height - length if at_end else (height - length) * begin // size
        return first, first + length
