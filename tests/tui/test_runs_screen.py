from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rankdeck.run.state import Failure, RunPhase
from rankdeck.run.store import RunStore
from tests.tui.fake_run import write_run
from tests.tui.pilot import SMALL, WIDE, make_deck, screen_text, until, until_shown
from tui.looks import plain
from tui.widgets.run_table import RunTable
from tui.widgets.text_lines import TextLines

if TYPE_CHECKING:
    from pathlib import Path


async def test_empty_list_says_what_to_do(home: Path) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await until_shown(pilot, "There are no runs yet")
        assert "rankdeck demo" in screen_text(deck)


@pytest.mark.parametrize("size", [SMALL, WIDE, (200, 60)])
async def test_rows_tell_state_in_words(home: Path, size: tuple[int, int]) -> None:
    write_run(home, "good", RunPhase.SUCCEEDED, age=30)
    failure = Failure(rank=1, node="node01", category="exception", summary="rank 1 ran out")
    write_run(home, "bad", RunPhase.FAILED, age=90, failure=failure)
    deck = make_deck(home)
    async with deck.run_test(size=size) as pilot:
        await until_shown(pilot, "bad")
        text = screen_text(deck)
        good = next(line for line in text.splitlines() if "good" in line[:40])
        bad = next(line for line in text.splitlines() if "bad" in line[:40])
        for part in ("✔ succeeded", "3/10", "30%", "0.5", "0:30", "30s"):
            assert part in good
        for part in ("✖ failed", "rank 1 ran", "1m"):
            assert part in bad
        assert ("BACKEND" in text) == (size[0] >= 100)
        assert "1 failed · 1 succeeded" in text
        assert all(len(line) == size[0] for line in text.splitlines())


async def test_new_runs_appear_and_the_cursor_stays_on_its_run(home: Path) -> None:
    write_run(home, "one", age=200)
    write_run(home, "two", age=100)
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await until_shown(pilot, "two")
        await pilot.press("down")
        table = deck.screen.query_one(RunTable)
        assert table.selected is not None
        assert table.selected.name == "one"
        write_run(home, "three", age=10)
        await until_shown(pilot, "three")
        assert table.selected is not None
        assert table.selected.name == "one"


async def test_filter_by_words(home: Path) -> None:
    for name in ("llama-sft", "llama-dpo", "vit"):
        write_run(home, name, age={"llama-sft": 30, "llama-dpo": 20, "vit": 10}[name])
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await until_shown(pilot, "vit")
        table = deck.screen.query_one(RunTable)
        await pilot.press("slash", *"sft LLAMA", "enter")
        await until(pilot, lambda: [run.name for run in table.shown_runs] == ["llama-sft"])
        assert "1 of 3 shown" in screen_text(deck)
        await pilot.press("escape")
        await until(pilot, lambda: len(table.shown_runs) == 3)


async def test_delete_names_what_goes_and_asks(home: Path) -> None:
    run_id = write_run(home, "old")
    path = home / "runs" / run_id
    deck = make_deck(home)
    async with deck.run_test(size=WIDE) as pilot:
        await until_shown(pilot, "old")
        await pilot.press("d")
        await until_shown(pilot, "KiB)")
        text = screen_text(deck)
        assert "Delete old?" in text
        question = deck.screen.query_one(TextLines).lines
        assert any(str(path) in plain(line) for line in question)
        assert "logs of all ranks" in text
        await pilot.press("n")
        assert path.exists()
        await pilot.press("d", "y")
        await until(pilot, lambda: not path.exists())
        await until_shown(pilot, "There are no runs yet")


async def test_a_living_run_is_not_deleted(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.controller.Controller._adopt", lambda self, run_id: None)
    run_id = write_run(home, "live", RunPhase.RUNNING)
    deck = make_deck(home)
    async with deck.run_test(size=SMALL, notifications=True) as pilot:
        await until_shown(pilot, "live")
        await pilot.press("d")
        await until_shown(pilot, "stop it first")
        assert (home / "runs" / run_id).exists()


async def test_quit_says_that_runs_go_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.controller.Controller._adopt", lambda self, run_id: None)
    write_run(home, "live", RunPhase.RUNNING)
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await until_shown(pilot, "live")
        await pilot.press("q")
        await until_shown(pilot, "1 run goes on without it")
        await pilot.press("y")
        await pilot.pause()
    assert "1 run goes on" in deck.farewell


async def test_quit_without_living_runs_asks_nothing(home: Path) -> None:
    write_run(home, "done")
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await until_shown(pilot, "done")
        await pilot.press("q")
        await until(pilot, lambda: not deck.is_running)
    assert deck.farewell == ""


async def test_nothing_is_drawn_while_nothing_changes(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(home, "done")
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await until_shown(pilot, "done")
        await pilot.pause(0.2)
        drawn: list[object] = []
        monkeypatch.setattr(
            RunTable, "refresh", lambda self, *a, **k: drawn.append(a) or self, raising=True
        )
        asked = 0
        listed = RunStore.list

        def count(self: RunStore, limit: int | None = None) -> object:
            nonlocal asked
            asked += 1
            return listed(self, limit)

        monkeypatch.setattr(RunStore, "list", count)
        for _ in range(30):
            deck.screen.query_one(RunTable).tick(deck.clock())
            await pilot.pause(0.05)
        assert drawn == []
        assert asked == 0
