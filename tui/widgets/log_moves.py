"""LogMoves: the keys and the mouse that move, select, mark, and change how lines are shown."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tui.log_choices import choices_in
from tui.widgets.log_base import LogBase

if TYPE_CHECKING:
    from typing import Any

    from tui.log_work import LogWork
    from tui.widgets.log_view import LogView


class LogMoves(LogBase):
    """Moving about in a log."""

    def _moved(self) -> None:
        self._notice = ""
        self._tell()

    # -- moving -----------------------------------------------------------------------------

    def action_line(self, lines: int) -> None:
        """Go some lines up or down."""
        if self._selecting:
            self._send_amount("select-move", _select_move, lines)
        else:
            self._send_amount("move", _move, lines)
        self._moved()

    def action_page(self, direction: int) -> None:
        """Go a page up or down."""
        if self._selecting:
            self._send("select-page", lambda work: work.select_page(direction))
        else:
            self._send("page", lambda work: work.page_by(direction))
        self._moved()

    def action_half(self, direction: int) -> None:
        """Go half a page up or down."""
        if self._selecting:
            self._send("select-page", lambda work: work.select_half(direction))
        else:
            self._send("page", lambda work: work.half_by(direction))
        self._moved()

    def action_begin(self) -> None:
        """Go to the first line."""
        if self._selecting:
            self._send("select-edge", lambda work: work.select_edge(last=False))
        else:
            self._send("place", lambda work: work.begin())
        self._moved()

    def action_end(self) -> None:
        """Go to the end and follow."""
        if self._selecting:
            self._send("select-edge", lambda work: work.select_edge(last=True))
        else:
            self._send("place", lambda work: work.end())
        self._moved()

    def action_follow(self) -> None:
        """Follow, or stay here."""
        if self._selecting:
            self._send("select-none", lambda work: work.select_none())
        self._send("follow", lambda work: work.toggle_follow())
        self._moved()

    def action_shift(self, cells: int) -> None:
        """Scroll sideways."""
        self._view.shift(cells)
        self._tell()

    def action_side(self, direction: int) -> None:
        """Scroll sideways by half the screen."""
        self.action_shift(direction * max(1, self._view.text_width // 2))

    def action_edge(self, end: bool) -> None:
        """Scroll to where lines begin, or to where the longest on the screen ends."""
        self._view.to_edge(end=end)
        self._tell()

    def on_log_view_wheel(self, event: LogView.Wheel) -> None:
        """The wheel moves."""
        event.stop()
        self._send_amount("move", _move, event.rows)
        self._moved()

    def on_log_view_dragged(self, event: LogView.Dragged) -> None:
        """The scroll bar was taken to a place; its end follows."""
        event.stop()
        part = event.fraction
        if part >= 1:
            self._send("place", lambda work: work.end())
        else:
            self._send("place", lambda work: work.fraction(part))
        self._moved()

    # -- selecting --------------------------------------------------------------------------

    def action_select(self) -> None:
        """Begin to select lines, or end it."""
        if self._selecting:
            self._end_selection()
        else:
            self._selecting = True
            self._send("select-begin", lambda work: work.select_begin())
        self._moved()

    def _end_selection(self) -> None:
        self._selecting = False
        self._send("select-none", lambda work: work.select_none())

    def on_log_view_picked(self, event: LogView.Picked) -> None:
        """Lines were selected with the mouse."""
        event.stop()
        anchor, cursor = event.anchor, event.cursor
        self._send("select", lambda work: work.select(anchor, cursor))
        self._moved()

    def on_log_view_cleared(self) -> None:
        """A click ends the selection."""
        if self._selecting:
            self._end_selection()

    # -- bookmarks --------------------------------------------------------------------------

    def action_bookmark(self) -> None:
        """Set a bookmark, or take it away."""
        self._send("bookmark", lambda work: work.bookmark())

    def action_to_bookmark(self, direction: int) -> None:
        """Go to another bookmark."""
        self._notice = ""
        self._send("to-bookmark", lambda work: work.to_bookmark(direction))

    # -- how lines are shown ----------------------------------------------------------------

    def _change(self, **changes: Any) -> None:
        before, self.look = choices_in(self.look), (look := replace(self.look, **changes))
        self._send("look", lambda work: work.change(look))
        if (choices := choices_in(look)) != before:
            self._send("keep", lambda work: work.keep_choices(choices))
        self._notice = ""

    def action_wrap(self) -> None:
        """Wrap long lines, or not."""
        self._view.column = 0
        self._change(wrap=not self.look.wrap)

    def action_numbers(self) -> None:
        """Show line numbers, or not."""
        self._change(numbers=not self.look.numbers)

    def action_times(self) -> None:
        """Show when lines were written, another way each time."""
        self._change(times=self.look.times.following)
        self._say(f"times: {self.look.times.told}")


def _move(work: LogWork, rows: int) -> None:
    work.move(rows)


def _select_move(work: LogWork, lines: int) -> None:
    work.select_move(lines)
