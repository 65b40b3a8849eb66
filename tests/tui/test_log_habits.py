"""What people who know less and lnav press without thinking."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from textual.widgets import Input

from rankdeck.run.layout import RunDir
from rankdeck.run.state import RunPhase
from tests.tui.fake_run import write_run
from tests.tui.log_desk import Deck, Desk, numbered
from tests.tui.pilot import make_deck, until
from tui.screens.run import RunScreen
from tui.screens.runs import RunsScreen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from textual.pilot import Pilot

    from tui.deck import Deck as RealDeck
    from tui.widgets.log_pane import LogPane


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    app = Deck()
    async with app.run_test(size=(60, 13)) as pilot:
        yield Desk(app, pilot, tmp_path / "rank-0.log")


def _top(desk: Desk) -> int:
    return int(desk.texts[0].split()[1])


async def test_half_pages_and_pages(desk: Desk) -> None:
    desk.write(numbered(1, 100))
    await desk.open()
    height = desk.pane.view.size.height
    await desk.press("g", "ctrl+d")
    assert _top(desk) == 1 + height // 2
    await desk.press("ctrl+f")
    assert _top(desk) == height // 2 + height
    await desk.press("ctrl+b", "ctrl+u")
    assert _top(desk) == 1
    assert not desk.pane.following
    await desk.press("F")
    assert desk.pane.following
    await desk.press("v", "ctrl+u")
    assert f"{height // 2 + 1} lines selected" in desk.pane.status


async def test_long_lines_are_seen_to_their_end(desk: Desk) -> None:
    desk.write("x" * 300 + "END\nshort\n")
    await desk.open()
    room = desk.pane.view.text_width
    await desk.press("$")
    assert desk.texts[0].endswith("END")
    assert desk.pane.view.column == 303 - room
    await desk.press("shift+left")
    assert desk.pane.view.column == 303 - room - room // 2
    await desk.press("0")
    assert desk.texts[1] == "short"
    await desk.press("shift+right", "^")
    assert desk.pane.view.column == 0
    await desk.press("w", "$")
    assert desk.pane.view.column == 0


async def test_how_far_down_it_is(desk: Desk) -> None:
    desk.write(numbered(10, 99) + "line x\n" * 10)
    await desk.open()
    assert desk.pane.status == "following · 100 lines"
    await desk.enter("%", "50%")
    assert desk.pane.status.split(" · ")[-1] in ("57%", "58%", "59%")
    await desk.press("g")
    assert desk.pane.status == f"paused · 100 lines · {desk.pane.view.size.height}%"
    await desk.press("f", "f")
    assert desk.pane.status == "paused · 100 lines · 100%"


async def test_esc_takes_marks_away_and_then_the_filter(desk: Desk) -> None:
    desk.write(numbered(1, 100))
    await desk.open()
    assert desk.pane.check_action("leave", ()) is False
    await desk.enter("&", "line 2")
    await desk.look_for("line 23")
    assert desk.pane.view.pattern is not None
    await desk.press("escape")
    assert desk.pane.view.pattern is None
    assert desk.pane.look.filters
    await desk.press("n")
    assert desk.pane.view.pattern is not None
    await desk.press("escape", "escape")
    assert not desk.pane.look.filters
    assert desk.pane.check_action("leave", ()) is False


async def test_n_goes_on_with_errors_until_something_else_is_looked_for(desk: Desk) -> None:
    desk.write("".join(f"ValueError: {n}\nfine {n}\n" for n in range(10)))
    await desk.open()
    await desk.press("g", "e")
    first = desk.found
    await desk.press("n", "n", "N")
    assert (first, desk.found) == ("ValueError: 0", "ValueError: 1")
    await desk.look_for("fine 7")
    await desk.press("n")
    assert desk.found == "fine 7"
    await desk.enter("&", "fine")
    await desk.press("e")
    assert "no match for errors in what the filter shows" in desk.pane.status


# -- on the screen of a run -----------------------------------------------------------------


async def _open_log(deck: RealDeck, pilot: Pilot[None]) -> LogPane:
    await until(pilot, lambda: isinstance(deck.screen, RunScreen) and deck.screen.facts is not None)
    await pilot.press("2")
    screen = deck.screen
    assert isinstance(screen, RunScreen)
    pane = screen.logs.pane
    await until(pilot, lambda: bool(pane.view.page.rows) and pane.settled)
    return pane


async def test_what_was_typed_is_remembered_in_other_runs(home: Path) -> None:
    runs = [write_run(home, name, RunPhase.RUNNING) for name in ("one", "two")]
    deck = make_deck(home, runs[0])
    async with deck.run_test(size=(80, 24)) as pilot:
        await _open_log(deck, pilot)
        await pilot.press("slash", *"loss", "enter", "escape", "escape")
        await until(pilot, lambda: isinstance(deck.screen, RunsScreen))
        deck.open_run(runs[1])
        await _open_log(deck, pilot)
        await pilot.press("slash", "up")
        await until(pilot, lambda: isinstance(deck.focused, Input))
        assert isinstance(deck.focused, Input)
        assert deck.focused.value == "loss"


async def test_the_room_of_the_line_to_type_in_is_filled_again(home: Path) -> None:
    run = RunDir(home / "runs" / write_run(home, "job", RunPhase.RUNNING, text=numbered(1, 99)))
    deck = make_deck(home, run.id)
    async with deck.run_test(size=(80, 24)) as pilot:
        pane = await _open_log(deck, pilot)
        await pilot.press("slash", "x", "x", "enter", "g")
        await until(pilot, lambda: pane.settled)
        await pilot.pause()
        await until(pilot, lambda: len(pane.view.page.rows) == pane.view.size.height)
