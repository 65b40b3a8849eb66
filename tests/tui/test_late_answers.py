"""What was asked for in the background and comes when nobody looks at its screen any more."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from rankdeck.job.draft import JobDraft
from rankdeck.library.templates import TemplateStore
from tests.tui.fake_run import write_project, write_run
from tests.tui.pilot import SMALL, WIDE, make_deck, until, until_shown
from tests.tui.settled import settle, threads_rest
from tui.screens.new_job import NewJobScreen
from tui.screens.page import PageScreen
from tui.screens.runs import RunsScreen
from tui.screens.templates import TemplatesScreen

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from textual.pilot import Pilot


class Late:
    """A function whose answer waits until it is let go."""

    def __init__(self, real: Callable[..., Any]) -> None:
        self._real = real
        self.asked = threading.Event()
        self._let_go, self._made = threading.Event(), threading.Event()

    def __call__(self, *args: Any, **more: Any) -> Any:
        self.asked.set()
        self._let_go.wait(90)
        try:
            return self._real(*args, **more)
        finally:
            self._made.set()

    async def arrive(self, pilot: Pilot[None]) -> None:
        """Let the answer come, and be dealt with."""
        self._let_go.set()
        await until(pilot, self._made.is_set)
        await until(pilot, threads_rest)
        await settle(pilot.app)


@pytest.fixture
def make_late(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[..., Any]], Late]:
    def late(name: str, real: Callable[..., Any]) -> Late:
        made = Late(real)
        monkeypatch.setattr(name, made)
        return made

    return late


async def test_details_that_come_when_their_page_has_been_closed(
    home: Path, make_late: Callable[..., Late]
) -> None:
    from tui.run_details import read_details

    write_run(home, "one")
    late = make_late("tui.run_details.read_details", read_details)
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await until_shown(pilot, "one")
        await pilot.press("i")
        await until(pilot, lambda: isinstance(deck.screen, PageScreen) and late.asked.is_set())
        page = deck.screen
        await pilot.press("escape")
        await until(pilot, lambda: not page.is_attached)
        await late.arrive(pilot)
        await until_shown(pilot, "one")


async def test_a_plan_that_comes_when_its_form_has_been_left(
    home: Path, tmp_path: Path, make_late: Callable[..., Late]
) -> None:
    from tui.form.plan_rows import plan_rows

    project = write_project(tmp_path / "project")
    deck = make_deck(home)
    late = make_late("tui.screens.new_job_plan.plan_rows", plan_rows)
    async with deck.run_test(size=WIDE) as pilot:
        form = NewJobScreen(str(project))
        deck.push_screen(form)
        await until(pilot, lambda: form.preview is not None and form.preview.plan is not None)
        form.planning.do("in_full")
        await until(pilot, late.asked.is_set)
        await pilot.press("escape")
        await until(pilot, lambda: not form.is_attached)
        await late.arrive(pilot)
        await until_shown(pilot, "no runs")


async def test_no_question_about_a_template_comes_over_another_screen(
    home: Path, tmp_path: Path, make_late: Callable[..., Late], monkeypatch: pytest.MonkeyPatch
) -> None:
    late = make_late("tui.screens.templates._plan_of", lambda _: "one plan")
    monkeypatch.setenv("RANKDECK_CONFIG", str(tmp_path / "config"))
    TemplateStore(tmp_path / "config" / "templates").save("one", JobDraft(entry="train.py"))
    deck = make_deck(home)
    async with deck.run_test(size=WIDE) as pilot:
        deck.go("templates")
        await until_shown(pilot, "train.py")
        assert isinstance(deck.screen, TemplatesScreen)
        deck.screen.action_start()
        await until(pilot, late.asked.is_set)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(deck.screen, RunsScreen))
        await late.arrive(pilot)
        assert isinstance(deck.screen, RunsScreen)
