"""What a log pane can do besides following and searching, key by key."""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len
from textual.widgets import Input

from tests.tui.log_desk import Deck, Desk, numbered
from tests.tui.pilot import until
from tui.log_page import Times
from tui.widgets import log_pane

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NOON = time.mktime((2026, 3, 5, 12, 0, 0, 0, 0, -1))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    app = Deck()
    async with app.run_test(size=(70, 13)) as pilot:
        yield Desk(app, pilot, tmp_path / "rank-0.log")


def write_timed(desk: Desk, count: int, seconds: float) -> None:
    """Lines with the times at which they were written."""
    pairs, size = b"", 0
    for n in range(1, count + 1):
        text = f"line {n}\n"
        desk.write(text)
        size += len(text)
        pairs += struct.pack("<dQ", NOON + n * seconds, size)
    desk.path.with_suffix(".times").write_bytes(pairs)


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    monkeypatch.setattr(log_pane, "copy", lambda _, text, what: found.append((text, what)))
    return found


async def test_filters_keep_and_leave_out_and_stay(desk: Desk, tmp_path: Path) -> None:
    desk.write("".join(f"step {n} loss {n % 7}\n" for n in range(500)))
    await desk.open()
    await desk.enter("&", "loss 3 & !re:step \\d*0\\b")
    shown = [text for text in desk.texts if text]
    assert all(text.endswith("loss 3") for text in shown)
    assert not any("0 loss" in text for text in shown)
    assert shown[-1] == "step 493 loss 3"
    assert desk.rows[-1].split()[0] == "494", "the number in the whole log"
    assert "only loss 3 & !re:step \\d*0\\b" in desk.pane.status
    desk.write("step 500 loss 3\nstep 501 loss 3\nstep 502 loss 4\n")
    await desk.tick()
    assert desk.texts[-1] == "step 501 loss 3"
    await desk.press("g")
    assert desk.texts[0] == "step 3 loss 3"
    await desk.pilot.press("&")
    assert desk.app.query_one(Input).value == "loss 3 & !re:step \\d*0\\b"
    await desk.press("escape")
    other = tmp_path / "rank-1.log"
    other.write_text("a loss 3\nb loss 4\n")
    desk.pane.open(other, "rank 1")
    await desk.tick()
    assert [text for text in desk.texts if text] == ["a loss 3"]
    await desk.enter("&", "nothing has this")
    assert desk.rows[0].strip() == "no line passes the filter"
    await desk.enter("&", "")
    assert [text for text in desk.texts if text] == ["a loss 3", "b loss 4"]
    await desk.enter("&", "re:(")
    assert "not a valid regular expression" in desk.pane.status


async def test_a_filter_keeps_the_place(desk: Desk) -> None:
    desk.write("".join(f"{'odd' if n % 2 else 'even'} {n}\n" for n in range(1000)))
    await desk.open()
    await desk.enter("ctrl+g", "501")
    await desk.enter("&", "odd")
    assert "odd 501" in desk.texts
    await desk.enter("&", "")
    assert "odd 501" in desk.texts


async def test_matches_are_counted_and_numbered(desk: Desk) -> None:
    desk.write("".join(f"line {n} {'needle' if n % 10 == 7 else ''}\n" for n in range(1000)))
    await desk.open()
    await desk.press("g")
    await desk.look_for("needle")
    await until(desk.pilot, lambda: desk.pane._count is not None and desk.pane._count.complete)
    await desk.press("n", "n")
    assert "match 3 of 100" in desk.pane.status
    await desk.press("N")
    assert "match 2 of 100" in desk.pane.status
    await desk.press("N", "N")
    assert desk.found.startswith("line 997")
    assert "went round the beginning" in desk.pane.status


async def test_what_was_typed_before_comes_again(desk: Desk) -> None:
    desk.write(numbered(1, 50))
    await desk.open()
    for text in ("line 1", "line 2"):
        await desk.look_for(text)
    await desk.pilot.press("slash", "ctrl+u", "x", "up", "up")
    entry = desk.app.query_one(Input)
    assert entry.value == "line 1"
    await desk.pilot.press("down")
    assert entry.value == "line 2"
    await desk.pilot.press("down")
    assert entry.value == "x"


async def test_going_to_lines_parts_and_times(desk: Desk) -> None:
    write_timed(desk, 600, 10.0)
    await desk.open()
    await desk.enter("ctrl+g", "123")
    assert desk.found == "line 123"
    await desk.enter("ctrl+g", "50%")
    assert desk.found.startswith("line 3")
    await desk.enter("ctrl+g", "12:30:00")
    assert desk.found in ("line 180", "line 181")
    await desk.enter("ctrl+g", "+5m")
    assert desk.found in ("line 209", "line 210", "line 211", "line 212")
    await desk.enter("ctrl+g", "-30m")
    assert int(desk.found.split()[1]) in range(28, 34)
    await desk.enter("ctrl+g", "99999")
    assert desk.found == "line 600"
    await desk.enter("ctrl+g", "somewhere")
    assert "is not a place in a log" in desk.pane.status
    desk.pane.goto_time(NOON + 1000)
    await desk.settle()
    assert desk.found in ("line 100", "line 101")


async def test_times_in_turn(desk: Desk) -> None:
    write_timed(desk, 100, 60.0)
    await desk.open()
    await desk.press("#", "t")
    assert desk.rows[-1].startswith("13:40:00 line 100") or desk.rows[-1].startswith("13:39:5")
    await desk.press("t")
    assert desk.rows[-1].split()[0] == "+60.0s"
    await desk.press("t")
    assert desk.rows[-1].split()[0].startswith("1:39:0")
    await desk.press("t")
    assert desk.rows[-1].startswith("line 100")
    assert desk.pane.look.times is Times.OFF


async def test_without_times_it_says_so(desk: Desk) -> None:
    desk.write(numbered(1, 10))
    await desk.open()
    await desk.enter("ctrl+g", "+5m")
    assert "nobody noted when" in desk.pane.status
    await desk.press("g")
    assert "nobody noted when" not in desk.pane.status
    await desk.press("t")
    assert "nobody noted when" in desk.pane.status


async def test_bookmarks(desk: Desk) -> None:
    desk.write(numbered(1, 300))
    await desk.open()
    await desk.press("]")
    assert "no bookmarks" in desk.pane.status
    for line in (50, 150, 250):
        await desk.enter("ctrl+g", f"{line}")
        await desk.press("b")
    assert [row[0] for row in desk.rows].count("▌") == 1
    await desk.press("]")
    assert desk.found == "line 50"
    await desk.press("]")
    assert desk.found == "line 150"
    await desk.press("[", "[")
    assert desk.found == "line 250"
    await desk.press("b", "[")
    assert desk.found == "line 150"


async def test_lines_are_selected_and_copied(desk: Desk, copied: list[tuple[str, str]]) -> None:
    long = "训练" * 4000
    desk.write(numbered(1, 100) + f"\x1b[31mred\x1b[0m\tand \x1b]52;c;x\x07more\n{long}\nend\n")
    await desk.open()
    await desk.press("v", "k", "k", "k")
    assert "4 lines selected" in desk.pane.status
    await desk.press("y")
    assert copied == [(f"line 100\nred\tand more\n{long}\nend", "4 lines")]
    assert "selected" not in desk.pane.status
    await desk.press("g", "V", "pagedown", "j", "escape")
    assert "selected" not in desk.pane.status
    await desk.press("V", "G", "y")
    assert len(copied[-1][0].splitlines()) == 103 - desk.pane.view.page.height + 1 or copied[-1][1]
    await desk.enter("ctrl+g", "7")
    await desk.press("y")
    assert copied[-1] == ("line 7", "1 line")


async def test_a_clipped_line_is_copied_whole(desk: Desk, copied: list[tuple[str, str]]) -> None:
    desk.write("x" * 100_000 + "\nend\n")
    await desk.open()
    await desk.press("g", "v", "y")
    assert copied == [("x" * 100_000, "1 line")]


async def test_lines_are_selected_with_the_mouse(desk: Desk, copied: list[tuple[str, str]]) -> None:
    desk.write(numbered(1, 100))
    await desk.open()
    view = desk.pane.view
    await desk.pilot.mouse_down(view, offset=(20, 2))
    await desk.pilot.hover(view, offset=(25, 5))
    await desk.pilot.mouse_up(view, offset=(25, 5))
    await desk.settle()
    assert "4 lines selected" in desk.pane.status
    await desk.press("y")
    assert len(copied[0][0].splitlines()) == 4
    await desk.pilot.click(view, offset=(20, 2))
    await desk.settle()
    assert "selected" not in desk.pane.status


async def test_the_scroll_bar_is_dragged(desk: Desk) -> None:
    desk.write(numbered(1, 5000))
    await desk.open()
    view = desk.pane.view
    last = view.size.width - 1
    await desk.pilot.mouse_down(view, offset=(last, 0))
    await desk.settle()
    assert desk.texts[0] == "line 1"
    await desk.pilot.hover(view, offset=(last - 10, view.size.height // 2))
    await desk.settle()
    assert 2000 < int(desk.texts[0].split()[1]) < 3100
    await desk.pilot.hover(view, offset=(last, view.size.height - 1))
    await desk.pilot.mouse_up(view, offset=(last, view.size.height - 1))
    await desk.settle()
    assert desk.pane.following


async def test_saving_never_writes_over(desk: Desk, tmp_path: Path) -> None:
    desk.write("".join(f"{n} {'odd' if n % 2 else 'even'}\n" for n in range(3000)))
    await desk.open()
    await desk.enter("&", "odd")
    target = tmp_path / "saved.log"
    await desk.enter("ctrl+s", str(target))
    await until(desk.pilot, lambda: "saved to" in desk.pane.status)
    assert target.read_text() == "".join(f"{n} odd\n" for n in range(3000) if n % 2)
    await desk.enter("ctrl+s", str(target))
    await until(desk.pilot, lambda: "is there already" in desk.pane.status)
    await desk.enter("ctrl+s", str(tmp_path / "nowhere" / "saved.log"))
    await until(desk.pilot, lambda: "cannot be written" in desk.pane.status)


async def test_the_pager_opens_at_the_line(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(log_pane, "run_outside", lambda _, command: ran.append(list(command)))
    monkeypatch.setenv("PAGER", "less -R")
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    desk.write(numbered(1, 100))
    await desk.open()
    await desk.enter("ctrl+g", "42")
    await desk.press("o")
    assert ran == [["less", "-R", "+42", str(desk.path)]]
    monkeypatch.setenv("PATH", "/nowhere")
    await desk.press("O")
    assert "$EDITOR is not set" in desk.pane.status
    monkeypatch.setenv("EDITOR", "/nowhere/vim")
    await desk.press("O")
    assert "no such program" in desk.pane.status


async def test_esc_ends_what_is_here_and_then_belongs_to_the_owner(desk: Desk) -> None:
    desk.write(numbered(1, 100))
    await desk.open()
    assert not desk.pane.check_action("leave", ())
    await desk.press("v")
    assert desk.pane.check_action("leave", ())
    await desk.press("escape")
    assert not desk.pane.check_action("leave", ())


async def test_text_of_a_failure_is_gone_to(desk: Desk) -> None:
    desk.write(numbered(1, 300) + "RuntimeError: boom\n" + numbered(301, 600))
    desk.pane.open(desk.path, "rank 0")
    desk.pane.goto_text("RuntimeError: boom")
    await desk.tick()
    assert desk.found == "RuntimeError: boom"
    assert not desk.pane.following
    # nothing was asked for here: esc is for going back at once
    assert desk.pane.check_action("leave", ()) is False
    desk.pane.focus()
    await desk.look_for("line 7")
    assert desk.pane.check_action("leave", ())


async def test_wide_text_aligns_in_every_mode(desk: Desk) -> None:
    desk.write("".join(f"{n} 训练数据🚀 wide {'长' * n}\n" for n in range(60)))
    await desk.open()
    await desk.look_for("训练")
    for keys in (("v", "k", "k"), ("w",), ("t",), ("b",), ("right",), ("#",), ("escape", "w")):
        await desk.press(*keys)
        width = desk.pane.view.size.width
        assert all(cell_len(row) == width for row in desk.rows)
