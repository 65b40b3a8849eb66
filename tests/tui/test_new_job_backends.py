"""The form serves every backend by its own description."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rankdeck.backend import backend_names
from rankdeck.job.validate import NODE_FIELDS
from tests.tui import fake_backend
from tests.tui.fake_run import write_project
from tests.tui.pilot import SMALL, WIDE, make_deck, screen_text, until, until_shown
from tests.tui.test_hostile_screens import assert_plain
from tui.backend_form import PREFIX, check_option
from tui.widgets.form_field import FormField

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from tui.deck import Deck


@pytest.fixture(autouse=True)
def cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_backend.register(monkeypatch)


def _fields(deck: Deck) -> dict[str, FormField]:
    return {field.key: field for field in deck.screen.query(FormField)}


def _options(deck: Deck) -> list[str]:
    return [key.removeprefix(PREFIX) for key in _fields(deck) if key.startswith(PREFIX)]


async def _open(pilot: Pilot[None], deck: Deck, project: Path) -> None:
    await pilot.press("n")
    await pilot.pause()
    for key, text in {"project": str(project), "entry": "train.py", "launcher": "direct"}.items():
        _fields(deck)[key].text = text
    await pilot.press("f4")
    await until_shown(pilot, "ready: ctrl+l starts")


async def test_a_backend_brings_its_fields_and_keeps_what_was_typed(
    home: Path, tmp_path: Path
) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=(170, 40)) as pilot:
        await _open(pilot, deck, write_project(tmp_path / "project"))
        assert not any(_fields(deck)[name].display for name in NODE_FIELDS)
        assert _options(deck) == []
        backend = _fields(deck)["backend"]
        backend.editor.focus()
        while backend.text != "cluster":
            await pilot.press("ctrl+down")
        await until(pilot, lambda: len(_options(deck)) == len(fake_backend.OPTIONS))
        await until_shown(pilot, "Options of cluster (A cluster):")
        await until_shown(pilot, "[bold]Queue[/] to use.")
        await until_shown(pilot, "[/rank3]")
        assert_plain(deck)
        assert all(_fields(deck)[name].display for name in NODE_FIELDS)
        assert _fields(deck)[f"{PREFIX}cpus"].input.placeholder == "2"
        _fields(deck)[f"{PREFIX}partition"].text = "gpu"
        _fields(deck)["host"].text = "a,b[1-2]"
        lines = _fields(deck)[f"{PREFIX}line"].editor
        lines.focus()
        await pilot.press(*"one", "enter", *"two")
        await pilot.press("tab")
        assert not lines.has_focus
        assert _fields(deck)[f"{PREFIX}line"].text == "one\ntwo"
        exclusive = _fields(deck)[f"{PREFIX}exclusive"]
        exclusive.editor.focus()
        await pilot.press("ctrl+down")
        assert exclusive.text == "on"
        await until_shown(pilot, "ready: ctrl+l starts")

        backend.text = "local"
        await until(pilot, lambda: _options(deck) == [])
        # the nodes typed for the other backend do not disturb this one
        await until(pilot, lambda: not _fields(deck)["host"].display)
        await until_shown(pilot, "ready: ctrl+l starts")

        backend.text = "cluster"
        await until(pilot, lambda: len(_options(deck)) == len(fake_backend.OPTIONS))
        await until_shown(pilot, "ready: ctrl+l starts")
        kept = {key: _fields(deck)[PREFIX + key].text for key in _options(deck)}
        assert kept["partition"] == "gpu"
        assert kept["line"] == "one\ntwo"
        assert kept["exclusive"] == "on"
        assert _fields(deck)["host"].text == "a,b[1-2]"
        await pilot.press("f6")
        await until_shown(pilot, "3 on 3 nodes")
        await pilot.press("end")
        await until_shown(pilot, "node 2: b2 (rank 2)")


async def test_wrong_options_are_told_beside_their_fields(home: Path, tmp_path: Path) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await _open(pilot, deck, write_project(tmp_path / "project"))
        _fields(deck)["backend"].text = "cluster"
        await until(pilot, lambda: len(_options(deck)) == len(fake_backend.OPTIONS))
        for key, text, told in (
            ("cpus", "many", "must be a whole number"),
            ("rate", "fast", "must be a number"),
            ("exclusive", "maybe", "must be true or false"),
            ("when", "never", "must be one of now, later"),
        ):
            field = _fields(deck)[PREFIX + key]
            field.editor.focus()
            field.text = text
            await until(pilot, lambda: told in field.problem)  # noqa: B023
            await until_shown(pilot, "✖ must be")
        await until_shown(pilot, "f4 Nodes ✖4")
        await pilot.press("f2", "ctrl+l")
        await until(pilot, lambda: deck.focused is _fields(deck)[f"{PREFIX}cpus"].editor)


async def test_a_plan_for_a_scheduler_says_that_it_chooses(home: Path, tmp_path: Path) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=WIDE) as pilot:
        await _open(pilot, deck, write_project(tmp_path / "project"))
        _fields(deck)["backend"].text = "cluster"
        _fields(deck)["nnodes"].text = "3"
        await pilot.press("f6")
        await until_shown(pilot, "the scheduler chooses 3 nodes")
        await until_shown(pilot, "node 0: node-0, to be chosen by the scheduler (rank 0)")


async def test_an_unknown_backend_is_told_and_leaves_the_form_as_it_is(
    home: Path, tmp_path: Path
) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=WIDE) as pilot:
        await _open(pilot, deck, write_project(tmp_path / "project"))
        _fields(deck)["backend"].text = "cluster"
        await until(pilot, lambda: bool(_options(deck)))
        _fields(deck)["backend"].text = "clust"
        await until(pilot, lambda: "no backend named" in _fields(deck)["backend"].problem)
        assert len(_options(deck)) == len(fake_backend.OPTIONS)
        assert "Partition" in screen_text(deck)


@pytest.mark.parametrize(
    ("number", "text", "wrong"),
    [
        (1, "3", ""),
        (1, "3.5", "must be a whole number (got '3.5')"),
        (2, "3.5", ""),
        (3, "off", ""),
        (4, "", ""),
        (5, "a\n\nb", ""),
        (5, "a\nb\0", "line 2 holds a NUL character, which no process can be given"),
    ],
)
def test_options_are_checked_by_their_type(number: int, text: str, wrong: str) -> None:
    assert check_option(fake_backend.OPTIONS[number], text) == wrong


def test_no_backend_is_known_by_name() -> None:
    """Another backend must need nothing new here."""
    names = "|".join(set(backend_names()) - {"cluster"})
    quoted = re.compile(rf"""["']({names})["']""")
    sources = sorted((Path(__file__).parents[2] / "tui").rglob("*.py"))
    assert sources
    found = [
        f"{path.name}: {hit[0]}" for path in sources for hit in quoted.finditer(path.read_text())
    ]
    assert found == []
