"""Searching a log: onward, back, round the end, for errors; marks; what ends a search."""

from __future__ import annotations

import threading
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import pytest
from textual.widgets import Input

from rankdeck.logs import engine
from rankdeck.logs.patient import Patient
from rankdeck.logs.plain_source import FileSource
from rankdeck.logs.search import Step
from tests.tui.log_desk import Deck, Desk, numbered
from tests.tui.pilot import until
from tui.widgets.log_prompt import LogPrompt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    app = Deck()
    async with app.run_test(size=(60, 13)) as pilot:
        yield Desk(app, pilot, tmp_path / "rank-0.log")


async def test_search_goes_to_matches_and_round_the_end(desk: Desk) -> None:
    desk.write("".join(f"line {n} {'Needle' if n % 40 == 7 else 'hay'}\n" for n in range(200)))
    await desk.open()
    await desk.press("g")
    await desk.look_for("needle")
    assert desk.found.startswith("line 7 ")
    await desk.press("n")
    assert desk.found.startswith("line 47 ")
    await desk.press("n", "n")
    assert desk.found.startswith("line 127 ")
    await desk.press("N")
    assert desk.found.startswith("line 87 ")
    await desk.press("n", "n", "n")
    assert desk.found.startswith("line 7 ")
    assert "went round the end" in desk.pane.status
    await desk.press("N")
    assert desk.found.startswith("line 167 ")
    assert "went round the beginning" in desk.pane.status
    assert not desk.pane.following
    await desk.look_for("NEEDLE")
    assert "no match for NEEDLE" in desk.pane.status
    await desk.look_for("re:1[24]7 needle$")
    assert desk.found.startswith("line 127 ")
    await desk.look_for("re:(")
    assert "not a valid regular expression" in desk.pane.status


async def test_matches_are_marked(desk: Desk) -> None:
    desk.write("one needle two needle\nnothing\nneedle\n")
    await desk.open()
    await desk.look_for("needle")
    view = desk.pane.view
    first, second, third = (view.render_line(y) for y in range(3))
    marked = view.get_component_rich_style("log-view--found").bgcolor
    assert [s.text for s in first if s.style and s.style.bgcolor == marked] == ["needle"] * 2
    assert not any(s.style and s.style.reverse for s in second)
    assert [s.text for s in third if s.style and s.style.reverse] == ["needle"]


async def test_no_expression_can_stop_the_interface(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    # its processes end with it
    patients = lru_cache(maxsize=4)(partial(Patient, seconds=0.1))
    monkeypatch.setattr(engine, "_patient", patients)
    desk.write(f"{'a' * 4000}b\nnormal\naaa\n")
    await desk.open()
    await desk.press("g")
    # what takes `re` for ever takes RE2 no time
    await desk.look_for("re:^(a+)+$")
    assert desk.found == "aaa"
    await desk.press("g")
    await desk.look_for(r"re:^(a+)+\1$")
    assert "takes too long" in desk.pane.status
    await desk.look_for(r"re:^(\w)(?!a)")
    assert desk.found == "normal"


async def test_the_search_line_comes_and_goes(desk: Desk) -> None:
    desk.write(numbered(1, 3))
    await desk.open()
    await desk.press("n")
    assert "press /" in desk.pane.status
    entry = desk.app.query_one(Input)
    assert not desk.app.query_one(LogPrompt).asking
    await desk.press("slash")
    assert desk.app.query_one(LogPrompt).asking
    assert entry.has_focus
    await desk.press("g", "escape")
    assert not desk.app.query_one(LogPrompt).asking
    assert desk.pane.view.has_focus


async def test_errors_are_found_in_both_directions(desk: Desk) -> None:
    lines = [f"line {n}" for n in range(300)]
    lines[50] = "Traceback (most recent call last):"
    lines[150] = "ValueError: boom"
    lines[250] = "1 FAILED"
    desk.write("\n".join(lines) + "\n")
    await desk.open()
    await desk.press("E")
    assert desk.found == "1 FAILED"
    await desk.press("E", "E")
    assert desk.found.startswith("Traceback")
    await desk.press("e")
    assert desk.found == "ValueError: boom"


async def test_a_search_is_dropped_when_another_log_is_opened(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.write(numbered(1, 100) + "needle\n")
    await desk.open()
    await desk.press("g", "slash")
    held = threading.Event()
    real = FileSource.search

    def slow(*args: Any, **kwargs: Any) -> Iterator[Step]:
        held.wait(30)
        yield from real(*args, **kwargs)

    monkeypatch.setattr(FileSource, "search", slow)
    desk.app.query_one(Input).value = "needle"
    await desk.pilot.press("enter")
    assert "searching needle" in desk.pane.status
    other = tmp_path / "other"
    other.write_text("other\n")
    desk.pane.open(other, "rank 1")
    held.set()
    await desk.tick()
    assert desk.texts[0] == "other"
    assert "searching" not in desk.pane.status
    assert desk.pane.view.found is None


async def test_esc_cancels_a_search(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.write(numbered(1, 100) + "needle\n")
    await desk.open()
    held = threading.Event()

    def endless(*_: Any, **__: Any) -> Iterator[Step]:
        while not held.wait(0.01):
            yield Step((), 0)

    monkeypatch.setattr(FileSource, "search", endless)
    await desk.press("g")
    await desk.pilot.press("slash")
    desk.app.query_one(Input).value = "needle"
    await desk.pilot.press("enter")
    await until(desk.pilot, lambda: "searching needle" in desk.pane.status)
    await desk.pilot.press("down")
    await until(desk.pilot, lambda: desk.texts[0] == "line 2")
    await desk.pilot.press("escape")
    await desk.settle()
    assert "search cancelled" in desk.pane.status
    held.set()


async def test_a_match_far_to_the_right_is_scrolled_to(desk: Desk) -> None:
    desk.write("x" * 500 + "needle" + "x" * 500 + "\n")
    await desk.open()
    await desk.look_for("needle")
    assert "needle" in desk.rows[0]
