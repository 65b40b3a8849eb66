"""LogWork: what users do with a log: move, select, mark, and take lines away.

Every method runs on the reader's thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tui.keys import shown_key_of
from tui.log_page import Selection
from tui.log_save import Copied, Outside, OutsideFile, gather
from tui.log_state import NO_TIMES, LogState
from tui.log_text import clock_near, went_round

if TYPE_CHECKING:
    from pathlib import Path

    from tui.log_save import Save
    from tui.log_text import Place
    from tui.log_views import View

_BUDGET = 8 << 20
"""Bytes counted at once where a line's number is asked for."""


class LogWork(LogState):
    """One pane's log, and what is done with it."""

    # -- moving -----------------------------------------------------------------------------

    def move(self, rows: int) -> None:
        """Go some rows up or down."""
        if self.viewport is not None:
            self.viewport.move(rows)

    def page_by(self, pages: int) -> None:
        """Go some pages up or down."""
        if self.viewport is not None:
            self.viewport.move(pages * max(1, self.viewport.height - 1))

    def half_by(self, pages: int) -> None:
        """Go some half pages up or down."""
        if self.viewport is not None:
            self.viewport.move(pages * max(1, self.viewport.height // 2))

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

    def _show_near(self, position: int) -> None:
        """Go to the line here, or the first one behind it that is shown."""
        if self.viewport is not None:
            self.viewport.show_line(position)
            at = (row.line.offset for row in self.viewport.rows)
            self.found = next((offset for offset in at if offset >= position), None)
            if self.found is None and self.viewport.rows:
                self.found = self.viewport.rows[-1].line.offset

    def goto(self, place: Place) -> None:
        """Go to a line number, a part, a time of day, or some time from here."""
        if self.viewport is None or self.view is None:
            return
        source = self.view.source
        if place.fraction is not None:
            self._show_near(source.position_near(place.fraction))
        elif place.line is not None:
            self._goto_line(place.line)
        else:
            here = source.time_at(self.current())
            if here is None:
                self.tell(NO_TIMES)
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
        self._show_near(numbered.offset_of(min(line, numbered.line_count - 1)))

    def goto_time(self, moment: float) -> None:
        """Go to the first line written at this time or later."""
        if self.view is None:
            return
        position = self.view.source.position_at(moment)
        if position is None:
            self.tell(NO_TIMES)
        else:
            self._show_near(position)

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
        if self.selection is None or self.viewport is None:
            return
        cursor = self.selection.cursor
        if lines > 0:
            found = self.viewport.after(cursor, lines + 1)
            cursor = found[-1].offset if found else cursor
        else:
            found = self.viewport.before(cursor, -lines)
            cursor = found[0].offset if found else cursor
        self._select_to(cursor)

    def select_page(self, pages: int) -> None:
        """Extend the selection by pages."""
        if self.viewport is not None:
            self.select_move(pages * max(1, self.viewport.height - 1))

    def select_half(self, pages: int) -> None:
        """Extend the selection by half pages."""
        if self.viewport is not None:
            self.select_move(pages * max(1, self.viewport.height // 2))

    def select_edge(self, last: bool) -> None:
        """Extend the selection to the begin or the end."""
        viewport = self.viewport
        if viewport is not None:
            size = viewport.source.size
            lines = viewport.before(size, 1) if last else viewport.after(0, 1)
            if lines:
                self._select_to(lines[0].offset)

    def _select_to(self, cursor: int) -> None:
        if self.selection is not None and self.viewport is not None:
            self.selection = Selection(self.selection.anchor, cursor)
            self.viewport.reveal(cursor)

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

    def bookmark(self) -> None:
        """Set a bookmark at the current line, or take it away."""
        if self.view is None or self.viewport is None or not self.viewport.rows:
            return
        origin = self.view.source.origin(self.current())
        if origin is not None and (told := self.marks.toggle(origin.path, origin.offset)):
            self.tell(told)

    def to_bookmark(self, direction: int) -> None:
        """Go to the next bookmark, or the one before, round the end."""
        view = self.view
        if view is None:
            return
        marks = self._bookmarks(view)
        if not marks:
            told = f" yet: {shown_key_of('log.bookmark')} sets one"
            if self.marks.marked():
                told = f", but in other logs: {shown_key_of('log.merged')} shows all ranks"
            self.tell(f"no bookmarks here{told}")
            return
        origin = view.source.origin(self.current())
        here = marks[0] if origin is None else _place(view, origin.path, origin.rank, origin.offset)
        onward = [mark for mark in marks if (mark > here if direction > 0 else mark < here)]
        chosen = (onward or marks)[0 if direction > 0 else -1]
        position: int | None = chosen.offset
        if view.merged is not None:
            position = view.merged.position_of(chosen.rank, chosen.offset)
        if position is None:
            self.tell("the line that is marked has not come yet")
            return
        self._show_near(position)
        if not onward and marks != [here]:
            self.tell(went_round(backward=direction < 0))

    def _bookmarks(self, view: View) -> list[Marked]:
        """All that are set in the view, in its order."""
        if view.file is not None:
            path = view.file.file.path
            return sorted(_place(view, path, -1, offset) for offset in self.marks.of(path))
        marked = [path for path in self.marks.marked() if path in view.paths]
        logs = () if view.merged is None or not marked else view.merged.files.logs
        return sorted(
            _place(view, log.path, log.rank, offset)
            for log in logs
            if log.path in marked
            for offset in self.marks.of(log.path)
        )


class Marked(NamedTuple):
    """The place of a line among those of several logs."""

    time: float
    rank: int
    offset: int


def _place(view: View, path: Path, rank: int, offset: int) -> Marked:
    if view.merged is None:
        return Marked(0.0, -1, offset)
    files = view.merged.files
    index = next(number for number, log in enumerate(files.logs) if log.path == path)
    return Marked(files.time_at(index, offset), rank, offset)
