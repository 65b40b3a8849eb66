"""The grid of ranks: its cursor, its rows, what it says and what it repaints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len
from textual.app import App

from rankdeck.run.node_state import RankState
from rankdeck.run.view import RankView
from tui.widgets.rank_grid import RankGrid
from tui.widgets.rank_modes import GLYPHS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from textual.app import ComposeResult
    from textual.pilot import Pilot


def ranks(
    count: int, per_node: int, states: dict[int, RankState] | None = None, first: int = 0
) -> tuple[RankView, ...]:
    return tuple(
        RankView(
            rank=rank,
            node=f"node{rank // per_node:03d}",
            local_rank=rank % per_node,
            state=(states or {}).get(rank, RankState.STEPPING),
            log=Path("/nonexistent"),
        )
        for rank in range(first, count)
    )


class Deck(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, int]] = []

    def compose(self) -> ComposeResult:
        yield RankGrid()

    def on_rank_grid_selected(self, message: RankGrid.Selected) -> None:
        self.told.append(("selected", message.rank))

    def on_rank_grid_opened(self, message: RankGrid.Opened) -> None:
        self.told.append(("opened", message.rank))


class Desk:
    def __init__(self, app: Deck, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot
        self.grid = app.query_one(RankGrid)
        self.grid.focus()

    @property
    def rows(self) -> list[str]:
        return [self.grid.render_line(y).text for y in range(self.grid.size.height)]

    @property
    def cursor(self) -> list[tuple[int, int]]:
        """Where a cell is shown in reverse."""
        found = []
        for y in range(self.grid.size.height):
            x = 0
            for segment in self.grid.render_line(y):
                if segment.style and segment.style.reverse:
                    found.append((x, y))
                x += cell_len(segment.text)
        return found


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    app = Deck()
    async with app.run_test(size=(80, 24)) as pilot:
        yield Desk(app, pilot)


async def test_one_row_for_each_node_with_a_glyph_for_each_rank(desk: Desk) -> None:
    assert desk.rows[0].strip() == "no ranks yet"
    states = dict(enumerate(RankState))
    desk.grid.show(ranks(12, 6, states))
    await desk.pilot.pause()
    # the counts are the key to the glyphs: all in words, on as many lines as they take
    head = " ".join(desk.rows[:2])
    for state in RankState:
        assert f"{GLYPHS[state]} {4 if state is RankState.STEPPING else 1} {state.value}" in head
    assert desk.rows[2].split() == ["node000", *(GLYPHS[state] for state in list(RankState)[:6])]
    assert desk.rows[3].split()[:4] == ["node001", "✖", "▫", "?"]
    assert "4 stepping" in desk.grid.summary
    assert "1 failed" in desk.grid.summary
    assert all(cell_len(row) == desk.grid.size.width for row in desk.rows)


async def test_the_summary_counts_the_states(desk: Desk) -> None:
    desk.grid.show(ranks(7, 7, {3: RankState.FAILED}))
    await desk.pilot.pause()
    assert desk.grid.summary == "6 stepping · 1 failed"
    assert desk.rows[0].strip() == "■ 6 stepping  ✖ 1 failed"


def test_every_state_has_its_own_glyph_of_one_cell() -> None:
    assert set(GLYPHS) == set(RankState)
    assert len(set(GLYPHS.values())) == len(RankState)
    assert {cell_len(glyph) for glyph in GLYPHS.values()} == {1}


async def test_the_cursor_moves_and_tells(desk: Desk) -> None:
    desk.grid.show(ranks(16, 4))
    await desk.pilot.press("right", "l", "down", "j", "left", "h", "up", "k")
    assert [rank for _, rank in desk.app.told] == [1, 2, 6, 10, 9, 8, 4, 0]
    desk.app.told.clear()
    await desk.pilot.press("up", "left", "home", "end", "down", "right", "enter")
    assert desk.app.told == [("selected", 15), ("opened", 15)]
    assert desk.cursor == [(8 + 3 * 2, 4)]


async def test_the_cursor_keeps_its_rank_over_updates(desk: Desk) -> None:
    desk.grid.show(ranks(16, 4))
    await desk.pilot.press("down", "right")
    assert desk.grid.selected == 5
    desk.grid.show(ranks(16, 4, {5: RankState.FAILED}))
    desk.grid.show(ranks(16, 8))
    await desk.pilot.pause()
    assert desk.grid.selected == 5
    assert desk.cursor == [(8 + 5 * 2, 1)]
    desk.grid.show(ranks(16, 4, first=2))
    await desk.pilot.pause()
    assert desk.grid.selected == 5
    desk.app.told.clear()
    desk.grid.show(ranks(3, 4))
    await desk.pilot.pause()
    assert desk.app.told == [("selected", 2)]


async def test_only_rows_that_changed_are_repainted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ranks(64, 8)
    desk.grid.show(first)
    await desk.pilot.pause()
    painted: list[tuple[int, int]] = []
    with monkeypatch.context() as patch:
        patch.setattr(desk.grid, "refresh", lambda r: painted.append((r.y, r.height)))
        desk.grid.show(first)
        desk.grid.show(ranks(64, 8))
        assert painted == []
        desk.grid.show(ranks(64, 8, {17: RankState.EXITED}))
    assert sorted(painted) == [(0, 1), (3, 1)]


async def test_4096_ranks_can_be_walked_through(desk: Desk) -> None:
    desk.grid.show(ranks(4096, 8, {4000: RankState.FAILED}))
    await desk.pilot.pause()
    assert desk.grid.summary == "4,095 stepping · 1 failed"
    await desk.pilot.press("c", "end")
    await desk.pilot.pause()
    assert desk.grid.selected == 4095
    assert any("…511" in row for row in desk.rows)
    assert len(desk.cursor) == 1
    await desk.pilot.press("home")
    await desk.pilot.pause()
    assert any("…000" in row for row in desk.rows)
    seen = {0}
    while desk.grid.selected < 4088:
        before = desk.grid.selected
        await desk.pilot.press("pagedown")
        seen.add(desk.grid.selected)
        if desk.grid.selected == before:
            break
    assert max(seen) >= 4064
    assert len(desk.cursor) == 1
    assert all(cell_len(row) == desk.grid.size.width for row in desk.rows)


async def test_up_and_down_keep_the_column_where_nodes_stand_side_by_side(desk: Desk) -> None:
    desk.grid.show(ranks(4096, 8))
    await desk.pilot.press("c", "home", *["right"] * 11)
    across = desk.rows[1].count("…")
    assert across > 2
    await desk.pilot.press("down", "down")
    assert desk.grid.selected == 11 + 2 * across * 8
    await desk.pilot.press("up")
    assert desk.grid.selected == 11 + across * 8


async def test_many_ranks_on_one_node_take_more_rows(desk: Desk) -> None:
    desk.grid.show(ranks(300, 300))
    await desk.pilot.press("down", "end")
    await desk.pilot.pause()
    assert desk.grid.selected == 299
    assert sum(row.count("■") for row in desk.rows[1:]) == 300
    assert len(desk.cursor) == 1


async def test_a_click_selects_and_a_double_click_opens(desk: Desk) -> None:
    desk.grid.show(ranks(16, 4))
    await desk.pilot.pause()
    await desk.pilot.click(RankGrid, offset=(8 + 2 * 2, 3))
    assert desk.app.told == [("selected", 10)]
    await desk.pilot.click(RankGrid, offset=(8 + 2 * 2, 3), times=2)
    assert ("opened", 10) in desk.app.told
    await desk.pilot.click(RankGrid, offset=(60, 20))
    assert desk.grid.selected == 10


async def test_resize_places_the_nodes_anew(desk: Desk) -> None:
    desk.grid.show(ranks(512, 8))
    await desk.pilot.press("end")
    await desk.pilot.resize_terminal(40, 10)
    await desk.pilot.pause()
    assert len(desk.cursor) == 1
    assert all(cell_len(row) == desk.grid.size.width for row in desk.rows)
    await desk.pilot.resize_terminal(160, 50)
    await desk.pilot.pause()
    assert len(desk.cursor) == 1
    assert sum(row.count("■") for row in desk.rows[1:]) == 512
