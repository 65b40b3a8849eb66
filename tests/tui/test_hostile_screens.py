"""No text of a run, a project or a job becomes anything but text, on any screen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from rankdeck.errors import Problem, UserError
from rankdeck.run.state import Failure, RunPhase
from tests.tui import hostile
from tests.tui.fake_run import write_project, write_run
from tests.tui.pilot import SMALL, WIDE, make_deck, until, until_shown
from tui.form.last_run import LastRun
from tui.form.plan_rows import preview_rows
from tui.looks import wrap
from tui.preview import JobPreview
from tui.screens.new_job import NewJobScreen
from tui.widgets.form_field import FormField

if TYPE_CHECKING:
    from pathlib import Path

    from tui.deck import Deck

TEXTS = [line.decode(errors="replace") for line in hostile.CORPUS]
ALL = " ".join(TEXTS)


def assert_plain(deck: Deck) -> None:
    """Every cell of the screen is printable, and every line as wide as the screen."""
    for line in deck.screen._compositor.render_strips():
        assert all(segment.text.isprintable() for segment in line), ascii(line)
        assert sum(segment.cell_length for segment in line) == deck.size.width
    assert not any(
        segment.style is not None and segment.style.meta.get("@click")
        for line in deck.screen._compositor.render_strips()
        for segment in line
    )


@pytest.mark.parametrize("number", range(0, len(TEXTS), 3))
async def test_runs_and_run_screen(home: Path, number: int) -> None:
    first, second, third = (TEXTS[(number + i) % len(TEXTS)] for i in range(3))
    failure = Failure(
        rank=0,
        node=second,
        category=third,
        summary=second,
        hint=third,
        evidence=(*TEXTS[number : number + 3], ALL),
        collateral_ranks=(1,),
    )
    write_run(
        home,
        "evil",
        RunPhase.FAILED,
        shown=first,
        text=second,
        reason=third,
        failure=failure,
        ranks=2,
        node="[@click=app.bell]x[] \x1b[2J",
    )
    size = SMALL if number % 2 else WIDE
    deck = make_deck(home)
    async with deck.run_test(size=size, notifications=True) as pilot:
        await until_shown(pilot, "✖ failed")
        assert_plain(deck)
        for key in ("s", "d"):
            await pilot.press(key)
            await pilot.pause()
            assert_plain(deck)
        await pilot.press("n", "enter")
        await until_shown(pilot, "sure  ")
        assert_plain(deck)
        for key in ("5", "t", "4", "2", "3", "1", "v", "c", "z"):
            await pilot.press(key)
            await pilot.pause()
            assert_plain(deck)
        deck.tell(UserError(second, ALL))
        await pilot.pause()
        assert_plain(deck)


async def test_form(home: Path, tmp_path: Path) -> None:
    project = write_project(tmp_path / "[@click=app.bell]x[/]")
    entries = [
        {"name": f"p{i}", "types": "string", "defaultValue": t, "description": t}
        for i, t in enumerate(TEXTS)
    ]
    entries[0]["name"] = "[/rank3]"
    entries += [{"name": "e", "types": "enum", "choices": TEXTS[:3], "defaultValue": TEXTS[1]}]
    (project / "HyperParameters.json").write_text(json.dumps({"HyperParameters": entries}))
    deck = make_deck(home)
    async with deck.run_test(size=(120, 60)) as pilot:
        await pilot.press("n")
        await pilot.pause()
        assert isinstance(deck.screen, NewJobScreen)
        fields = {field.key: field for field in deck.screen.query(FormField)}
        fields["project"].input.value = str(project)
        await pilot.press("f3")
        await until_shown(pilot, "[/rank3]")
        assert_plain(deck)
        declared = next(f for f in deck.screen.query(FormField) if f.key.endswith("p2"))
        declared.input.value = ALL.replace("\0", "")
        fields["env"].input.value = TEXTS[1]
        await until(pilot, lambda: bool(fields["env"].problem))
        assert_plain(deck)
        fields["env"].input.value = ""
        fields["name"].input.value = TEXTS[2]
        await pilot.press("f6")
        await until_shown(pilot, "Not ready yet")
        assert_plain(deck)
        await pilot.press("f2")
        assert_plain(deck)
        assert "[@click=app.bell]x[" in fields["project"].input.value
        assert not declared.region


def test_preview_of_hostile_problems_and_plans() -> None:
    problems = tuple(Problem(text, file=text, line=1, key=text, hint=text) for text in TEXTS)
    preview = JobPreview(
        problems=problems,
        warnings=problems,
        batch=ALL,
        effective={"args": ALL},
        last=LastRun(ALL, ALL, ALL, 0.0, {}),
        before={"args": ALL, ALL: ALL},
    )
    for row in preview_rows(preview):
        for part in wrap(row.line, 60):
            assert all(text.isprintable() for text, _ in part)
