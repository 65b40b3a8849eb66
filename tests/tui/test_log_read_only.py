"""What a deck that is read-only still does with a log: it lets lines be taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.widgets import Input

from rankdeck.run.state import RunPhase
from rankdeck.run.store import RunStore
from tests.tui.fake_run import NOW, write_run
from tests.tui.pilot import screen_text, until, until_shown
from tui.deck import Deck

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


async def test_lines_are_saved_to_a_new_file_and_the_editor_is_refused(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[list[str]] = []
    monkeypatch.setattr("tui.widgets.log_pane.run_outside", lambda _, argv: opened.append(argv))
    monkeypatch.setenv("EDITOR", "nano")
    monkeypatch.setenv("PAGER", "less")
    run_id = write_run(home, "job", RunPhase.RUNNING, text="hello from the rank")
    deck = Deck(RunStore(home), run_id, read_only=True, clock=lambda: NOW)
    async with deck.run_test(size=(120, 40), notifications=True) as pilot:
        await until_shown(pilot, "hello from the rank")
        await pilot.press("2", "O")
        await until_shown(pilot, "editor: this deck is read-only")
        assert opened == []
        await pilot.press("o")
        await until(pilot, lambda: [argv[0] for argv in opened] == ["less"])
        target = tmp_path / "lines.txt"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(deck.focused, Input))
        assert isinstance(deck.focused, Input)
        deck.focused.value = str(target)
        await pilot.press("enter")
        await until(pilot, target.exists)
        await until_shown(pilot, "1 lines saved")
        assert "hello" in target.read_text()
        assert "read-only" in screen_text(deck)
