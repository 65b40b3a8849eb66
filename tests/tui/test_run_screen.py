from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from textual.widget import Widget
from textual.widgets import ContentSwitcher

from rankdeck.run.layout import RunDir
from rankdeck.run.state import Failure, RunPhase
from rankdeck.run.view import RunReader
from tests.tui.fake_run import real_run, wait_for, write_run
from tests.tui.pilot import SMALL, WIDE, make_deck, screen_text, until, until_shown
from tui.screens.run import RunScreen
from tui.screens.runs import RunsScreen
from tui.widgets.rank_grid import RankGrid

if TYPE_CHECKING:
    from pathlib import Path

    from textual.geometry import Region

FAILURE = Failure(
    rank=2,
    node="node01",
    category="exception",
    summary="rank 2 on node01 raised ValueError: boom",
    evidence=("Traceback (most recent call last):", "ValueError: boom"),
    collateral_ranks=(0, 1, 3),
    hint="look at line 6",
)


@pytest.mark.parametrize("size", [SMALL, WIDE, (200, 60)])
async def test_failed_run_shows_its_failure_first(home: Path, size: tuple[int, int]) -> None:
    run_id = write_run(home, "bad", RunPhase.FAILED, failure=FAILURE)
    deck = make_deck(home, run_id)
    async with deck.run_test(size=size) as pilot:
        await until_shown(pilot, "ended because of it: ranks 0-1, 3")
        text = screen_text(deck)
        for part in (
            "bad  ✖ failed",
            "0:30",
            "step 3/10",
            "30 %",
            "loss 0.5",
            "rank 2, node node01 · exception · certain",
            "│ ValueError: boom",
            "try: look at line 6",
        ):
            assert part in text
        assert deck.screen.query_one(RankGrid).selected == 2
        # beside each other where there is room, else one above the other
        grid, panes = deck.screen.query_one(RankGrid), deck.screen.query_one("#main")
        assert (panes.region.x > 0) == (size[0] >= 100)
        assert grid.region.height >= 2
        assert panes.region.height >= 12


async def test_numbers_switch_panes(home: Path) -> None:
    run_id = write_run(home, "good", text="hello from the rank")
    deck = make_deck(home, run_id)
    async with deck.run_test(size=SMALL) as pilot:
        await until_shown(pilot, "hello from the rank")
        await pilot.press("3")
        await until_shown(pilot, "created")
        await pilot.press("4")
        await until_shown(pilot, "no rank has failed")
        await pilot.press("2")
        assert deck.screen.query_one(ContentSwitcher).current == "log"
        await pilot.press("1")
        assert deck.focused is deck.screen.query_one(RankGrid)
        await pilot.press("right")
        await until_shown(pilot, "rank 1 · node01:1")
        await pilot.press("enter")
        assert deck.focused is not deck.screen.query_one(RankGrid)
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(deck.screen, RunsScreen)


async def test_live_run_is_followed_stopped_and_seen_to_end(home: Path, tmp_path: Path) -> None:
    run_id = real_run(home, tmp_path / "job", steps=100_000, pause=0.02)
    reader = RunReader(RunDir(home / "runs" / run_id))
    deck = make_deck(home, clock=None)
    async with deck.run_test(size=WIDE) as pilot:
        await until_shown(pilot, "job")
        await pilot.press("enter")
        await until_shown(pilot, "● running")
        await until_shown(pilot, "2 stepping")
        await until_shown(pilot, "[rank0] step")
        await pilot.press("s")
        await until_shown(pilot, "Stop job?")
        await pilot.press("n")
        await pilot.pause()
        assert isinstance(deck.screen, RunScreen)
        assert reader.snapshot().run.state is RunPhase.RUNNING
        await pilot.press("s", "y")
        await until_shown(pilot, "■ stopped")
        await until_shown(pilot, "stopped by the user")
    assert reader.snapshot().run.state is RunPhase.STOPPED


async def test_a_run_that_fails_while_it_is_seen(home: Path, tmp_path: Path) -> None:
    run_id = real_run(home, tmp_path / "job", steps=1000, pause=0.02, fail=40)
    deck = make_deck(home, run_id, clock=None)
    async with deck.run_test(size=WIDE) as pilot:
        await until_shown(pilot, "✖ failed")
        await until_shown(pilot, "boom [/rank3]")
        assert deck.screen.query_one(ContentSwitcher).current == "failure"
        assert deck.screen.query_one(RankGrid).selected == 1


async def test_dead_supervisor_is_replaced(home: Path, tmp_path: Path) -> None:
    import os
    import signal

    from rankdeck.run.lock import lock_holder

    run_id = real_run(home, tmp_path / "job", steps=100_000, pause=0.05)
    run = RunDir(home / "runs" / run_id)
    reader = RunReader(run)
    wait_for(lambda: reader.snapshot().run.state is RunPhase.RUNNING)
    first = lock_holder(run.supervisor_lock)
    assert first is not None
    os.kill(first, signal.SIGKILL)
    deck = make_deck(home, run_id, clock=None)
    async with deck.run_test(size=SMALL) as pilot:
        await until(pilot, lambda: lock_holder(run.supervisor_lock) not in (None, first))
        await pilot.press("K", "y")
        await until_shown(pilot, "■ stopped")


async def test_deleted_run_goes_back_to_the_list(home: Path) -> None:
    from rankdeck.run.store import RunStore

    run_id = write_run(home, "good")
    deck = make_deck(home, run_id)
    async with deck.run_test(size=SMALL, notifications=True) as pilot:
        await until_shown(pilot, "✔ succeeded")
        RunStore(home).remove(RunDir(home / "runs" / run_id))
        await until(pilot, lambda: isinstance(deck.screen, RunsScreen))
        await until_shown(pilot, "has been deleted")


async def test_nothing_is_drawn_while_an_ended_run_is_seen(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = write_run(home, "bad", RunPhase.FAILED, failure=FAILURE)
    deck = make_deck(home, run_id)
    async with deck.run_test(size=WIDE) as pilot:
        await until_shown(pilot, "ended because of it")
        await pilot.pause(0.3)
        drawn: list[str] = []
        refresh = Widget.refresh

        def count(self: Widget, *regions: Region, **how: bool) -> Widget:
            drawn.append(type(self).__name__)
            return refresh(self, *regions, **how)

        monkeypatch.setattr(Widget, "refresh", count)
        # longer than any clock or poll of the interface
        await pilot.pause(2.5)
        assert drawn == []
