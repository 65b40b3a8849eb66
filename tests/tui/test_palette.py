from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from textual.widgets import Input

from rankdeck.config.settings import load_settings
from rankdeck.run.state import RunPhase
from tests.tui.fake_run import write_run
from tests.tui.hostile import CORPUS
from tests.tui.pilot import make_deck, screen_text, until, until_shown
from tui.palette import Choice, search
from tui.screens.commands import CommandsScreen
from tui.screens.palette import PaletteScreen
from tui.screens.runs import RunsScreen
from tui.screens.settings import SettingsScreen
from tui.widgets.row_table import RowTable

if TYPE_CHECKING:
    from pathlib import Path

    from tui.deck import Deck


@pytest.fixture(autouse=True)
def own_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RANKDECK_CONFIG", str(tmp_path / "config"))
    return tmp_path / "config"


def _offered(deck: Deck) -> list[str]:
    table: RowTable[Choice] = deck.screen.query_one(RowTable)
    return [choice.title for choice in table.rows]


def _choice(title: str, command: str = "", about: str = "", rank: int = 0) -> Choice:
    return Choice(title, about, "", command, lambda: None, rank)


async def test_it_offers_keys_places_runs_and_themes(home: Path) -> None:
    write_run(home, "llama")
    write_run(home, "vit", RunPhase.RUNNING)
    deck = make_deck(home)
    async with deck.run_test(size=(100, 30)) as pilot:
        await until_shown(pilot, "llama")
        await pilot.press("ctrl+p")
        await until(pilot, lambda: "open llama" in _offered(deck))
        offered = _offered(deck)
        for title in ("new", "rerun", "go to settings", "theme light", "stop vit", "quit"):
            assert title in offered
        assert "stop llama" not in offered
        assert "palette" not in offered
        shown = screen_text(deck)
        assert "Describe a new job and start it." in shown


async def test_a_place_is_gone_to_by_a_few_letters(home: Path) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "no runs")
        await pilot.press("ctrl+p", *"comm log", "enter")
        await until(pilot, lambda: isinstance(deck.screen, CommandsScreen))


async def test_what_a_key_does_is_done_by_the_widget_that_has_the_key(home: Path) -> None:
    write_run(home, "one")
    write_run(home, "two")
    deck = make_deck(home)
    async with deck.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: len(deck.screen.query_one(RowTable).rows) == 2)
        await pilot.press("ctrl+p", *"mark all", "enter")
        table: RowTable[object] = deck.screen_stack[0].query_one(RowTable)
        await until(pilot, lambda: len(table.marked) == 2)
        assert isinstance(deck.screen, RunsScreen)


async def test_commands_are_completed_and_done(home: Path, own_config: Path) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "no runs")
        await pilot.press("colon", *"sett", "tab")
        assert deck.screen.query_one(Input).value == ":settings"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(deck.screen, SettingsScreen))
        await pilot.press("colon", *"theme high", "enter")
        await until(pilot, lambda: deck.theme == "high-contrast")
        await until(pilot, lambda: load_settings(own_config, {}).settings.theme == "high-contrast")
        await pilot.press("colon", "q", "enter")
        await until(pilot, lambda: not deck.is_running or deck._exit)


async def test_a_rank_is_gone_to_by_its_number(home: Path) -> None:
    write_run(home, "one", ranks=4)
    deck = make_deck(home)
    async with deck.run_test(size=(120, 40)) as pilot:
        await until_shown(pilot, "one")
        await pilot.press("enter")
        await until_shown(pilot, "rank 0")
        await pilot.press("colon", *"rank 2", "enter")
        await until_shown(pilot, "rank 2 · node01:2")


async def test_escape_does_nothing_and_a_second_palette_is_not_opened(home: Path) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "no runs")
        await pilot.press("ctrl+p", "ctrl+p")
        assert len(deck.screen_stack) == 2
        await pilot.press("escape")
        assert isinstance(deck.screen, RunsScreen)


async def test_while_a_field_is_typed_into_a_colon_is_typed_and_ctrl_p_opens_it(home: Path) -> None:
    write_run(home, "one")
    deck = make_deck(home)
    async with deck.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "one")
        await pilot.press("slash", "colon", "question_mark")
        assert isinstance(deck.screen, RunsScreen)
        assert deck.screen.query_one(Input).value == ":?"
        await pilot.press("ctrl+p")
        assert isinstance(deck.screen, PaletteScreen)


async def test_a_deck_that_is_read_only_refuses_what_changes_something(home: Path) -> None:
    write_run(home, "one", RunPhase.FAILED)
    deck = make_deck(home)
    deck.controller.read_only = True
    async with deck.run_test(size=(100, 30), notifications=True) as pilot:
        await until_shown(pilot, "one")
        await pilot.press("ctrl+p", *"delete", "enter")
        await until_shown(pilot, "this deck is read-only")
        assert isinstance(deck.screen, RunsScreen)


def test_an_empty_search_keeps_the_order_and_words_find_the_best_first() -> None:
    found = (
        _choice("stop", rank=1),
        _choice("open stopwatch", rank=0),
        _choice("pause", about="does not stop", rank=2),
        _choice("s t o p", rank=3),
    )
    assert [choice.title for choice in search(found, "")] == [
        "open stopwatch",
        "stop",
        "pause",
        "s t o p",
    ]
    assert [choice.title for choice in search(found, "stop")] == [
        "stop",
        "open stopwatch",
        "pause",
        "s t o p",
    ]
    assert search(found, "stop banana") == ()


def test_behind_a_colon_only_commands_count_and_the_exact_one_is_first() -> None:
    found = (
        _choice("theme nord", "theme nord"),
        _choice("theme nord light", "theme nord-light"),
        _choice("theme"),
    )
    assert [choice.command for choice in search(found, ":theme nord")] == [
        "theme nord",
        "theme nord-light",
    ]
    assert [choice.command for choice in search(found, ":nord-l")] == ["theme nord-light"]


async def test_tab_types_what_fits_have_in_common_and_nothing_is_said_to_fit(home: Path) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "no runs")
        await pilot.press("colon", *"th", "tab")
        field = deck.screen.query_one(Input)
        assert field.value == ":theme "
        await pilot.press(*"textual-d", "tab")
        assert field.value == ":theme textual-dark"
        await pilot.press(*"xyz")
        await until_shown(pilot, "nothing is called that")
        await pilot.press("ctrl+u")
        await until(pilot, lambda: "nothing is called that" not in screen_text(deck))


def test_any_text_can_be_searched_for() -> None:
    for raw in CORPUS:
        text = raw.decode(errors="replace")
        search((_choice(text, text, text),), text)
        search((_choice("x"),), f":{text}")
