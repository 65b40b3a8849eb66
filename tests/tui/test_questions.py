"""What a backend asks while a job is being started, and who waits for the answer."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from rankdeck.run.state import RunPhase
from rankdeck.run.store import RunStore
from tests.tui import fake_backend
from tests.tui.fake_backend import AskingBackend
from tests.tui.fake_run import wait_for, write_project
from tests.tui.pilot import SMALL, WIDE, make_deck, screen_text, until, until_shown
from tui.asking import DeckAsk, Question
from tui.screens.confirm import ConfirmScreen
from tui.screens.new_job import NewJobScreen
from tui.screens.run import RunScreen
from tui.screens.secret import SecretScreen
from tui.widgets.form_field import FormField

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from textual.pilot import Pilot
    from textual.widget import Widget

    from tui.deck import Deck


@pytest.fixture(autouse=True)
def asking(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_backend.register_asking(monkeypatch)


async def _launch(pilot: Pilot[None], deck: Deck, project: Path) -> None:
    await pilot.press("n")
    await pilot.pause()
    fields = {field.key: field for field in deck.screen.query(FormField)}
    for key, text in {
        "project": str(project),
        "entry": "train.py",
        "launcher": "direct",
        "args": "3 0.01 0",
    }.items():
        fields[key].text = text
    await until_shown(pilot, "ready: ctrl+l starts")
    await pilot.press("ctrl+l")
    await until(pilot, lambda: isinstance(deck.screen, ConfirmScreen))


async def test_a_job_starts_when_everything_is_answered(home: Path, tmp_path: Path) -> None:
    project = write_project(tmp_path / "project")
    deck = make_deck(home, clock=None)
    async with deck.run_test(size=WIDE, notifications=True) as pilot:
        await _launch(pilot, deck, project)
        text = screen_text(deck)
        assert "Trust [/node1]?" in text
        assert "SHA256:[bold]abc[/]" in text
        # what agrees to anything elsewhere says how to answer, and answers nothing
        await pilot.press("enter")
        await until_shown(pilot, "y does it, n does not")
        assert isinstance(deck.screen, ConfirmScreen)
        # the interface goes on while the work waits
        heard: list[int | None] = []
        deck.controller.count_living(lambda count, _: heard.append(count))
        await until(pilot, lambda: heard == [0])
        await pilot.press("y")
        await until(pilot, lambda: isinstance(deck.screen, SecretScreen))
        assert "passphrase of [/id_rsa]" in screen_text(deck)
        await pilot.press(*"hunter2q?")
        await pilot.pause()
        assert "hunter2" not in screen_text(deck)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(deck.screen, RunScreen))
        await until_shown(pilot, "✔ succeeded")
    assert AskingBackend.answers == (True, "hunter2q?")
    (run,) = RunStore(home).list()
    assert run.state is RunPhase.SUCCEEDED


async def test_notices_hide_no_keys_of_a_question(home: Path) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=SMALL, notifications=True) as pilot:
        deck.notify("told before", timeout=600)
        await until_shown(pilot, "told before")
        deck.ask(((("Go on?", "title"),),), lambda: None)
        await until_shown(pilot, "y yes  n no")
        await until(pilot, lambda: screen_text(deck).count("told before") == 1)
        text = screen_text(deck)
        assert text.index("told before") < text.index("Go on?")
        await pilot.press("n")
        await until(pilot, lambda: "Go on?" not in screen_text(deck))
        await until_shown(pilot, "told before")


async def test_no_starts_nothing(home: Path, tmp_path: Path) -> None:
    project = write_project(tmp_path / "project")
    deck = make_deck(home)
    async with deck.run_test(size=SMALL, notifications=True) as pilot:
        await _launch(pilot, deck, project)
        await pilot.press("n")
        await until_shown(pilot, "node1 is not trusted")
        assert isinstance(deck.screen, NewJobScreen)
        # and it can be tried again
        await pilot.press("ctrl+l")
        await until(pilot, lambda: isinstance(deck.screen, ConfirmScreen))
        await pilot.press("y")
        await until(pilot, lambda: isinstance(deck.screen, SecretScreen))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(deck.screen, RunScreen))
    assert AskingBackend.answers == (True, None)
    wait_for(lambda: RunStore(home).list()[0].state.final)


async def test_leaving_is_no(home: Path, tmp_path: Path) -> None:
    project = write_project(tmp_path / "project")
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await _launch(pilot, deck, project)
        deck.exit()
    wait_for(lambda: bool(AskingBackend.answers))
    assert AskingBackend.answers == (False, None)
    assert RunStore(home).list() == ()


class _Gone(ConfirmScreen):
    """A question that comes when the interface is being left: it gets no parts."""

    def compose(self) -> Iterator[Widget]:
        yield from ()


async def test_a_question_that_comes_as_the_interface_is_left_harms_nothing(home: Path) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await deck.push_screen(_Gone(((("Go on?", "title"),),)))
        await pilot.press("n")
        await until(pilot, lambda: not isinstance(deck.screen, _Gone))


class _Nobody:
    """An app that never shows anything."""

    def __init__(self, *, takes: bool) -> None:
        self.takes = takes
        self.asked: list[Question] = []

    def post_message(self, message: Question) -> bool:
        self.asked.append(message)
        return self.takes


def test_questions_end_with_the_interface() -> None:
    app = _Nobody(takes=True)
    ask = DeckAsk(app)  # type: ignore[arg-type]
    answers: list[object] = []
    threads = [
        threading.Thread(target=lambda: answers.append(ask.confirm("a", "b")), daemon=True),
        threading.Thread(target=lambda: answers.append(ask.secret("a")), daemon=True),
    ]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(app.asked) == 2)
    assert answers == []
    ask.close()
    for thread in threads:
        thread.join(30)
    assert sorted(map(str, answers)) == ["False", "None"]
    assert ask.confirm("again", "") is False
    assert len(app.asked) == 2, "nobody is there to be asked"


def test_an_app_that_takes_no_messages_is_no() -> None:
    ask = DeckAsk(_Nobody(takes=False))  # type: ignore[arg-type]
    assert ask.confirm("a", "b") is False
    assert ask.secret("a") is None
