"""What the glyphs of ranks tell in each mode, what is found by typing, and how nodes fold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.cells import cell_len
from textual.app import App

from rankdeck.run.node_state import GpuDevice, RankState
from rankdeck.run.view import RankView
from tui.widgets.rank_cells import RankCells
from tui.widgets.rank_grid import RankGrid
from tui.widgets.rank_head import head_lines
from tui.widgets.rank_layout import build_folded, choose_layout, rows_wanted, shorten
from tui.widgets.rank_modes import Mode, find_rank, read_ranks

if TYPE_CHECKING:
    from textual.app import ComposeResult

NOW = 1000.0


def rank(number: int, state: RankState = RankState.STEPPING, **facts: Any) -> RankView:
    return RankView(
        rank=number,
        node=f"node{number // 4:02}",
        local_rank=number % 4,
        state=state,
        log=Path("/nonexistent"),
        **facts,
    )


def words(mode: Mode, ranks: tuple[RankView, ...]) -> list[str]:
    reading = read_ranks(mode, ranks, NOW)
    return [reading.scale[level].word for level in reading.levels]


def glyphs(mode: Mode, ranks: tuple[RankView, ...]) -> str:
    reading = read_ranks(mode, ranks, NOW)
    return "".join(reading.scale[level].glyph for level in reading.levels)


@pytest.mark.parametrize("mode", list(Mode))
def test_no_level_is_told_from_another_by_colour_alone(mode: Mode) -> None:
    scale = read_ranks(mode, (), NOW).scale
    assert len({level.glyph for level in scale}) == len(scale)
    assert all(cell_len(level.glyph) == 1 for level in scale)


def test_stragglers_stand_out_against_the_median() -> None:
    steps = [100, 100, 101, 100, 99, 100, 100, 60, 97, None, 120]
    ranks = tuple(rank(i, step=step) for i, step in enumerate(steps))
    assert glyphs(Mode.LAG, ranks) == "■■■■■■■▼▽·▲"
    assert words(Mode.LAG, ranks)[7] == "over 8 behind"
    assert words(Mode.LAG, ranks)[0] == "within 2 of step 100"


def test_where_nothing_moves_one_step_behind_is_behind() -> None:
    def at(silent: float) -> tuple[RankView, ...]:
        return tuple(
            rank(n, step=99 if n == 5 else 100, last_output=NOW - silent - (20 if n == 5 else 0))
            for n in range(8)
        )

    assert set(words(Mode.LAG, at(2.0))) == {"within 1 of step 100"}
    still = words(Mode.LAG, at(60.0))
    assert (still[5], set(still[:5] + still[6:])) == ("behind", {"at 100"})
    quiet = words(Mode.SILENCE, at(60.0))
    assert (quiet[5], set(quiet[:5] + quiet[6:])) == ("silent before the others", {"under 5m"})
    assert "silent before the others" not in words(Mode.SILENCE, at(2.0))


def most_urgent_first(mode: Mode, ranks: tuple[RankView, ...]) -> list[str]:
    reading = read_ranks(mode, ranks, NOW)
    levels = {reading.scale[level] for level in reading.levels}
    assert len({level.urgency for level in levels}) == len(levels)
    return [level.word for level in sorted(levels, key=lambda level: -level.urgency)]


def test_one_glyph_for_many_ranks_is_that_of_the_idlest_and_of_broken_gpus() -> None:
    percents = (99.0, None, 1.0, 50.0)
    loads = tuple(rank(n, cpu_percent=percent) for n, percent in enumerate(percents))
    assert most_urgent_first(Mode.LOAD, loads) == [
        *("cpu idle", "cpu below 63%", "cpu 75% of a core or more", "not known"),
    ]
    devices = (
        GpuDevice(index=0, util=99.0),
        GpuDevice(index=1, util=1.0),
        GpuDevice(index=2),
        GpuDevice(index=3, util=50.0, error="GPU is lost"),
    )
    gpus = tuple(rank(n, gpu=device) for n, device in enumerate(devices))
    assert most_urgent_first(Mode.LOAD, (*gpus, rank(5))) == [
        *("gpu broken", "gpu does not answer", "gpu idle", "gpu 75% or more", "not known"),
    ]


@pytest.mark.parametrize(
    ("percent", "word"),
    [
        *((1.9, "idle"), (12.4, "below 13%"), (12.6, "below 25%"), (49.9, "below 50%")),
        *((50.0, "below 63%"), (74.9, "below 75%"), (75.0, "75% or more"), (100.0, "75% or more")),
    ],
)
def test_the_legend_of_loads_says_what_the_bars_stand_for(percent: float, word: str) -> None:
    (told,) = words(Mode.LOAD, (rank(0, gpu=GpuDevice(index=0, util=percent)),))
    assert told == f"gpu {word}"


def test_trouble_is_also_who_the_others_may_wait_for() -> None:
    cells = RankCells()
    cells.take(tuple(rank(n) for n in range(8)))
    cells.read(NOW)
    assert cells.trouble(0, backward=False) is None
    cells.suspects = frozenset({6})
    assert cells.trouble(0, backward=False) == 6


def test_what_most_ranks_differ_by_is_no_lag() -> None:
    # fast steps, heard at different moments
    steps = [1000 + 20 * (i % 5) for i in range(40)] + [200]
    ranks = tuple(rank(i, step=step) for i, step in enumerate(steps))
    assert glyphs(Mode.LAG, ranks) == "■" * 40 + "▼"


def test_silent_ranks_stand_out_by_the_age_of_their_last_line() -> None:
    ages = [0, 9, 10, 59, 60, 299, 300, 9000]
    ranks = tuple(rank(i, last_output=NOW - age) for i, age in enumerate(ages))
    assert glyphs(Mode.SILENCE, ranks) == "■■▣▣□□!!"
    assert glyphs(Mode.SILENCE, (rank(0), rank(1, RankState.EXITED))) == "·▫"


def test_load_is_a_bar_and_what_is_not_known_is_no_zero() -> None:
    loads = [0.0, 2.9, 3.0, 50.0, 99.0, 100.0, 800.0, None]
    ranks = tuple(rank(i, cpu_percent=load) for i, load in enumerate(loads))
    assert glyphs(Mode.LOAD, ranks) == "▁▁▂▆███·"


@pytest.mark.parametrize(
    ("text", "start", "expected"),
    [
        ("17", 0, 17),
        ("99", 0, None),
        ("node03", 0, 12),
        ("NODE03", 12, 12),
        ("node", 0, 4),
        ("node", 16, 0),
        ("failed", 0, 5),
        ("failed", 5, 9),
        ("failed", 9, 5),
        ("silent", 0, 8),
        ("silent", 8, 9),
        ("node02:3", 0, 11),
        ("lost", 0, None),
        ("", 0, None),
        ("nowhere", 0, None),
    ],
)
def test_a_rank_is_found_by_number_node_or_state(
    text: str, start: int, expected: int | None
) -> None:
    bad = {5: RankState.FAILED, 9: RankState.FAILED}
    ranks = tuple(rank(i, bad.get(i, RankState.STEPPING)) for i in range(20))
    assert find_rank(text, ranks, frozenset({"node02"}), start, backward=False) == expected


def test_the_search_goes_backward_too() -> None:
    ranks = tuple(rank(i) for i in range(20))
    assert find_rank("node", ranks, frozenset(), 8, backward=True) == 4
    assert find_rank("node", ranks, frozenset(), 0, backward=True) == 16


def test_trouble_is_failed_lost_of_a_silent_node_or_standing_out_in_the_mode() -> None:
    cells = RankCells()
    facts = {3: RankState.FAILED, 6: RankState.LOST}
    steps = {10: 1}
    cells.take(
        tuple(rank(i, facts.get(i, RankState.STEPPING), step=steps.get(i, 90)) for i in range(16))
    )
    cells.silent = frozenset({3})
    cells.read(NOW)

    def walk(start: int, *, backward: bool = False) -> list[int]:
        seen: list[int] = []
        at: int | None = start
        while (at := cells.trouble(at or 0, backward=backward)) not in (None, *seen):
            assert at is not None
            seen.append(at)
        return seen

    assert walk(0) == [3, 6, 12, 13, 14, 15]
    cells.mode = Mode.LAG
    cells.read(NOW)
    assert walk(0) == [3, 6, 10, 12, 13, 14, 15]
    assert walk(0, backward=True) == [15, 14, 13, 12, 10, 6, 3]


def test_a_folded_node_shows_its_most_urgent_rank_and_leads_to_it() -> None:
    cells = RankCells()
    cells.take(tuple(rank(i, RankState.FAILED if i == 6 else RankState.STEPPING) for i in range(8)))
    cells.read(NOW)
    cells.fold(True)
    assert [cells.reading.scale[level].word for level in cells.levels] == ["stepping", "failed"]
    assert cells.index_in(1) == 6
    assert [cells.cell_of(i) for i in (0, 3, 4, 7)] == [0, 0, 1, 1]
    cells.fold(False)
    assert len(cells) == 8


def test_names_lose_what_all_of_them_share_and_nothing_else() -> None:
    names = [f"gpu-a{i:03}" for i in range(20)]
    assert shorten(names)[:2] == ("…000", "…001")
    assert shorten(names[:3]) == tuple(names[:3])
    assert shorten([f"n{i}" for i in range(20)])[0] == "n0"
    assert shorten(["node", *names]) == ("node", *names)


def test_many_ranks_fold_by_themselves_and_4096_fit_a_small_screen() -> None:
    nodes = [(f"node{i:03}", 8) for i in range(512)]
    choice = choose_layout(nodes, 80, 20, None)
    assert choice.folded
    assert len(choice.layout.rows) <= 20
    assert len(choice.layout.row_of) == 512
    assert not choose_layout(nodes[:16], 80, 20, None).folded
    dense = choose_layout(nodes, 80, 20, False)
    assert sum(piece.count for row in dense.layout.rows for piece in row) == 4096
    wide = build_folded([("x", 1)] * 100, 40)
    assert all(piece.cells_x + piece.count * wide.step <= 40 for r in wide.rows for piece in r)


def test_the_head_tells_every_level_in_words_or_at_least_its_count() -> None:
    ranks = tuple(rank(i, state) for i, state in enumerate(RankState))
    counts = read_ranks(Mode.STATE, ranks, NOW).counts()
    told = "".join(text for line in head_lines(counts, 2, 40, 9) for text, _ in line)
    assert all(state.value in told for state in RankState)
    assert "! 2 nodes silent" in told
    short = head_lines(counts, 0, 40, 1)
    assert len(short) == 1
    assert all(cell_len("".join(text for text, _ in line)) <= 40 for line in short)


class Desk(App[None]):
    def compose(self) -> ComposeResult:
        yield RankGrid()


async def test_v_goes_through_the_modes_and_every_row_keeps_its_width() -> None:
    app = Desk()
    async with app.run_test(size=(60, 14)) as pilot:
        grid = app.query_one(RankGrid)
        grid.focus()
        grid.show(
            tuple(rank(i, step=i, last_output=NOW - i, cpu_percent=9.0 * i) for i in range(16))
        )
        for mode in (*list(Mode)[1:], Mode.STATE):
            await pilot.press("v")
            assert grid.mode is mode
            rows = [grid.render_line(y).text for y in range(grid.size.height)]
            assert all(cell_len(row) == grid.size.width for row in rows)


async def test_ages_grow_while_nothing_else_changes() -> None:
    app = Desk()
    ranks = tuple(rank(i, last_output=NOW) for i in range(4))
    async with app.run_test(size=(60, 14)) as pilot:
        grid = app.query_one(RankGrid)
        grid.focus()
        grid.show(ranks, {}, NOW)
        await pilot.press("v", "v")
        assert grid.summary == "4 under 10s"
        grid.show(ranks, {}, NOW + 30)
        assert grid.summary == "4 under 1m"


async def test_wide_and_hostile_names_align() -> None:
    app = Desk()
    ranks = tuple(
        RankView(
            rank=i,
            node=("节点一", "[red]x[/]", "\x1b[31mred", "plain")[i // 4],
            local_rank=i % 4,
            state=RankState.STEPPING,
            log=Path("/nonexistent"),
        )
        for i in range(16)
    )
    async with app.run_test(size=(60, 14)) as pilot:
        grid = app.query_one(RankGrid)
        grid.focus()
        grid.show(ranks, {"节点一": NOW - 5}, NOW)
        for _ in range(2):
            await pilot.press("c")
            rows = [grid.render_line(y).text for y in range(grid.size.height)]
            assert all(cell_len(row) == grid.size.width for row in rows)
            assert "\x1b" not in "".join(rows)
        columns = {cell_len(row[: row.index("■")]) for row in rows if row.count("■ ") == 4}
        assert len(columns) == 1


def test_many_nodes_stand_side_by_side_rather_than_fill_the_screen() -> None:
    nodes = [(f"demo{n:03}", 8) for n in range(64)]
    assert rows_wanted(nodes, 59, 100, None) == 64
    assert rows_wanted(nodes, 59, 40, None) == 32
    assert rows_wanted(nodes, 59, 30, None) == 22
    assert rows_wanted(nodes, 59, 30, True) == 3
    assert rows_wanted(nodes, 59, 7, None) == 3
    assert rows_wanted(nodes, 59, 7, False) == 22
