"""RankGrid: every rank of a run as one glyph, grouped by node; one Line-API widget for any number.

What the glyph tells is the mode's matter (`rank_modes`); colour only repeats it. Where the ranks
are too many for the place, one glyph stands for a node: that of its most urgent rank. A node that
cannot be heard has a `!` before its ranks. Only rows in which something has changed are repainted.
"""

from __future__ import annotations

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
from tui.widgets.rank_head import HeadLine, head_lines
from tui.widgets.rank_layout import Piece, build_folded, build_layout, short_name, shorten
from tui.widgets.rank_modes import GLYPHS, Mode, find_rank, in_trouble, read_ranks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.style import Style
    from textual import events

    from rankdeck.run.view import RankView

__all__ = ["GLYPHS", "Mode", "RankGrid"]

_HEAD_LINES = 3
_MANY_ROWS = 1 << 30
_FOLD_PAGES = 3
"""So many pages of ranks are too many to be seen one by one."""


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

    @dataclass
    class FindAsked(Message):
        """The user wants to type what to look for."""

        last: str

    class Rearranged(Message):
        """Another mode, or another number of rows."""

    def __init__(
        self,
        *,
        name: str | None = None,
        id: str | None = None,  # noqa: A002 - the library's own name for it
        classes: str | None = None,
    ) -> None:
        """Begin without ranks; `show` gives them."""
        super().__init__(name=name, id=id, classes=classes)
        self.mode = Mode.STATE
        self.wanted = ""
        """What was looked for last."""
        self._ranks: tuple[RankView, ...] = ()
        self._now = 0.0
        self._reading = read_ranks(self.mode, (), 0.0)
        self._cells: tuple[int, ...] = ()
        """The level of every cell: of every rank, or of every node where they are folded."""
        self._indexes: dict[int, int] = {}
        self._groups: list[tuple[str, int]] = []
        self._node_of: list[int] = []
        self._firsts: list[int] = []
        self._fold: bool | None = None
        """What the user wants; None: as it fits."""
        self._folded = False
        self._loose_rows = 1
        self._layout = build_layout((), 80, 1)
        self._head: tuple[HeadLine, ...] = head_lines((), 0, 80, 1)
        self._silent: dict[int, str] = {}
        """By the number of each node that cannot be heard: for how long."""

    # -- what it shows ----------------------------------------------------------------------

    @property
    def summary(self) -> str:
        """How many ranks are on which level: `6 stepping · 1 failed`."""
        told = (f"{count:,} {level.word}" for level, count in self._reading.counts())
        return " · ".join(told) or "no ranks yet"

    @property
    def folded(self) -> bool:
        """Whether one glyph stands for a node."""
        return self._folded

    @property
    def rows_needed(self) -> int:
        """Rows in which every node has one of its own, the head included."""
        return self._loose_rows + len(self._head)

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
            now: What ages count to.
        """
        self._show_silence(silent or {}, now, ranks)
        if ranks is self._ranks and (self.mode is not Mode.SILENCE or now == self._now):
            return
        self._now = now
        if ranks is not self._ranks:
            self._regroup(ranks)
        self._read()

    def _regroup(self, ranks: tuple[RankView, ...]) -> None:
        numbers = [rank.rank for rank in ranks]
        nodes = [(name, len(list(group))) for name, group in groupby(rank.node for rank in ranks)]
        old, self._ranks = self._ranks, ranks
        if nodes == self._groups and len(old) == len(ranks) and numbers == list(self._indexes):
            return
        self._groups = nodes
        self._indexes = {number: index for index, number in enumerate(numbers)}
        self._node_of = [number for number, (_, count) in enumerate(nodes) for _ in range(count)]
        self._firsts = []
        first = 0
        for _, count in nodes:
            self._firsts.append(first)
            first += count
        self._reading = read_ranks(self.mode, ranks, self._now)
        self._rebuild()
        if numbers and self.selected not in self._indexes:
            self.selected = min(numbers, key=lambda number: abs(number - self.selected))

    def _show_silence(
        self, silent: Mapping[str, float], now: float, ranks: tuple[RankView, ...]
    ) -> None:
        if not silent and not self._silent:
            return
        if ranks is not self._ranks:
            self._regroup(ranks)
        old = self._silent
        self._silent = {
            number: age(now - silent[name])
            for number, (name, _) in enumerate(self._groups)
            if name in silent
        }
        for number in old.keys() | self._silent.keys():
            if old.get(number) != self._silent.get(number) and number < len(self._firsts):
                self._refresh_row(self._row_of(self._firsts[number]))
        if len(old) != len(self._silent):
            self._summarise()

    def _read(self) -> None:
        """Work out every cell anew and repaint the rows in which one differs."""
        self._reading = read_ranks(self.mode, self._ranks, self._now)
        old, self._cells = self._cells, self._fold_cells()
        if len(old) != len(self._cells):
            self.refresh()
        elif old != self._cells:
            rows = {
                self._layout.row_of[index]
                for index, (new, before) in enumerate(zip(self._cells, old, strict=True))
                if new != before
            }
            for row in rows:
                self._refresh_row(row)
        self._summarise()

    def _fold_cells(self) -> tuple[int, ...]:
        reading = self._reading
        if not self._folded:
            return reading.levels
        urgency = [level.urgency for level in reading.scale]
        cells = []
        for first, (_, count) in zip(self._firsts, self._groups, strict=True):
            cells.append(max(reading.levels[first : first + count], key=urgency.__getitem__))
        return tuple(cells)

    def _summarise(self) -> None:
        width, height = self.scrollable_content_region.size
        most = _HEAD_LINES if height >= 3 * _HEAD_LINES else 1
        head = head_lines(self._reading.counts(), len(self._silent), width, most)
        if head == self._head:
            return
        grown = len(head) != len(self._head)
        self._head = head
        if grown:
            self._rebuild()
        self.refresh(Region(0, 0, self.size.width, len(head)))

    def _rebuild(self) -> None:
        """Place every cell anew."""
        size = self.scrollable_content_region.size
        width, height = max(8, size.width), max(1, size.height - len(self._head))
        names = [short_name(name) for name, _ in self._groups]
        counts = [count for _, count in self._groups]
        shown = list(zip(names, counts, strict=True))
        layout = build_layout(shown, width, _MANY_ROWS)
        self._loose_rows = len(layout.rows)
        if len(layout.rows) > height:
            layout = build_layout(shown, width, height)
        if len(layout.rows) > height:
            shown = list(zip(shorten(names), counts, strict=True))
            layout = build_layout(shown, width, height)
        many = len(layout.rows) > _FOLD_PAGES * height and len(self._groups) > 1
        self._folded = many if self._fold is None else self._fold
        if self._folded:
            layout = build_folded(shown, width)
        self._layout = layout
        self._cells = self._fold_cells()
        needed = Size(size.width, len(layout.rows) + len(self._head))
        if needed != self.virtual_size:
            self.virtual_size = needed
            self.post_message(self.Rearranged())
        self.refresh()
        self._reveal()

    def on_resize(self) -> None:
        """Place the nodes anew."""
        self._head = ()
        self._summarise()

    def _cell_of(self, index: int) -> int:
        return self._node_of[index] if self._folded else index

    def _row_of(self, index: int) -> int:
        return self._layout.row_of[self._cell_of(index)]

    def _refresh_row(self, row: int) -> None:
        y = row + len(self._head) - self.scroll_offset.y
        if len(self._head) <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    def watch_selected(self, old: int, new: int) -> None:
        """Move the cursor on the screen and tell."""
        for number in (old, new):
            if (index := self._indexes.get(number)) is not None:
                self._refresh_row(self._row_of(index))
        self._reveal()
        if new in self._indexes:
            self.post_message(self.Selected(new))

    def _reveal(self) -> None:
        """Scroll so that the cursor is seen."""
        index = self._indexes.get(self.selected)
        visible = self.scrollable_content_region.height - len(self._head)
        if index is None or visible < 1:
            return
        row = self._row_of(index)
        top = self.scroll_offset.y
        if row < top:
            self.scroll_to(y=row, animate=False)
        elif row >= top + visible:
            self.scroll_to(y=row - visible + 1, animate=False)

    # -- drawing ----------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """One line of the screen: the head, or a row of ranks."""
        width = self.size.width
        base = self.rich_style
        if y < len(self._head):
            return self._head_line(self._head[y]).crop_extend(0, width, base)
        row = y - len(self._head) + self.scroll_offset.y
        if not 0 <= row < len(self._layout.rows):
            return Strip.blank(width, base)
        segments: list[Segment] = []
        x = 0
        pieces = self._layout.rows[row]
        for piece in pieces:
            segments.append(Segment(" " * (piece.x - x), base))
            x = self._piece(piece, base, segments)
        if len(pieces) == 1 and not self._folded:
            told = self._silent.get(self._node_of[piece.first])
            if told and piece.label:
                room = width - x
                text = next((t for t in (f" silent {told}", f" {told}") if len(t) <= room), "")
                segments.append(Segment(text, self.get_component_rich_style("rank-grid--silent")))
        return Strip(segments).crop_extend(0, width, base)

    def _piece(self, piece: Piece, base: Style, segments: list[Segment]) -> int:
        """Add one node's part of a row; the column behind it."""
        silent = not self._folded and self._node_of[piece.first] in self._silent
        look = "rank-grid--silent" if silent else "rank-grid--node"
        gap = piece.cells_x - piece.x - cell_len(piece.label)
        mark = "!" if silent and piece.label else " "
        label = piece.label + " " * (gap - 1) + mark
        segments.append(Segment(label, self.get_component_rich_style(look)))
        segments.extend(self._glyphs(piece, base))
        return piece.cells_x + piece.count * self._layout.step

    def _head_line(self, line: HeadLine) -> Strip:
        style = self.get_component_rich_style("rank-grid--summary")
        return Strip(
            Segment(text, style + self.get_component_rich_style(f"rank-grid--{look}"))
            for text, look in line
        )

    def _glyphs(self, piece: Piece, base: Style) -> list[Segment]:
        at = self._indexes.get(self.selected, -1)
        cursor = self._cell_of(at) if at >= 0 else -1
        space = " " * (self._layout.step - 1)
        scale = self._reading.scale
        segments: list[Segment] = []
        cell, stop = piece.first, piece.first + piece.count
        while cell < stop:
            level, silent = self._cells[cell], self._is_silent(cell)
            look = scale[level].look
            glyph = "!" if silent else scale[level].glyph
            style = self.get_component_rich_style(f"rank-grid--{'silent' if silent else look}")
            if cell == cursor:
                under = style + self.get_component_rich_style("rank-grid--cursor", partial=True)
                segments.append(Segment(glyph, under))
                segments.append(Segment(space, base))
                cell += 1
                continue
            run = cell + 1
            while (
                run < stop
                and run != cursor
                and self._cells[run] == level
                and self._is_silent(run) == silent
            ):
                run += 1
            segments.append(Segment((glyph + space) * (run - cell), style))
            cell = run
        return segments

    def _is_silent(self, cell: int) -> bool:
        """Whether the cell stands for a whole node that cannot be heard."""
        return self._folded and cell in self._silent

    # -- keys -------------------------------------------------------------------------------

    def _select(self, index: int) -> None:
        if self._ranks:
            self.selected = self._ranks[min(max(0, index), len(self._ranks) - 1)].rank

    def _select_cell(self, cell: int) -> None:
        """Select a rank, or the most urgent one of a node."""
        cell = min(max(0, cell), len(self._cells) - 1)
        if not self._folded:
            self._select(cell)
            return
        first, count = self._firsts[cell], self._groups[cell][1]
        scale, levels = self._reading.scale, self._reading.levels
        self._select(max(range(first, first + count), key=lambda i: scale[levels[i]].urgency))

    def select_node(self, node: str) -> bool:
        """Put the cursor on a node's first rank; whether there is such a node."""
        for first, (name, _) in zip(self._firsts, self._groups, strict=True):
            if name == node:
                self._select(first)
                return True
        return False

    def find(self, text: str, *, backward: bool = False) -> bool:
        """Put the cursor on the next rank that the text means; whether there is one."""
        self.wanted = text
        start = self._indexes.get(self.selected, 0)
        silent = frozenset(self._groups[number][0] for number in self._silent)
        index = find_rank(text, self._ranks, silent, start, backward=backward)
        if index is not None:
            self._select(index)
        return index is not None

    def action_find(self) -> None:
        """Ask which rank to look for."""
        self.post_message(self.FindAsked(self.wanted))

    def action_found(self, backward: bool) -> None:
        """Go to the next rank that was looked for."""
        if not self.wanted:
            self.action_find()
        elif not self.find(self.wanted, backward=backward):
            self.app.bell()

    def action_trouble(self, backward: bool) -> None:
        """Go to the next rank that is in trouble."""
        start, count = self._indexes.get(self.selected, 0), len(self._ranks)
        step = -1 if backward else 1
        for distance in range(1, count + 1):
            index = (start + step * distance) % count
            silent = self._node_of[index] in self._silent
            if in_trouble(self._reading, index, self._ranks[index], silent):
                self._select(index)
                return
        self.notify("no rank is in trouble", markup=False, timeout=3)

    def action_mode(self) -> None:
        """Let the glyphs tell something else."""
        modes = tuple(Mode)
        self.mode = modes[(modes.index(self.mode) + 1) % len(modes)]
        self._read()
        self.refresh()
        self.post_message(self.Rearranged())

    def action_fold(self) -> None:
        """One glyph for each node, or one for each rank."""
        self._fold = not self._folded
        self._rebuild()

    def action_move(self, along: int, rows: int) -> None:
        """Move the cursor by cells or by rows."""
        index = self._indexes.get(self.selected)
        if index is None:
            return
        cell = self._cell_of(index)
        if along:
            self._select_cell(cell + along)
            return
        row = self._layout.row_of[cell] + rows
        row = min(max(0, row), len(self._layout.rows) - 1)
        self._select_cell(self._layout.nearest(row, self._layout.x_of(cell)))

    def action_page(self, direction: int) -> None:
        """Move the cursor by a screenful of rows."""
        page = self.scrollable_content_region.height - len(self._head) - 1
        self.action_move(0, direction * max(1, page))

    def action_edge(self, direction: int) -> None:
        """Move the cursor to the first or the last rank."""
        self._select_cell(0 if direction < 0 else len(self._cells) - 1)

    def action_open(self) -> None:
        """Ask for the log of the rank under the cursor."""
        if self.selected in self._indexes:
            self.post_message(self.Opened(self.selected))

    def on_click(self, event: events.Click) -> None:
        """Select what was clicked; open it on a double click."""
        offset = event.get_content_offset(self)
        if offset is None or offset.y < len(self._head):
            return
        row = offset.y - len(self._head) + self.scroll_offset.y
        cell = self._layout.hit(row, offset.x)
        if cell is not None:
            self._select_cell(cell)
            if event.chain == 2:
                self.action_open()
