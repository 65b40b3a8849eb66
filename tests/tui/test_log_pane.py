"""The log pane: following, moving, and files that change under it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len

from tests.tui.log_desk import Deck, Desk, numbered

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    app = Deck()
    async with app.run_test(size=(60, 13)) as pilot:
        yield Desk(app, pilot, tmp_path / "rank-0.log")


async def test_a_log_that_is_not_there_yet_is_shown_when_it_comes(desk: Desk) -> None:
    await desk.open()
    assert desk.rows[0].strip() == "no output yet"
    assert desk.pane.status == "following · no output yet"
    desk.write("first words\n")
    await desk.tick()
    assert desk.texts[0] == "first words"
    assert desk.pane.status == "following · 1 line"


async def test_it_follows_pauses_counts_what_is_new_and_resumes(desk: Desk) -> None:
    desk.write(numbered(1, 100))
    await desk.open()
    assert desk.texts[-1] == "line 100"
    desk.write(numbered(101, 102))
    await desk.tick()
    assert desk.texts[-1] == "line 102"
    assert desk.pane.status == "following · 102 lines"
    await desk.press("up")
    assert desk.texts[-1] == "line 101"
    desk.write(numbered(103, 110))
    await desk.tick()
    assert desk.texts[-1] == "line 101"
    assert desk.pane.status == "paused · +8 lines · 110 lines · 90%"
    await desk.press("down", "down", "down")
    assert desk.texts[-1] == "line 104"
    assert not desk.pane.following
    await desk.press("G")
    assert desk.texts[-1] == "line 110"
    assert desk.pane.status == "following · 110 lines"
    await desk.press("f")
    desk.write(numbered(111, 111))
    await desk.tick()
    assert desk.texts[-1] == "line 110"
    await desk.press("f")
    assert desk.texts[-1] == "line 111"


async def test_a_log_that_hardly_grows_is_looked_at_less_often(desk: Desk) -> None:
    desk.write("one\n")
    await desk.open()
    desk.write("two\n")
    seen = []
    for _ in range(5):
        desk.pane.tick(seldom=True)
        await desk.settle()
        seen.append("two" in desk.texts)
    assert not seen[0]
    assert seen[-1]


async def test_every_way_to_move(desk: Desk) -> None:
    desk.write(numbered(1, 100))
    await desk.open()
    height = desk.pane.view.size.height
    await desk.press("g")
    assert desk.texts[0] == "line 1"
    assert desk.rows[0].split()[0] == "1"
    await desk.press("pagedown")
    assert desk.texts[0] == f"line {height}"
    await desk.press("j", "j", "k", "pageup", "home", "down")
    assert desk.texts[0] == "line 2"
    await desk.press(*["pagedown"] * 20)
    assert desk.texts[-1] == "line 100"
    assert desk.texts[0] == f"line {100 - height + 1}"


async def test_lines_are_numbered_where_they_are_known(desk: Desk) -> None:
    desk.write(numbered(1, 100))
    await desk.open()
    assert desk.rows[-1].split() == ["100", "line", "100", "█"]
    await desk.press("#")
    assert desk.rows[-1].split() == ["line", "100", "█"]


async def test_nothing_is_repainted_while_nothing_changes(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.write(numbered(1, 100) + "unfinished")
    await desk.open()
    painted: list[object] = []
    monkeypatch.setattr(desk.pane.view, "refresh", lambda *regions: painted.append(regions))
    monkeypatch.setattr(desk.pane._line, "refresh", lambda *_: painted.append("line"))
    await desk.tick()
    await desk.tick()
    assert painted == []
    desk.write(" now longer")
    await desk.tick()
    assert len(painted) == 1, "only the row that has changed"
    await desk.press("g")
    painted.clear()
    desk.write(" and more")
    await desk.tick()
    assert painted == []


async def test_truncation_and_replacement_are_followed(desk: Desk) -> None:
    desk.write(numbered(1, 100))
    await desk.open()
    desk.path.write_text("anew\n")
    await desk.tick()
    assert [text for text in desk.texts if text] == ["anew"]
    assert desk.pane.status == "following · the log was replaced · 1 line"
    desk.write(numbered(1, 100))
    await desk.tick()
    await desk.press("up")
    other = desk.path.with_name("other")
    other.write_text(numbered(500, 600))
    os.replace(other, desk.path)
    await desk.tick()
    assert desk.texts[0] == "line 500"
    assert desk.pane.status == "paused · the log was replaced · 101 lines · 10%"
    os.truncate(desk.path, 0)
    await desk.tick()
    assert not any(desk.texts[1:])


async def test_a_line_of_200_mb(desk: Desk) -> None:
    desk.write(b"before\n")
    with desk.path.open("ab") as file:
        for _ in range(200):
            file.write(b"x" * 1_000_000)
    await desk.open()
    assert any(text.startswith("xxx") for text in desk.texts)
    desk.write(b"\nafter\n")
    for _ in range(60):
        await desk.tick()
    assert desk.pane.status == "following · 3 lines"
    assert desk.texts[0] == "before"
    assert desk.texts[1].startswith("xxx")
    assert desk.texts[2] == "after"
    await desk.press("w", "G")
    assert desk.texts[-1] == "after"
    assert desk.texts[-2].endswith("[200,000,000 bytes]")
    await desk.press("g", "w")
    await desk.look_for("after")
    assert desk.found == "after"


async def test_invalid_utf8_and_progress_bars(desk: Desk) -> None:
    desk.write(b"bad \xff\xfe bytes\n10%\r50%\r99%")
    await desk.open()
    assert desk.texts[0] == "bad \ufffd\ufffd bytes"
    assert desk.texts[1] == "99%"
    desk.write(b"\r100%")
    await desk.tick()
    assert desk.texts[1] == "100%"


async def test_wide_characters_are_never_cut_in_two(desk: Desk) -> None:
    wide = "训练数据" * 30 + "\n" + "a" + "训练🚀数" * 30 + "\n"
    desk.write(wide)
    await desk.open()
    await desk.press("#")
    width = desk.pane.view.size.width
    for column in range(12):
        assert all(cell_len(row) == width for row in desk.rows)
        half = " " * (column % 2)
        assert desk.texts[0].startswith(half + wide[(column + 1) // 2 :][:20])
        desk.pane.action_shift(1)
    desk.pane.action_shift(-100)
    await desk.press("w")
    assert all(cell_len(row) == width for row in desk.rows)
    assert "".join(desk.texts) == wide.replace("\n", "")


async def test_tabs_and_colours(desk: Desk) -> None:
    desk.write(b"a\tb\t\xe8\xae\xad\tc\n\x1b[1;31mred\x1b[0m plain\n")
    await desk.open()
    assert desk.texts[0] == "a       b       训      c"
    red = next(s for s in desk.pane.view.render_line(1) if s.text == "red")
    assert red.style is not None
    assert red.style.bold
    assert red.style.color is not None
    assert red.style.color.number == 1


async def test_resize_keeps_the_end_or_the_place(desk: Desk) -> None:
    desk.write("".join(f"{n} " + "word " * 40 + "\n" for n in range(100)))
    await desk.open()
    await desk.press("w")
    await desk.pilot.resize_terminal(40, 20)
    await desk.settle()
    assert desk.texts[-1].endswith("word")
    await desk.press(*["pageup"] * 5)
    top = desk.pane.view.page.rows[0].row.line.offset
    await desk.pilot.resize_terminal(90, 30)
    await desk.settle()
    assert desk.pane.view.page.rows[0].row.line.offset == top
    assert all(cell_len(row) == 90 for row in desk.rows)
    assert len(desk.pane.view.page.rows) == desk.pane.view.size.height


async def test_scrolling_sideways_shows_what_is_there(desk: Desk) -> None:
    desk.write("".join(f"{n:05d}" for n in range(100)) + "\n")
    await desk.open()
    before = desk.texts[0]
    await desk.press("right")
    assert desk.texts[0].startswith(before[8:20])
    assert "column 9" in desk.pane.status
    await desk.press("left")
    assert desk.texts[0] == before


async def test_an_unreadable_log_says_so(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    desk.pane.open(tmp_path / "loop", "rank 0")
    await desk.tick()
    assert "cannot be read" in desk.pane.status
    desk.write("words\n")
    await desk.open()
    assert desk.texts[0] == "words"


async def test_the_mouse_moves_too(desk: Desk) -> None:
    desk.write(numbered(1, 1000))
    await desk.open()
    view = desk.pane.view
    await desk.pilot.mouse_down(view, offset=(view.size.width - 1, 0))
    await desk.settle()
    assert desk.texts[0] == "line 1"
    assert not desk.pane.following


async def test_wrapped_lines_are_moved_through_row_by_row(desk: Desk) -> None:
    desk.write("".join(f"{n:03d} " + "word " * 40 + "\n" for n in range(20)))
    await desk.open()
    await desk.press("w", "g")
    down = [desk.texts[0]]
    for _ in range(30):
        await desk.press("j")
        down.append(desk.texts[0])
    up = [desk.texts[0]]
    for _ in range(30):
        await desk.press("k")
        up.append(desk.texts[0])
    assert up == down[::-1]
    assert "".join(down).replace(" ", "").startswith("000" + "word" * 40 + "001word")
