from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from textual.app import App

from tests.tui import hostile
from tests.tui.pilot import until
from tui.looks import Piece, safe
from tui.widgets.row_table import Column, RowTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from textual.app import ComposeResult


@dataclass(frozen=True)
class Row:
    name: str
    size: int = 0


class Rows(RowTable[Row]):
    def __init__(self) -> None:
        columns = (
            Column("name", "NAME", 6, share=1, sort=True),
            Column("size", "SIZE", 5, right=True, sort=True, falls=True),
            Column("wide", "WIDE", 8, from_width=100, sort=True),
        )
        super().__init__(columns, lambda row: row.name, self._row)
        self.drawn = 0

    def _row(self, row: Row, now: float, widths: Mapping[str, int]) -> dict[str, Piece]:
        self.drawn += 1
        return {"name": (safe(row.name), ""), "size": (f"{row.size + int(now)}", "")}


class Shows(App[None]):
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, rows: list[Row], *, hidden: bool = False) -> None:
        super().__init__()
        self.given = rows
        self.hidden = hidden
        self.heard: list[object] = []

    def compose(self) -> ComposeResult:
        rows = Rows()
        rows.display = not self.hidden
        yield rows

    def on_mount(self) -> None:
        self.table.focus()
        self.table.show(self.given, 0.0)

    @property
    def table(self) -> Rows:
        return self.query_one(Rows)

    def text(self) -> list[str]:
        strips = self.screen._compositor.render_strips()
        return ["".join(segment.text for segment in strip) for strip in strips]

    def on_row_table_sorted(self) -> None:
        self.heard.append(self.table.sorting)

    def on_row_table_opened(self) -> None:
        self.heard.append("opened")


ROWS = [Row(f"r{i:02}", i) for i in range(40)]


async def test_marks_single_range_and_all() -> None:
    app = Shows(ROWS)
    async with app.run_test(size=(60, 12)) as pilot:
        table = app.table
        await pilot.press("space")
        assert [row.name for row in table.marked] == ["r00"]
        assert table.cursor == 1
        await pilot.press("j", "j", "ctrl+@")
        assert [row.name for row in table.marked] == ["r00", "r01", "r02", "r03"]
        assert table.chosen == table.marked
        await pilot.press("ctrl+a")
        assert len(table.marked) == 40
        await pilot.press("ctrl+a")
        assert table.marked == ()
        assert [row.name for row in table.chosen] == ["r03"]
        await pilot.press("space")
        await pilot.pause()
        assert [line[:1] for line in app.text()[1:6]] == [" ", " ", " ", "▌", " "]


async def test_only_marked_rows_that_are_in_the_table_count() -> None:
    app = Shows(ROWS)
    async with app.run_test(size=(60, 12)) as pilot:
        await pilot.press("space", "space")
        app.table.show(ROWS[1:], 0.0)
        assert [row.name for row in app.table.marked] == ["r01"]
        app.table.show(ROWS, 0.0)
        assert [row.name for row in app.table.marked] == ["r00", "r01"]


async def test_the_cursor_stays_on_its_record_or_its_place() -> None:
    app = Shows(ROWS)
    async with app.run_test(size=(60, 12)) as pilot:
        table = app.table
        await pilot.press("G")
        assert table.selected == ROWS[-1]
        table.show([Row("new"), *ROWS], 0.0)
        assert table.selected == ROWS[-1]
        table.show(ROWS[:5], 0.0)
        assert table.selected == ROWS[4]
        table.show([], 0.0)
        assert table.selected is None
        await pilot.press("space", "ctrl+@", "ctrl+a", "o", "G", "pageup")
        table.show(ROWS, 0.0)
        assert table.selected == ROWS[0]
        assert table.select("r20")
        assert table.selected == ROWS[20]
        assert not table.select("nobody")


async def test_sorting_goes_through_the_columns_that_are_shown() -> None:
    app = Shows(ROWS)
    async with app.run_test(size=(60, 12)) as pilot:
        await pilot.press("o")
        await pilot.pause()
        assert "NAME ▲" in app.text()[0]
        await pilot.press("o", "O", "o", "less_than_sign")
        await pilot.pause()
        assert app.heard == [
            ("name", False), ("size", True), ("size", False), ("", False), ("size", True),
        ]  # fmt: skip
        assert "▼SIZE" in app.text()[0]
        await pilot.resize_terminal(110, 12)
        await pilot.pause()
        assert "WIDE" in app.text()[0]
        await pilot.press("o")
        assert app.table.sorting == ("wide", False)


async def test_the_head_is_clicked_to_sort_and_a_row_twice_to_open() -> None:
    app = Shows(ROWS)
    async with app.run_test(size=(60, 12)) as pilot:
        await pilot.click(Rows, offset=(3, 0))
        assert app.table.sorting == ("name", False)
        await pilot.click(Rows, offset=(3, 0))
        assert app.table.sorting == ("name", True)
        await pilot.click(Rows, offset=(3, 4))
        assert app.table.selected == ROWS[3]
        await pilot.click(Rows, offset=(3, 4), times=2)
        assert app.heard[-1] == "opened"


@pytest.mark.parametrize("width", [40, 80, 120])
async def test_nothing_is_hidden_by_the_scroll_bar(width: int) -> None:
    app = Shows(ROWS)
    async with app.run_test(size=(width, 12)) as pilot:
        await pilot.pause()
        assert all(len(line) == width for line in app.text())
        assert "SIZE" in app.text()[0]
        row = next(line for line in app.text() if "r07" in line)
        assert row.rstrip(" ▁▂▃▄▅▆▇█▊▉▎").endswith("7") or " 7 " in row


async def test_whoever_stands_at_the_top_sees_what_comes_first_in_another_order() -> None:
    app = Shows(ROWS)
    async with app.run_test(size=(60, 12)) as pilot:
        table = app.table
        await pilot.press("o")
        table.show(ROWS[::-1], 0.0)
        assert table.selected == ROWS[-1]
        table.show(ROWS, 0.0)
        assert table.selected == ROWS[-1]
        await pilot.press("o")
        table.show(ROWS[::-1], 0.0)
        assert table.selected == ROWS[-1]


async def test_a_table_that_was_filled_before_it_was_seen_shows_its_cursor() -> None:
    app = Shows(ROWS, hidden=True)
    async with app.run_test(size=(60, 12)) as pilot:
        await pilot.pause()
        app.table.cursor = 39
        app.table.display = True
        await pilot.pause()
        assert any("r39" in line for line in app.text())


async def test_keys_that_mean_nothing_in_a_table_are_left_to_others() -> None:
    table = RowTable[Row]((Column("name", "NAME", 6),), lambda row: row.name, _plain, marks=False)
    for action in ("sort", "turn", "mark", "mark_range", "mark_all"):
        assert not table.check_action(action, ())
        assert Rows().check_action(action, ())
    assert table.check_action("cursor", (1,))


def _plain(row: Row, now: float, widths: Mapping[str, int]) -> dict[str, Piece]:
    return {"name": (row.name, "")}


async def test_moving_works_out_only_rows_that_come_into_sight() -> None:
    app = Shows(ROWS)
    async with app.run_test(size=(60, 12)) as pilot:
        await pilot.pause()
        app.table.drawn = 0
        await pilot.press("j", "space", "k")
        await pilot.pause()
        assert app.table.drawn == 0
        await pilot.press("G")
        await pilot.pause()
        assert app.table.drawn == 11


async def test_rows_follow_when_the_scroll_bar_goes() -> None:
    app = Shows(ROWS)
    async with app.run_test(size=(60, 12)) as pilot:
        await pilot.pause()
        app.table.show(ROWS[:4], 0.0)
        await pilot.pause()
        ends = {len(line.rstrip()) for line in app.text()[:5]}
        assert ends == {59}


async def test_only_what_looks_different_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Shows([Row(f"r{i}", i) for i in range(10_000)])
    async with app.run_test(size=(60, 12)) as pilot:
        await pilot.pause()
        drawn: list[object] = []
        monkeypatch.setattr(Rows, "refresh", lambda self, *a, **k: drawn.append(a) or self)
        app.table.tick(0.5)
        assert drawn == []
        app.table.tick(1.0)
        assert len(drawn) == 11
        app.table.drawn = 0
        app.table.show(app.table.rows, 1.0)
        assert app.table.drawn < 100


@pytest.mark.parametrize("size", [(40, 40), (120, 40)])
async def test_hostile_names_stay_text(size: tuple[int, int]) -> None:
    names = [line.decode(errors="replace") for line in hostile.CORPUS]
    app = Shows([Row(f"{name}{i}") for i, name in enumerate(names)])
    async with app.run_test(size=size) as pilot:
        await pilot.press("ctrl+a", "j")
        await pilot.pause()
        for strip in app.screen._compositor.render_strips():
            assert all(segment.text.isprintable() for segment in strip)
            assert sum(segment.cell_length for segment in strip) == size[0]
            assert not any(s.style is not None and s.style.meta.get("@click") for s in strip)


@pytest.mark.parametrize("size", [(60, 20), (60, 6), (110, 12), (40, 20)])
async def test_another_size_shows_the_rows_that_fit_once_each(size: tuple[int, int]) -> None:
    app = Shows(ROWS)
    async with app.run_test(size=(60, 12)) as pilot:
        await pilot.press("G")
        last = [f"r{number}" for number in range(40 - (size[1] - 1), 40)]
        await pilot.resize_terminal(*size)
        await until(
            pilot, lambda: [line.split()[:1] for line in app.text()[1:]] == [[r] for r in last]
        )
        text = app.text()
        assert [len(line) for line in text] == [size[0]] * size[1]
        assert ("WIDE" in text[0]) == (size[0] >= 100)


async def test_what_has_been_painted_at_a_new_size_is_not_asked_for_again() -> None:
    app = Shows(ROWS)
    async with app.run_test(size=(60, 12)) as pilot:
        await pilot.resize_terminal(60, 13)
        await until(pilot, lambda: app.table.size.height == 13)
        assert len(app.text()) == 13
        asked: list[object] = []
        app.table.refresh = lambda *regions, **how: asked.append(regions)  # type: ignore
        app.table.on_resize()
        assert asked == []
