from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from rankdeck.config.settings import load_settings
from rankdeck.errors import Problem
from rankdeck.run.store import RunStore
from tests.tui.pilot import make_deck, screen_text, until, until_shown
from tui.deck import Deck
from tui.keys.live import change_keys
from tui.screens.runs import RunsScreen
from tui.screens.settings import SettingsScreen
from tui.widgets.row_table import RowTable

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "config"
    folder.mkdir()
    monkeypatch.setenv("RANKDECK_CONFIG", str(folder))
    return folder


async def _open(pilot: Pilot[None], deck: Deck, row: str) -> None:
    await until_shown(pilot, "no runs")
    await pilot.press("comma")
    await until(pilot, lambda: isinstance(deck.screen, SettingsScreen))
    assert deck.screen.query_one(RowTable).select(row)
    await pilot.pause()


async def test_a_theme_is_seen_at_once_and_kept(home: Path, config: Path) -> None:
    (config / "config.yaml").write_text("# mine\nmouse: true\n")
    deck = make_deck(home)
    async with deck.run_test(size=(80, 24)) as pilot:
        await _open(pilot, deck, "theme")
        await pilot.press("right")
        assert deck.theme == "light"
        await until_shown(pilot, "◂ light ▸")
        await until(pilot, lambda: load_settings(config, {}).settings.theme == "light")
        assert (config / "config.yaml").read_text().startswith("# mine\nmouse: true\n")
        await pilot.press("d")
        assert deck.theme == "dark"
        await until(pilot, lambda: load_settings(config, {}).settings.theme == "")


async def test_a_switch_is_turned_and_kept(home: Path, config: Path) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=(120, 40)) as pilot:
        await _open(pilot, deck, "read-only")
        await pilot.press("enter")
        assert deck.read_only
        await until(pilot, lambda: load_settings(config, {}).settings.read_only)
        await until_shown(pilot, "● on")
        await pilot.press("enter")
        assert not deck.read_only


async def test_a_text_is_typed(home: Path, config: Path) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=(120, 40)) as pilot:
        await _open(pilot, deck, "command at ends")
        await pilot.press("enter", *"notify-send [x]", "enter")
        await until(
            pilot, lambda: load_settings(config, {}).settings.notify_command == "notify-send [x]"
        )
        await until_shown(pilot, "notify-send [x]")
        await pilot.press("enter", "x", "escape")
        assert isinstance(deck.screen, SettingsScreen)
        assert deck.settings.notify_command == "notify-send [x]"


async def test_a_wrong_pattern_is_told_beside_it_and_not_kept(home: Path, config: Path) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=(120, 40)) as pilot:
        await _open(pilot, deck, "log patterns")
        await pilot.press("enter", *"a=(", "enter")
        await until_shown(pilot, "is not a valid regular expression")
        assert load_settings(config, {}).settings.metric_patterns == ()
        await pilot.press(*"?P<a>.)", "enter")
        await until(
            pilot, lambda: load_settings(config, {}).settings.metric_patterns == ("a=(?P<a>.)",)
        )


async def test_what_does_not_count_is_listed_with_its_line(home: Path) -> None:
    store = RunStore(home)
    store.ensure()
    problems = (
        Problem("is not a setting", file="/c/config.yaml", line=3, key="[red]muose", hint="mouse?"),
        Problem("q is already taken", file="/c/keymap.yaml", line=7, key="run.stop"),
    )
    deck = Deck(store, problems=problems)
    async with deck.run_test(size=(120, 40)) as pilot:
        await _open(pilot, deck, "keys")
        text = screen_text(deck)
        assert "/c/config.yaml:3: [red]muose: is not a setting" in text
        assert "/c/keymap.yaml:7: run.stop: q is already taken" in text
        assert "! 1 conflicts or mistakes" in text
        await pilot.press("escape")
        assert isinstance(deck.screen, RunsScreen)


async def test_a_broken_file_is_told_and_never_written(home: Path, config: Path) -> None:
    (config / "config.yaml").write_text("theme: [\n")
    deck = make_deck(home)
    async with deck.run_test(size=(120, 40), notifications=True) as pilot:
        await _open(pilot, deck, "read-only")
        await pilot.press("enter")
        await until_shown(pilot, "nothing was saved")
        assert (config / "config.yaml").read_text() == "theme: [\n"


async def test_without_an_editor_it_says_so_and_with_one_the_file_counts_after(
    home: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EDITOR", raising=False)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    deck = make_deck(home)
    async with deck.run_test(size=(120, 40), notifications=True) as pilot:
        await _open(pilot, deck, "theme")
        await pilot.press("e")
        await until_shown(pilot, "$EDITOR is not set")
        ran: list[list[str]] = []

        def edit(app: object, command: list[str]) -> None:
            ran.append(command)
            (config / "config.yaml").write_text("theme: light\nmuose: 1\n")

        monkeypatch.setenv("EDITOR", "/bin/true")
        monkeypatch.setattr("tui.outside.run_outside", edit)
        await pilot.press("e")
        await until(pilot, lambda: deck.theme == "light")
        assert ran == [["/bin/true", os.path.join(config, "config.yaml")]]
        await until_shown(pilot, "did you mean mouse?")


async def test_a_changed_keymap_holds_at_once_and_conflicts_are_told(
    home: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def edit(app: object, command: list[str]) -> None:
        (config / "keymap.yaml").write_text(
            "settings.copy: Y\nruns.new-job: z\neverywhere.help: f9\nsettings.reset: e\n"
        )

    monkeypatch.setenv("EDITOR", "true")
    monkeypatch.setattr("tui.outside.run_outside", edit)
    copied: list[str] = []
    deck = make_deck(home)
    monkeypatch.setattr(deck, "copy", lambda text, what: copied.append(what))
    try:
        async with deck.run_test(size=(200, 60), notifications=True) as pilot:
            await _open(pilot, deck, "keys")
            await pilot.press("y")
            assert copied == ["the path"]
            await pilot.press("e")
            await until_shown(pilot, "1 line of your files without effect")
            # the conflict, with its line; what it wanted stays as it was
            await until_shown(pilot, "keymap.yaml:4: settings.reset: e is already settings.edit")
            await until_shown(pilot, "Y copy the path")
            assert "d default" in screen_text(deck)
            await pilot.press("y")
            assert copied == ["the path"]
            await pilot.press("Y")
            assert copied == ["the path"] * 2
            # the screen below and the help follow, and so do screens that are opened later
            await pilot.press("f9")
            await until_shown(pilot, "Copy the path of the file")
            assert any(
                " Y " in line for line in screen_text(deck).splitlines() if "the path" in line
            )
            await pilot.press("escape", "escape")
            await until(pilot, lambda: isinstance(deck.screen, RunsScreen))
            await until_shown(pilot, "z new")
            await pilot.press("n")
            await pilot.pause()
            assert isinstance(deck.screen, RunsScreen)
            await pilot.press("z")
            await until(pilot, lambda: type(deck.screen).__name__ == "NewJobScreen")
            await pilot.press("f9")
            await until(pilot, lambda: type(deck.screen).__name__ == "HelpScreen")
    finally:
        change_keys(deck, {})


async def test_files_changed_elsewhere_are_read_with_a_key_and_built_in_keys_come_back(
    home: Path, config: Path
) -> None:
    deck = make_deck(home)
    try:
        async with deck.run_test(size=(120, 40), notifications=True) as pilot:
            await _open(pilot, deck, "keys")
            (config / "keymap.yaml").write_text("settings.back: b\n")
            await pilot.press("R")
            await until_shown(pilot, "your settings and keys hold now")
            await until_shown(pilot, "b back")
            # a keymap is checked against the built-in keys, not against those of the last one
            (config / "keymap.yaml").write_text("settings.copy: b\ntable.cursor-back: J\n")
            await pilot.press("R")
            await until_shown(pilot, "b copy the path")
            assert deck.problems == ()
            table = deck.screen.query_one(RowTable)
            await pilot.press("up")
            assert table.selected.title == "keys"
            await pilot.press("J")
            await until(pilot, lambda: table.selected.title == "log patterns")
            (config / "keymap.yaml").unlink()
            await pilot.press("R")
            await until_shown(pilot, "esc back")
            await pilot.press("escape")
            assert isinstance(deck.screen, RunsScreen)
    finally:
        change_keys(deck, {})
