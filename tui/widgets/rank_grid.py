"""RankGrid: every rank of a run as one glyph, grouped by node; one Line-API widget for any number.

What the glyph tells is the mode's matter (`rank_modes`); colour only repeats it. Where the ranks
are too many for the place, one glyph stands for a node: that of its most urgent rank. A node that
cannot be heard has a `!` before its ranks. Only rows in which something has changed are repainted.
"""

from __future__ import annotations

from dataclasses import dataclass
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
from tui.widgets.rank_cells import RankCells
from tui.widgets.rank_head import HeadLine, head_lines
from tui.widgets.rank_layout import Piece, choose_layout, rows_wanted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.style import Style
    from textual import events

    from rankdeck.run.view import RankView
    from tui.widgets.rank_modes import Mode

_HEAD_LINES = 3


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

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - the library's own name
        """Begin without ranks; `show` gives them."""
        super().__init__(id=id)
        self.wanted = ""
        """What was looked for last."""
        self._cells = RankCells()
        self._now = 0.0
        self._fold: bool | None = None
        """What the user wants; None: as it fits."""
        self._layout = choose_layout((), 80, 1, None).layout
        self._rows_wanted = 1
        self._head: tuple[HeadLine, ...] = head_lines((), 0, 80, 1)
        self._silent: dict[int, str] = {}
        """By the number of each node that cannot be heard: for how long."""

    # -- what it shows ----------------------------------------------------------------------

    @property
    def mode(self) -> Mode:
        """What the glyphs tell."""
        return self._cells.mode

    @property
    def folded(self) -> bool:
        """Whether one glyph stands for a node."""
        return self._cells.folded

    def suspect(self, ranks: frozenset[int]) -> None:
        """Let those who look for trouble stop at these ranks, too."""
        self._cells.suspects = ranks

    @property
    def summary(self) -> str:
        """How many ranks are on which level: `6 stepping · 1 failed`."""
        told = (f"{count:,} {level.word}" for level, count in self._cells.reading.counts())
        return " · ".join(told) or "no ranks yet"

    @property
    def rows_needed(self) -> int:
        """Rows that show everything, as loose as half of the screen allows; with the head."""
        return self._rows_wanted + len(self._head)

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
        cells = self._cells
        same = ranks is cells.ranks and (not cells.mode.ages or now == self._now)
        self._now = now
        regrouped = ranks is not cells.ranks and cells.take(ranks)
        if regrouped:
            cells.read(now)
            self._rebuild()
            if ranks and cells.index(self.selected) is None:
                self.selected = cells.nearest(self.selected)
        self._show_silence(silent or {}, now)
        if not same:
            self._read()

    def _show_silence(self, silent: Mapping[str, float], now: float) -> None:
        old = self._silent
        if not silent and not old:
            return
        self._silent = {
            number: age(now - silent[name])
            for number, (name, _) in enumerate(self._cells.groups)
            if name in silent
        }
        self._cells.silent = frozenset(self._silent)
        for number in old.keys() | self._silent.keys():
            if old.get(number) != self._silent.get(number) and number < len(self._cells.groups):
                self._refresh_row(self._layout.row_of[self._cells.first_cell(number)])
        if len(old) != len(self._silent):
            self._summarise()

    def _read(self) -> None:
        """Work out every cell anew and repaint the rows in which one differs."""
        changed = self._cells.read(self._now)
        if changed is None:
            self.refresh()
        else:
            for row in {self._layout.row_of[cell] for cell in changed}:
                self._refresh_row(row)
        self._summarise()

    def _summarise(self) -> None:
        width, height = self.scrollable_content_region.size
        most = _HEAD_LINES if height >= 3 * _HEAD_LINES else 1
        counts = self._cells.reading.counts()
        head = head_lines(counts, len(self._silent), max(8, width), most)
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
        choice = choose_layout(self._cells.groups, width, height, self._fold)
        self._cells.fold(choice.folded)
        self._layout = choice.layout
        needed = Size(size.width, len(self._layout.rows) + len(self._head))
        half = self.screen.size.height // 2
        wanted = rows_wanted(self._cells.groups, width, half, self._fold)
        if needed != self.virtual_size or wanted != self._rows_wanted:
            self._rows_wanted = wanted
            self.virtual_size = needed
            self.post_message(self.Rearranged())
        self.refresh()
        self._reveal()

    def on_resize(self) -> None:
        """Place the nodes anew."""
        self._head = ()
        self._summarise()

    def _refresh_row(self, row: int) -> None:
        y = row + len(self._head) - self.scroll_offset.y
        if len(self._head) <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    def watch_selected(self, old: int, new: int) -> None:
        """Move the cursor on the screen and tell."""
        for number in (old, new):
            if (index := self._cells.index(number)) is not None:
                self._refresh_row(self._layout.row_of[self._cells.cell_of(index)])
        self._reveal()
        if self._cells.index(new) is not None:
            self.post_message(self.Selected(new))

    @property
    def _cursor(self) -> int:
        """The cell under the cursor; -1: there is none."""
        index = self._cells.index(self.selected)
        return -1 if index is None else self._cells.cell_of(index)

    def _reveal(self) -> None:
        """Scroll so that the cursor is seen."""
        visible = self.scrollable_content_region.height - len(self._head)
        if self._cursor < 0 or visible < 1:
            return
        row = self._layout.row_of[self._cursor]
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
            look, line = self.get_component_rich_style, self._head[y]
            parts = [Segment(text, look(f"rank-grid--{name}")) for text, name in line]
            return Strip(parts).crop_extend(0, width, base)
        row = y - len(self._head) + self.scroll_offset.y
        if not 0 <= row < len(self._layout.rows):
            return Strip.blank(width, base)
        segments: list[Segment] = []
        x = 0
        for piece in (pieces := self._layout.rows[row]):
            segments.append(Segment(" " * (piece.x - x), base))
            x = self._piece(piece, base, segments)
        if len(pieces) == 1 and not self.folded and pieces[0].label:
            told = self._silent.get(self._cells.node_at(pieces[0].first), "")
            texts = (f" silent {told}", f" {told}") if told else ()
            text = next((text for text in texts if len(text) <= width - x), "")
            segments.append(Segment(text, self.get_component_rich_style("rank-grid--silent")))
        return Strip(segments).crop_extend(0, width, base)

    def _piece(self, piece: Piece, base: Style, segments: list[Segment]) -> int:
        """Add one node's part of a row; the column behind it."""
        silent = not self.folded and self._cells.node_at(piece.first) in self._silent
        look = "rank-grid--silent" if silent else "rank-grid--node"
        gap = piece.cells_x - piece.x - cell_len(piece.label)
        mark = "!" if silent and piece.label else " "
        label = piece.label + " " * (gap - 1) + mark
        segments.append(Segment(label, self.get_component_rich_style(look)))
        segments.extend(self._glyphs(piece, base))
        return piece.cells_x + piece.count * self._layout.step

    def _glyphs(self, piece: Piece, base: Style) -> list[Segment]:
        cursor, levels = self._cursor, self._cells.levels
        space = " " * (self._layout.step - 1)
        scale = self._cells.reading.scale
        segments: list[Segment] = []
        for start, stop in self._cells.runs(piece.first, piece.first + piece.count, cursor):
            silent = self.folded and start in self._silent
            glyph = "!" if silent else scale[levels[start]].glyph
            look = "silent" if silent else scale[levels[start]].look
            style = self.get_component_rich_style(f"rank-grid--{look}")
            if start == cursor:
                under = style + self.get_component_rich_style("rank-grid--cursor", partial=True)
                segments += [Segment(glyph, under), Segment(space, base)]
            else:
                segments.append(Segment((glyph + space) * (stop - start), style))
        return segments

    # -- keys -------------------------------------------------------------------------------

    def _select(self, index: int) -> None:
        if ranks := self._cells.ranks:
            self.selected = ranks[min(max(0, index), len(ranks) - 1)].rank

    def _select_cell(self, cell: int) -> None:
        """Select a rank, or the most urgent one of a node."""
        if self._cells.ranks:
            self._select(self._cells.index_in(min(max(0, cell), len(self._cells) - 1)))

    def select_node(self, node: str) -> bool:
        """Put the cursor on a node's first rank; whether there is such a node."""
        index = self._cells.first_of(node)
        if index is not None:
            self._select(index)
        return index is not None

    def find(self, text: str, *, backward: bool = False) -> bool:
        """Put the cursor on the next rank that the text means; whether there is one."""
        self.wanted = text
        start = self._cells.index(self.selected) or 0
        if (index := self._cells.find(text, start, backward=backward)) is not None:
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
        start = self._cells.index(self.selected) or 0
        index = self._cells.trouble(start, backward=backward)
        if index is None or index == start:
            other = "" if index is None else "other "
            self.notify(f"no {other}rank is in trouble", markup=False, timeout=3)
        else:
            self._select(index)

    def action_mode(self) -> None:
        """Let the glyphs tell something else."""
        self._cells.mode = self.mode.next
        self._read()
        self.refresh()
        self.post_message(self.Rearranged())

    def action_fold(self) -> None:
        """One glyph for each node, or one for each rank."""
        self._fold = not self.folded
        self._rebuild()

    def action_move(self, along: int, rows: int) -> None:
        """Move the cursor by cells or by rows."""
        if (cell := self._cursor) < 0:
            return
        if along:
            self._select_cell(cell + along)
            return
        row = min(max(0, self._layout.row_of[cell] + rows), len(self._layout.rows) - 1)
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
        if self._cursor >= 0:
            self.post_message(self.Opened(self.selected))

    def on_click(self, event: events.Click) -> None:
        """Select what was clicked; open it on a double click."""
        offset = event.get_content_offset(self)
        if offset is None or offset.y < len(self._head):
            return
        at = offset.y - len(self._head) + self.scroll_offset.y
        if (cell := self._layout.hit(at, offset.x)) is not None:
            self._select_cell(cell)
            if event.chain == 2:
                self.action_open()
