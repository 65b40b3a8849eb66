"""The runs as a table: one widget that draws only the rows that are seen.

A function of the summaries and the clock; repaints a row only when its text has changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from rankdeck.text import age, duration, state_text
from tui.keys import Scope, bindings
from tui.looks import Line, Piece, fit, safe, segments, sparkline, state_piece

if TYPE_CHECKING:
    from textual import events

    from rankdeck.run.summary import RunSummary

_WIDE = 100


class RunTable(ScrollView, can_focus=True):
    """A live table of runs, newest first."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"run-table--head", "run-table--cursor"}
    DEFAULT_CSS = """
    RunTable { height: 1fr; scrollbar-size-horizontal: 0; overflow-x: hidden; }
    RunTable > .run-table--head { color: $text-muted; text-style: bold; }
    RunTable > .run-table--cursor { background: $primary; color: $text; text-style: bold; }
    """
    BINDINGS = bindings(Scope.TABLE)

    cursor: reactive[int] = reactive(0, repaint=False)

    class Moved(Message):
        """The cursor is on another run."""

    class Opened(Message):
        """The user wants to see the run under the cursor."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._runs: tuple[RunSummary, ...] = ()
        self._now = 0.0
        self._drawn: dict[int, Line] = {}

    @property
    def selected(self) -> RunSummary | None:
        """The run under the cursor."""
        return self._runs[self.cursor] if self._runs else None

    @property
    def shown_runs(self) -> tuple[RunSummary, ...]:
        """The runs in the table."""
        return self._runs

    def show(self, runs: tuple[RunSummary, ...], now: float) -> None:
        """Show these runs; the cursor stays on its run."""
        selected = self.selected
        self._runs = runs
        self.virtual_size = Size(self.size.width, len(runs) + 1)
        self.cursor = self._position(selected, runs)
        self.tick(now)

    def tick(self, now: float) -> None:
        """Let the clocks in the table go on; only rows that look different are drawn."""
        self._now = now
        for y in range(self.size.height):
            if self._line(y) != self._drawn.get(y):
                self.refresh(Region(0, y, self.size.width, 1))

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor on a row."""
        return max(0, min(cursor, len(self._runs) - 1))

    def watch_cursor(self) -> None:
        """Keep the cursor's row in sight."""
        top, page = self.scroll_offset.y, max(1, self.size.height - 1)
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False)
        elif self.cursor >= top + page:
            self.scroll_to(y=self.cursor - page + 1, animate=False)
        self.refresh()
        self.post_message(self.Moved())

    def action_cursor(self, step: int) -> None:
        """Move the cursor by `step` rows."""
        self.cursor += step

    def action_page(self, step: int) -> None:
        """Move the cursor by a page."""
        self.cursor += step * max(1, self.size.height - 2)

    def action_edge(self, side: int) -> None:
        """Move the cursor to the first (-1) or last row."""
        self.cursor = 0 if side < 0 else len(self._runs) - 1

    def on_click(self, event: events.Click) -> None:
        """Select a row; a second click opens it."""
        row = event.y - 1 + self.scroll_offset.y
        if event.y > 0 and row < len(self._runs):
            if event.chain > 1 and row == self.cursor:
                self.post_message(self.Opened())
            self.cursor = row

    def on_resize(self) -> None:
        """Draw everything anew."""
        self.virtual_size = Size(self.size.width, len(self._runs) + 1)
        self._drawn.clear()

    def render_line(self, y: int) -> Strip:
        """One row of the screen."""
        width = self.size.width
        line = self._line(y)
        self._drawn[y] = line
        style = self.rich_style
        if y == 0:
            style = self.get_component_rich_style("run-table--head")
        elif self._runs and y - 1 + self.scroll_offset.y == self.cursor:
            style = self.get_component_rich_style("run-table--cursor")
            # colours of states do not show on the cursor's; the mark and the word remain
            line = tuple((text, "") for text, _ in line)
        strip = Strip(segments(line, style))
        return strip.extend_cell_length(width, style).crop(0, width)

    def _position(self, selected: RunSummary | None, runs: tuple[RunSummary, ...]) -> int:
        if selected is None or self.cursor == 0:
            return self.cursor if selected is None else _index(runs, selected.id, 0)
        return _index(runs, selected.id, self.cursor)

    def _line(self, y: int) -> Line:
        width = self.size.width
        if y == 0:
            return _row(_HEAD, width)
        row = y - 1 + self.scroll_offset.y
        if row >= len(self._runs):
            return ()
        return _row(_cells(self._runs[row], self._now, _curve_width(width)), width)


def _index(runs: tuple[RunSummary, ...], run_id: str, otherwise: int) -> int:
    return next((i for i, run in enumerate(runs) if run.id == run_id), otherwise)


_HEAD: dict[str, Piece] = {
    name: (name.upper(), "")
    for name in ("state", "name", "backend", "nodes", "ranks", "step", "loss", "elapsed", "age")
}
_RIGHT = frozenset({"nodes", "ranks", "elapsed", "age"})


def _curve_width(width: int) -> int:
    return 8 if width < _WIDE else 16


def _widths(width: int) -> dict[str, int]:
    """Cells for each column that is shown at this width, in order."""
    fixed = {"state": 11, "name": 0, "backend": 8, "nodes": 5, "ranks": 5, "step": 15}
    fixed |= {"loss": 0, "elapsed": 9, "age": 4}
    if width < _WIDE:
        fixed["step"] = 14
        fixed["elapsed"] = 7
        del fixed["backend"], fixed["nodes"]
    left = width - 1 - sum(fixed.values()) - len(fixed)
    fixed["name"] = max(8, min(36, left * 2 // 5))
    fixed["loss"] = max(6, left - fixed["name"])
    return fixed


def _row(cells: dict[str, Piece], width: int) -> Line:
    pieces: list[Piece] = [(" ", "")]
    for name, room in _widths(width).items():
        text, style = cells[name]
        pieces += [(fit(text, room, right=name in _RIGHT), style), (" ", "")]
    return tuple(pieces)


def _cells(run: RunSummary, now: float, curve: int) -> dict[str, Piece]:
    ended = run.ended if run.state.final else None
    elapsed = None if run.started is None else (ended or now) - run.started
    return {
        "state": state_piece(run.state),
        "name": (safe(run.name), "bold"),
        "backend": (safe(run.backend), ""),
        "nodes": (str(run.nnodes), ""),
        "ranks": (str(run.world_size), ""),
        "step": (_step(run), ""),
        "loss": _loss(run, curve, now),
        "elapsed": (duration(elapsed), ""),
        "age": (age(now - run.created), "dim"),
    }


def _step(run: RunSummary) -> str:
    if run.step is None:
        return "–"
    if not run.total_steps:
        return str(run.step)
    return f"{run.step}/{run.total_steps} {100 * run.step // run.total_steps:3}%"


def _loss(run: RunSummary, curve: int, now: float) -> Piece:
    if run.failure_summary:
        return (safe(run.failure_summary), "error")
    if not run.state.final and run.reason:
        return (state_text(run, now), "dim")
    if run.loss is None:
        return (safe(run.reason) or "–", "dim")
    return (f"{run.loss:.4g} {sparkline(run.loss_curve, curve)}", "")
