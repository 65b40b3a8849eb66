from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rankdeck.launchers.base import launcher_names
from rankdeck.run.state import RunPhase
from rankdeck.run.store import RunStore
from tests.tui.fake_run import write_project, write_run
from tests.tui.pilot import SMALL, WIDE, make_deck, screen_text, until, until_shown
from tui.looks import plain
from tui.screens.new_job import NewJobScreen
from tui.screens.run import RunScreen
from tui.widgets.form_field import FormField
from tui.widgets.form_plan import PlanView

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from textual.pilot import Pilot

    from tui.deck import Deck

DECLARED = {
    "HyperParameters": [
        {"name": "lr", "types": "float", "defaultValue": "3e-4", "description": "[/rank3] rate"},
        {"name": "amp", "types": "bool", "defaultValue": "false"},
        {"name": "seed", "types": "int", "required": True},
    ]
}


def _field(deck: Deck, key: str) -> FormField:
    return next(field for field in deck.screen.query(FormField) if field.key == key)


async def _type(pilot: Pilot[None], deck: Deck, key: str, text: str) -> None:
    """All but the last character as one paste."""
    field = _field(deck, key).input
    field.focus()
    await pilot.press("end", "ctrl+u")
    field.insert_text_at_cursor(text[:-1])
    await pilot.press(text[-1])


async def test_options_are_asked_for_where_a_launcher_has_any(home: Path, tmp_path: Path) -> None:
    project = write_project(tmp_path / "project")
    deck = make_deck(home, clock=None)
    async with deck.run_test(size=WIDE) as pilot:
        await pilot.press("n")
        await pilot.pause()
        await _type(pilot, deck, "project", str(project))
        await until(pilot, lambda: not _field(deck, "launcher_args").display)
        await _type(pilot, deck, "launcher", "accelerate")
        await until(pilot, lambda: _field(deck, "launcher_args").display)
        await _type(pilot, deck, "launcher_args", "--mixed_precision bf16 --num_machines 2")
        await until(pilot, lambda: bool(_field(deck, "launcher_args").problem))
        assert "--num_machines cannot be used" in _field(deck, "launcher_args").problem
        await _type(pilot, deck, "launcher_args", "--mixed_precision bf16")
        await until(pilot, lambda: not _field(deck, "launcher_args").problem)


async def test_from_the_form_to_the_run(home: Path, tmp_path: Path) -> None:
    project = write_project(tmp_path / "project")
    (project / "HyperParameters.json").write_text(json.dumps(DECLARED))
    deck = make_deck(home, clock=None)
    async with deck.run_test(size=WIDE) as pilot:
        await pilot.press("n")
        await pilot.pause()
        await _type(pilot, deck, "project", str(project))
        await _type(pilot, deck, "args", "5 0.01 0")
        await _type(pilot, deck, "entry", "train.py")
        await _type(pilot, deck, "launcher", "direct")
        await pilot.press("f3")
        await until_shown(pilot, "[/rank3] rate")
        await until_shown(pilot, "3e-4")
        # what is required and missing is told before anything is typed into it
        await until(pilot, lambda: bool(_field(deck, "hyperparameters.seed").problem))
        await _type(pilot, deck, "hyperparameters.seed", "x")
        await until_shown(pilot, "✖ must be")
        await pilot.press("ctrl+l")
        await pilot.pause(0.3)
        assert isinstance(deck.screen, NewJobScreen)
        assert RunStore(home).list() == ()
        await _type(pilot, deck, "hyperparameters.seed", "42")
        await pilot.press("f5")
        await _type(pilot, deck, "nproc_per_node", "2")
        await pilot.press("f6")
        await until_shown(pilot, "env   seed=42")
        await until_shown(pilot, "ready: ctrl+l starts")
        await pilot.press("ctrl+l")
        await until(pilot, lambda: isinstance(deck.screen, RunScreen))
        await until_shown(pilot, "✔ succeeded")
    (run,) = RunStore(home).list()
    assert (run.world_size, run.state) == (2, RunPhase.SUCCEEDED)


async def test_problems_stand_beside_their_fields_and_in_the_preview(
    home: Path, tmp_path: Path
) -> None:
    project = write_project(tmp_path / "project")
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await pilot.press("n")
        await pilot.pause()
        await _type(pilot, deck, "project", str(project))
        await _type(pilot, deck, "entry", "nothing.py")
        await pilot.press("f5")
        await _type(pilot, deck, "time_limit", "soon")
        assert "duration" in _field(deck, "time_limit").problem
        await until(pilot, lambda: bool(_field(deck, "entry").problem))
        assert "f2 Project ✖1" in screen_text(deck)
        await pilot.press("f6")
        await until_shown(pilot, "Not ready yet")
        text = screen_text(deck)
        assert "Time limit" in text or "--time-limit" in text
        assert "nothing.py" in text
        await pilot.press("ctrl+l")
        await until(pilot, lambda: deck.focused is _field(deck, "entry").input)
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(deck.screen, NewJobScreen))
    assert RunStore(home).list() == ()


async def test_values_can_be_gone_through(home: Path, tmp_path: Path) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await pilot.press("n")
        await pilot.pause()
        launcher = _field(deck, "launcher")
        launcher.input.focus()
        seen = set()
        for _ in launcher_names():
            await pilot.press("ctrl+down")
            seen.add(launcher.text)
        assert seen == set(launcher_names())


async def test_rerun_shows_the_old_plan_and_the_difference(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(home, "old")
    deck = make_deck(home)
    async with deck.run_test(size=WIDE) as pilot:
        await until_shown(pilot, "old")
        await pilot.press("r")
        await until_shown(pilot, "run again")
        await until_shown(pilot, "node 0:")
        await pilot.press("f5")
        await _type(pilot, deck, "nproc_per_node", "3")
        await pilot.press("f6")
        await until_shown(pilot, "Ranks per node: 4 → 3")
        await until_shown(pilot, "ranks 0-2")


async def test_many_keystrokes_end_in_the_last_text(home: Path, tmp_path: Path) -> None:
    project = write_project(tmp_path / "project")
    deck = make_deck(home)
    async with deck.run_test(size=WIDE) as pilot:
        await pilot.press("n")
        await pilot.pause()
        await _type(pilot, deck, "project", str(project))
        _field(deck, "name").input.focus()
        await pilot.press(*"abcdefghijklmnopqrstuvwxyz")
        await pilot.press("f6")
        await until_shown(pilot, "abcdefghijklmnopqrstuvwxyz")


async def test_a_preview_that_cannot_be_worked_out_says_so_in_its_place(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_more: object) -> None:
        raise OSError(5, "Input/output error", "/proj/[bold]x")

    monkeypatch.setattr("tui.preview.preview_job", fail)
    deck = make_deck(home, clock=None)
    async with deck.run_test(size=WIDE) as pilot:
        await pilot.press("n")
        await until(pilot, lambda: bool(deck.screen.query(PlanView)))
        plan = deck.screen.query_one(PlanView)
        await until(pilot, lambda: "[bold]x" in plain(plan.rows[0].line))
        assert plain(plan.rows[0].line) == "✖ [Errno 5] Input/output error: '/proj/[bold]x'"
