"""RankGrid: every rank of a run as one glyph, grouped by node; one Line-API widget for any number.

The glyph says the state, colour only repeats it. A node that cannot be heard has a `!` before its
ranks, and its age where there is room. A new tuple of ranks repaints only the rows in which
something has changed, and nothing at all when nothing has.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from rankdeck.run.node_state import RankState
from rankdeck.text import age
from tui.keys import Scope, bindings
from tui.widgets.rank_layout import Piece, build_layout, short_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.style import Style
    from textual import events

    from rankdeck.run.view import RankView

GLYPHS: dict[RankState, str] = {
    RankState.PENDING: "·",
    RankState.SPAWNED: "◌",
    RankState.RENDEZVOUS: "◔",
    RankState.OUTPUT: "◐",
    RankState.STEPPING: "■",
    RankState.EXITED: "✔",
    RankState.FAILED: "✖",
    RankState.KILLED: "▫",
    RankState.LOST: "?",
}
"""One glyph for each state, one cell wide; each is told from the others without colour."""


class RankGrid(ScrollView, can_focus=True):
    """The ranks of a run, with a cursor that stays on its rank."""

    DEFAULT_CSS = """
    RankGrid { overflow-x: hidden; scrollbar-size-vertical: 1; height: 1fr; }
    RankGrid > .rank-grid--summary { text-style: bold; }
    RankGrid > .rank-grid--node { color: $text-muted; }
    RankGrid > .rank-grid--silent { color: $warning; text-style: bold; }
    RankGrid > .rank-grid--cursor { text-style: reverse; }
    RankGrid:focus > .rank-grid--cursor { text-style: bold reverse; }
    RankGrid > .rank-grid--pending { color: $text-muted; }
    RankGrid > .rank-grid--spawned { color: $text-muted; }
    RankGrid > .rank-grid--rendezvous { color: $accent; }
    RankGrid > .rank-grid--output { color: $primary; }
    RankGrid > .rank-grid--stepping { color: $success; }
    RankGrid > .rank-grid--exited { color: $success; text-style: dim; }
    RankGrid > .rank-grid--failed { color: $error; text-style: bold; }
    RankGrid > .rank-grid--killed { color: $text-muted; }
    RankGrid > .rank-grid--lost { color: $warning; text-style: bold; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "rank-grid--summary",
        "rank-grid--node",
        "rank-grid--silent",
        "rank-grid--cursor",
        *(f"rank-grid--{state.value}" for state in RankState),
    }
    BINDING_GROUP_TITLE = "Ranks"
    BINDINGS = bindings(Scope.RANKS)

    selected: reactive[int] = reactive(0, repaint=False)
    """The rank under the cursor."""

    @dataclass
    class Selected(Message):
        """The cursor has come to another rank."""

        rank: int

    @dataclass
    class Opened(Message):
        """The rank under the cursor is to be opened."""

        rank: int

    def __init__(
        self,
        *,
        name: str | None = None,
        id: str | None = None,  # noqa: A002 - the library's own name for it
        classes: str | None = None,
    ) -> None:
        """Begin without ranks; `show` gives them."""
        super().__init__(name=name, id=id, classes=classes)
        self._ranks: tuple[RankView, ...] = ()
        self._states: list[RankState] = []
        self._indexes: dict[int, int] = {}
        self._groups: list[tuple[str, int]] = []
        self._layout = build_layout((), 80, 1)
        self._counts: tuple[tuple[RankState, int], ...] = ()
        self._silent: dict[int, str] = {}
        """By the first rank's index of each node that cannot be heard: for how long."""

    @property
    def summary(self) -> str:
        """How many ranks are in which state: `6 stepping · 1 failed`."""
        told = (f"{count:,} {state.value}" for state, count in self._counts)
        return " · ".join(told) or "no ranks yet"

    def show(
        self,
        ranks: tuple[RankView, ...],
        silent: Mapping[str, float] | None = None,
        now: float = 0.0,
    ) -> None:
        """Show these ranks, in the order of their numbers; only what has changed is repainted.

        Args:
            ranks: The ranks.
            silent: The nodes that cannot be heard, and since when.
            now: What the age of a silence counts to.
        """
        self._show_ranks(ranks)
        self._show_silence(silent or {}, now)

    def _show_silence(self, silent: Mapping[str, float], now: float) -> None:
        if not silent and not self._silent:
            return
        old, self._silent = self._silent, {}
        first = 0
        for name, count in self._groups:
            if name in silent:
                self._silent[first] = age(now - silent[name])
            first += count
        for index in old.keys() | self._silent.keys():
            if old.get(index) != self._silent.get(index) and index < len(self._layout.row_of):
                self._refresh_row(self._layout.row_of[index])
        if old != self._silent:
            self.refresh(Region(0, 0, self.size.width, 1))

    def _show_ranks(self, ranks: tuple[RankView, ...]) -> None:
        if ranks is self._ranks:
            return
        states = [rank.state for rank in ranks]
        numbers = [rank.rank for rank in ranks]
        nodes = [(name, len(list(group))) for name, group in groupby(rank.node for rank in ranks)]
        regrouped = nodes != self._groups or numbers != list(self._indexes)
        old, self._ranks, self._states = self._states, ranks, states
        if regrouped:
            self._groups = nodes
            self._indexes = {number: index for index, number in enumerate(numbers)}
            self._rebuild()
            if numbers and self.selected not in self._indexes:
                self.selected = min(numbers, key=lambda number: abs(number - self.selected))
        elif states != old:
            changed = {
                self._layout.row_of[index]
                for index, (state, before) in enumerate(zip(states, old, strict=True))
                if state is not before
            }
            for row in changed:
                self._refresh_row(row)
        if regrouped or states != old:
            self._summarise()

    def _summarise(self) -> None:
        counts = Counter(self._states)
        told = tuple((state, counts[state]) for state in GLYPHS if counts[state])
        if told != self._counts:
            self._counts = told
            self.refresh(Region(0, 0, self.size.width, 1))

    def _rebuild(self) -> None:
        size = self.scrollable_content_region.size
        height = max(1, size.height - 1)
        shown = [(short_name(name), count) for name, count in self._groups]
        self._layout = build_layout(shown, max(8, size.width), height)
        needed = Size(size.width, len(self._layout.rows) + 1)
        if needed != self.virtual_size:
            self.virtual_size = needed
        self.refresh()
        self._reveal()

    def on_resize(self) -> None:
        """Place the nodes anew."""
        self._rebuild()

    def _refresh_row(self, row: int) -> None:
        y = row + 1 - self.scroll_offset.y
        if 1 <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    def watch_selected(self, old: int, new: int) -> None:
        """Move the cursor on the screen and tell."""
        for number in (old, new):
            if (index := self._indexes.get(number)) is not None:
                self._refresh_row(self._layout.row_of[index])
        self._reveal()
        if new in self._indexes:
            self.post_message(self.Selected(new))

    def _reveal(self) -> None:
        """Scroll so that the cursor is seen."""
        index = self._indexes.get(self.selected)
        visible = self.scrollable_content_region.height - 1
        if index is None or visible < 1:
            return
        row = self._layout.row_of[index]
        top = self.scroll_offset.y
        if row < top:
            self.scroll_to(y=row, animate=False)
        elif row >= top + visible:
            self.scroll_to(y=row - visible + 1, animate=False)

    def render_line(self, y: int) -> Strip:
        """One line of the screen: the summary, or a row of ranks."""
        width = self.size.width
        base = self.rich_style
        if y == 0:
            return self._summary_line(width).crop_extend(0, width, base)
        row = y - 1 + self.scroll_offset.y
        if not 0 <= row < len(self._layout.rows):
            return Strip.blank(width, base)
        segments: list[Segment] = []
        x = 0
        for piece in self._layout.rows[row]:
            segments.append(Segment(" " * (piece.x - x), base))
            x = self._piece(piece, base, segments)
        if len(self._layout.rows[row]) == 1 and (told := self._silent.get(piece.first)):
            room = width - x
            text = next((t for t in (f" silent {told}", f" {told}") if len(t) <= room), "")
            segments.append(Segment(text, self.get_component_rich_style("rank-grid--silent")))
        return Strip(segments).crop_extend(0, width, base)

    def _piece(self, piece: Piece, base: Style, segments: list[Segment]) -> int:
        """Add one node's part of a row; the column behind it."""
        silent = piece.first in self._silent
        look = "rank-grid--silent" if silent else "rank-grid--node"
        gap = piece.cells_x - piece.x - cell_len(piece.label)
        mark = "!" if silent else " "
        label = piece.label + " " * (gap - 1) + mark
        segments.append(Segment(label, self.get_component_rich_style(look)))
        segments.extend(self._cells(piece, base))
        return piece.cells_x + piece.count * self._layout.step

    def _summary_line(self, width: int) -> Strip:
        """The counts, which are the key to the glyphs too; without the words if they do not fit."""
        style = self.get_component_rich_style("rank-grid--summary")
        if not self._counts:
            return Strip([Segment(self.summary, style)])
        texts = [f"{GLYPHS[state]} {count:,} {state.value}  " for state, count in self._counts]
        count = len(self._silent)
        silent = f"! {count} node{'s' if count > 1 else ''} silent" if count else ""
        if sum(map(len, texts)) - 2 + len(silent) > width:
            texts = [f"{GLYPHS[state]}{count} " for state, count in self._counts]
        looks = [f"rank-grid--{state.value}" for state, _ in self._counts]
        if silent:
            texts.append(silent)
            looks.append("rank-grid--silent")
        return Strip(
            Segment(text, style + self.get_component_rich_style(look))
            for text, look in zip(texts, looks, strict=True)
        )

    def _cells(self, piece: Piece, base: Style) -> list[Segment]:
        cursor = self._indexes.get(self.selected, -1)
        space = " " * (self._layout.step - 1)
        segments: list[Segment] = []
        index, stop = piece.first, piece.first + piece.count
        while index < stop:
            state = self._states[index]
            style = self.get_component_rich_style(f"rank-grid--{state.value}")
            if index == cursor:
                under = style + self.get_component_rich_style("rank-grid--cursor", partial=True)
                segments.append(Segment(GLYPHS[state], under))
                segments.append(Segment(space, base))
                index += 1
                continue
            run = index + 1
            while run < stop and run != cursor and self._states[run] is state:
                run += 1
            segments.append(Segment((GLYPHS[state] + space) * (run - index), style))
            index = run
        return segments

    def _select(self, index: int) -> None:
        if self._ranks:
            self.selected = self._ranks[min(max(0, index), len(self._ranks) - 1)].rank

    def action_move(self, along: int, rows: int) -> None:
        """Move the cursor by ranks or by rows."""
        index = self._indexes.get(self.selected)
        if index is None:
            return
        if along:
            self._select(index + along)
            return
        row = self._layout.row_of[index] + rows
        row = min(max(0, row), len(self._layout.rows) - 1)
        self._select(self._layout.nearest(row, self._layout.x_of(index)))

    def action_page(self, direction: int) -> None:
        """Move the cursor by a screenful of rows."""
        self.action_move(0, direction * max(1, self.scrollable_content_region.height - 2))

    def action_edge(self, direction: int) -> None:
        """Move the cursor to the first or the last rank."""
        self._select(0 if direction < 0 else len(self._ranks) - 1)

    def action_open(self) -> None:
        """Ask for the log of the rank under the cursor."""
        if self.selected in self._indexes:
            self.post_message(self.Opened(self.selected))

    def on_click(self, event: events.Click) -> None:
        """Select what was clicked; open it on a double click."""
        offset = event.get_content_offset(self)
        if offset is None or offset.y < 1:
            return
        index = self._layout.hit(offset.y - 1 + self.scroll_offset.y, offset.x)
        if index is not None:
            self._select(index)
            if event.chain == 2:
                self.action_open()
