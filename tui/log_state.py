"""LogState: what one log pane's reader knows: the view, the place in it, and pages made of them.

Every method runs on the reader's thread; none touches a widget.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.errors import UserError
from rankdeck.logs.handle import Change
from tui.log_gutter import LabelLayout, gutter_of, page_rows
from tui.log_marks import LogMarks
from tui.log_page import Look, Page, Selection, Times
from tui.log_views import open_view
from tui.widgets.log_viewport import Viewport

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from tui.log_choices import Choices, LogChoices
    from tui.log_page import Target
    from tui.log_views import View

_BUDGET = 8 << 20
"""Bytes counted between two looks at what the user wants."""


NO_TIMES = "nobody noted when the lines of this log were written"


class Notice(str):
    """Something to tell the user once."""

    __slots__ = ()


class LogState:
    """The state of one pane's reading."""

    def __init__(self, marks: LogMarks | None = None, choices: LogChoices | None = None) -> None:
        """Begin without a log.

        Args:
            marks: Where bookmarks are kept; None: only here.
            choices: Where it is kept how lines are shown; None: nowhere.
        """
        self.target: Target | None = None
        self.look = Look()
        self.view: View | None = None
        self.viewport: Viewport | None = None
        self.selection: Selection | None = None
        self.found: int | None = None
        self.size = (0, 0)
        """Columns and rows of the widget."""
        self.problem = ""
        self.news = False
        """Whether the last look at the log has changed anything."""
        self.marks = marks or LogMarks()
        self._choices = choices
        self._recalled: Choices | None = None
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
        except Exception as error:  # told on the screen; the thread must live on
            self.problem = f"cannot be shown: {type(error).__name__}: {error}"

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
        return not view.source.indexed or self.searching

    @property
    def searching(self) -> bool:
        """Whether the next page may have more than this one."""
        return self.viewport is not None and self.viewport.searching

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
        self.target = target
        self.look = look if self._recalled is None else self._recalled.of(look)
        self._recalled = None
        self.selection = self.found = None
        self._show_end()

    def retarget(self, target: Target) -> None:
        """Another rank is looked at, in a view that has it already."""
        self.target = target

    def recall_choices(self) -> None:
        """Show the next log as the user wanted to see the last one."""
        if self._choices is not None:
            self._recalled = self._choices.recall()
            self.hand(self._recalled)

    def keep_choices(self, choices: Choices) -> None:
        """Remember how the user wants to see logs."""
        if self._choices is not None and (told := self._choices.keep(choices)):
            self.tell(told)

    def change(self, look: Look) -> None:
        """Show the same log another way, staying about where we are."""
        old, self.look = self.look, look
        if look.choice == old.choice and self.viewport is not None:
            self.viewport.wrap = look.wrap
            if look.times is not old.times and look.times is not Times.OFF:
                self._doubt_times(self.viewport)
            return
        self.selection = self.found = None
        self._reopen()

    def _doubt_times(self, viewport: Viewport) -> None:
        rows = viewport.rows
        if rows and viewport.source.time_at(rows[0].line.offset) is None:
            self.tell(NO_TIMES)

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
            self.viewport.go_to(position)

    def resize(self, columns: int, rows: int) -> None:
        """Fill another size."""
        self.size = (columns, rows)

    def poll(self) -> None:
        """Look whether the log has changed."""
        if self.target is None:
            return
        self.news = True
        if self.view is None or self.viewport is None:
            self._show_end()
            return
        change = self.view.source.refresh()
        self.news = change is not Change.SAME or bool(self.problem)
        if change is Change.GREW and self.view.merged is not None:
            self.viewport.grew()
        if self.problem:
            self.problem = ""
        if change is Change.RESET:
            was_there = self._page.exists
            self.viewport.reset()
            self.selection = self.found = None
            self.marks.check()
            self._still()
            if was_there:
                self.tell("the log was replaced")
        elif not self.view.source.indexed:
            self.count_some()

    def _selected(self) -> int:
        """How many lines are selected; -1: too many to say quickly, or not counted yet."""
        if self.selection is None or self.view is None:
            return 0
        source = self.view.source
        low, high = source.line_at(self.selection.low), source.line_at(self.selection.high)
        return -1 if low is None or high is None else high - low + 1

    def _marked(self) -> Collection[int] | None:
        """Positions on the screen of lines that are marked; None: none is in all of the view."""
        view, viewport = self.view, self.viewport
        if view is None or viewport is None:
            return None
        if view.file is not None:
            return self.marks.of(view.file.file.path) or None
        if not any(path in view.paths for path in self.marks.marked()):
            return None
        found = set()
        for row in viewport.rows:
            origin = view.source.origin(row.line.offset)
            if origin is not None and origin.offset in self.marks.of(origin.path):
                found.add(row.line.offset)
        return found

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
        marked = bool(self.marks.marked()) and self._marked() is not None
        gutter = gutter_of(view, self.look, marked)
        viewport.width, viewport.height = max(2, columns - gutter.width - 1), rows
        viewport.layout()
        marks = (self._marked() if marked else None) or ()
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
            searching=int(viewport.searched * 100) if viewport.searching else None,
            part=self._part(),
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

    def _part(self) -> int | None:
        viewport = self.viewport
        if viewport is None or viewport.follow or not viewport.rows or not viewport.source.size:
            return None
        if viewport.at_end:
            return None if viewport.at_begin else 100
        return min(99, viewport.rows[-1].line.end * 100 // viewport.source.size)

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
