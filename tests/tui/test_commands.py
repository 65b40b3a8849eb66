from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rankdeck.command_log import executed, keep_in
from tests.tui.fake_run import write_run
from tests.tui.hostile import CORPUS
from tests.tui.pilot import make_deck, screen_text, until, until_shown
from tests.tui.test_hostile_screens import assert_plain
from tui.screens.commands import CommandsScreen
from tui.screens.runs import RunsScreen
from tui.widgets.row_table import RowTable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rankdeck.command_log import Logged
    from tui.deck import Deck


@pytest.fixture
def logged(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state directory in which a client and a run's supervisor have executed something."""
    monkeypatch.setenv("RANKDECK_HOME", str(home))
    run_id = write_run(home, "llama")
    keep_in(home / "runs" / run_id)
    executed(["srun", "--jobid=7", "agent 一"], why="start the agents", exit_code=1, seconds=3.0)
    keep_in(None)
    executed(["squeue", "--me", "--format=%i|%T"], why="ask Slurm", exit_code=0, seconds=0.2)
    executed(["echo hi | cat"], why="over the connection", host="node02")
    yield home
    keep_in(None)


def _rows(deck: Deck) -> list[str]:
    table: RowTable[Logged] = deck.screen.query_one(RowTable)
    return [one.line for one in table.rows]


async def test_what_was_executed_is_shown_newest_last(logged: Path) -> None:
    deck = make_deck(logged)
    async with deck.run_test(size=(140, 30)) as pilot:
        await until_shown(pilot, "llama")
        await pilot.press("ctrl+o")
        await until(pilot, lambda: len(_rows(deck)) == 3)
        assert _rows(deck) == [
            "srun --jobid=7 'agent 一'",
            "squeue --me '--format=%i|%T'",
            "echo hi | cat",
        ]
        text = screen_text(deck)
        assert "✖ 1" in text
        assert "✔ 0" in text
        assert "node02" in text
        # the command under the cursor, with everything known of it
        assert "over the connection · on node02" in text


async def test_enter_shows_that_it_went_to_the_whole_command(logged: Path) -> None:
    deck = make_deck(logged)
    async with deck.run_test(size=(140, 30)) as pilot:
        await until_shown(pilot, "llama")
        await pilot.press("ctrl+o")
        await until(pilot, lambda: len(_rows(deck)) == 3)
        assert "3 commands" in screen_text(deck)
        full = deck.screen.query_one("#full")
        before = full.styles.background
        await pilot.press("enter")
        await until(pilot, lambda: full.has_focus and full.styles.background != before)
        await pilot.press("escape")
        await until(pilot, lambda: full.styles.background == before)


async def test_it_is_filtered_and_shown_again(logged: Path) -> None:
    deck = make_deck(logged)
    async with deck.run_test(size=(120, 30)) as pilot:
        await until_shown(pilot, "llama")
        await pilot.press("grave_accent")
        await until(pilot, lambda: len(_rows(deck)) == 3)
        await pilot.press("slash", *"!squeue !hi", "enter")
        await until(pilot, lambda: _rows(deck) == ["srun --jobid=7 'agent 一'"])
        await until_shown(pilot, "1 of 3 shown")
        await pilot.press("escape")
        await until(pilot, lambda: len(_rows(deck)) == 3)
        assert isinstance(deck.screen, CommandsScreen)
        await pilot.press("enter")
        assert deck.screen.focused is deck.screen.query_one("#full")
        await pilot.press("escape", "escape")
        assert isinstance(deck.screen, RunsScreen)


async def test_commands_are_copied_as_a_shell_takes_them(
    logged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deck = make_deck(logged)
    copied: list[tuple[str, str]] = []
    monkeypatch.setattr(deck, "copy", lambda text, what: copied.append((text, what)))
    async with deck.run_test(size=(120, 30)) as pilot:
        await until_shown(pilot, "llama")
        await pilot.press("ctrl+o")
        await until(pilot, lambda: len(_rows(deck)) == 3)
        await pilot.press("y", "home", "space", "space", "y")
        assert copied == [
            ("echo hi | cat", "the command"),
            ("srun --jobid=7 'agent 一'\nsqueue --me '--format=%i|%T'", "2 commands"),
        ]


async def test_hostile_text_is_only_text(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANKDECK_HOME", str(home))
    home.mkdir(parents=True)  # noqa: ASYNC240
    keep_in(None)
    for raw in CORPUS:
        text = raw.decode(errors="replace")[:3000]
        executed(["sh", "-c", text], why=text[:80], host=text[:40], exit_code=1)
    deck = make_deck(home)
    async with deck.run_test(size=(120, 40)) as pilot:
        await until_shown(pilot, "no runs")
        await pilot.press("ctrl+o")
        await until(pilot, lambda: len(_rows(deck)) > 5)
        for _ in range(len(_rows(deck))):
            await pilot.press("up")
            assert_plain(deck)
