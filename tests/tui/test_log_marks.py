"""Bookmarks and habits that outlive the pane in which they were set."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from rankdeck.logs.sources import rank_logs
from rankdeck.run.layout import RunDir
from rankdeck.run.state import RunPhase
from rankdeck.run.store import RunStore
from tests.tui.fake_run import NOW, write_run
from tests.tui.log_desk import numbered
from tests.tui.pilot import make_deck, screen_text, until
from tui import log_marks
from tui.deck import Deck
from tui.log_choices import Choices, LogChoices
from tui.log_marks import LogMarks
from tui.log_page import Times
from tui.screens.run import RunScreen

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot

    from rankdeck.logs.sources import RankLog
    from tui.widgets.log_pane import LogPane

LINE = len("line 10\n")


@pytest.fixture
def run(home: Path) -> RunDir:
    return RunDir(
        home / "runs" / write_run(home, "job", RunPhase.RUNNING, text=numbered(10, 99)[:-1])
    )


@pytest.fixture
def logs(run: RunDir) -> tuple[RankLog, ...]:
    return rank_logs(run, 0)


# -- bookmarks ------------------------------------------------------------------------------


def test_they_are_there_the_next_time(run: RunDir, logs: tuple[RankLog, ...]) -> None:
    marks = LogMarks(run)
    for offset in (3 * LINE, 5 * LINE, 7 * LINE, 5 * LINE):
        assert marks.toggle(logs[1].path, offset) == ""
    again = LogMarks(run)
    assert again.of(logs[1].path) == {3 * LINE, 7 * LINE}
    assert again.of(logs[0].path) == frozenset()
    assert again.marked() == (logs[1].path,)
    assert run.bookmarks.stat().st_mode & 0o777 == 0o600


def test_two_decks_keep_those_of_both(run: RunDir, logs: tuple[RankLog, ...]) -> None:
    one, other = LogMarks(run), LogMarks(run)
    assert one.of(logs[0].path) == other.of(logs[0].path) == frozenset()
    one.toggle(logs[0].path, 0)
    other.toggle(logs[0].path, LINE)
    other.toggle(logs[2].path, LINE)
    one.toggle(logs[0].path, 0)
    assert LogMarks(run).of(logs[0].path) == {LINE}
    assert LogMarks(run).of(logs[2].path) == {LINE}


def test_a_line_that_is_another_one_is_not_marked(run: RunDir, logs: tuple[RankLog, ...]) -> None:
    marks = LogMarks(run)
    path = logs[0].path
    path.write_text(numbered(10, 19) + "unfin")
    for offset in (0, LINE, 10 * LINE):
        marks.toggle(path, offset)
    path.write_text("line 10\nanother\n" + numbered(12, 19) + "unfinished\n")
    marks.check()
    assert marks.of(path) == LogMarks(run).of(path) == {0, 10 * LINE}
    path.write_text("")
    assert LogMarks(run).of(path) == frozenset()


def test_a_deck_that_may_not_write_keeps_them_as_long_as_it_lives(
    run: RunDir, logs: tuple[RankLog, ...]
) -> None:
    marks = LogMarks(run, lambda: "this deck is read-only")
    told = marks.toggle(logs[0].path, LINE)
    assert told == "bookmarks hold only until you leave: this deck is read-only"
    assert marks.of(logs[0].path) == {LINE}
    assert not run.bookmarks.exists()


def test_where_nothing_can_be_written_it_says_so(run: RunDir, logs: tuple[RankLog, ...]) -> None:
    (run.path / ".bookmarks.json.tmp").mkdir()
    marks = LogMarks(run)
    told = marks.toggle(logs[0].path, LINE)
    assert told.startswith(f"bookmarks hold only until you leave: {run.bookmarks}: Is a dir")
    assert marks.of(logs[0].path) == {LINE}


@pytest.mark.parametrize(
    "content",
    ["{", '{"version": 1, "logs": 3}', "x" * 2_000_000],
    ids=["cut", "other", "huge"],
)
def test_what_is_not_understood_is_left_as_it_is(
    run: RunDir, logs: tuple[RankLog, ...], content: str
) -> None:
    run.bookmarks.write_text(content)
    marks = LogMarks(run)
    assert "until you leave" in marks.toggle(logs[0].path, LINE)
    assert run.bookmarks.read_text() == content


def test_there_is_a_limit(
    run: RunDir, logs: tuple[RankLog, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_marks, "MOST", 3)
    marks = LogMarks(run)
    for rank in range(3):
        assert marks.toggle(logs[rank].path, 0) == ""
    assert marks.toggle(logs[3].path, 0).startswith("3 lines of this run are marked already")
    assert marks.toggle(logs[0].path, 0) == ""
    assert marks.toggle(logs[3].path, 0) == ""


def test_they_go_with_the_run(home: Path) -> None:
    run = RunDir(home / "runs" / write_run(home, "job", RunPhase.SUCCEEDED))
    log = rank_logs(run, 0)[0]
    marks = LogMarks(run)
    marks.toggle(log.path, 0)
    assert run.bookmarks.exists()
    RunStore(home).remove(run)
    assert "until you leave" in marks.toggle(log.path, 0)
    assert not run.path.exists()


# -- habits ---------------------------------------------------------------------------------


def test_habits_are_kept(tmp_path: Path) -> None:
    choices = LogChoices(tmp_path)
    assert choices.recall() == Choices()
    wanted = Choices(wrap=True, numbers=False, times=Times.DELTA)
    assert choices.keep(wanted) == ""
    assert LogChoices(tmp_path).recall() == wanted


def test_habits_are_not_written_where_nothing_may_be(tmp_path: Path) -> None:
    choices = LogChoices(tmp_path, lambda: "read-only")
    assert choices.keep(Choices(wrap=True)) == ""
    assert choices.recall() == Choices(wrap=True)
    assert LogChoices(tmp_path).recall() == Choices()
    (tmp_path / "log-view.json").write_text('{"times": "by moonlight"}')
    assert LogChoices(tmp_path).recall() == Choices()
    assert "until you leave" in LogChoices(tmp_path / "gone").keep(Choices(wrap=True))


# -- on the screen --------------------------------------------------------------------------


async def _open_log(deck: Deck, pilot: Pilot[None]) -> LogPane:
    await until(pilot, lambda: isinstance(deck.screen, RunScreen) and deck.screen.facts is not None)
    await pilot.press("2")
    screen = deck.screen
    assert isinstance(screen, RunScreen)
    pane = screen.logs.pane
    await until(pilot, lambda: bool(pane.view.page.rows) and pane.settled)
    return pane


def _marked(pane: LogPane) -> list[str]:
    return [row.row.cells.text for row in pane.view.page.rows if row.bookmark]


async def _press(pilot: Pilot[None], pane: LogPane, *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await pilot.pause()
        await until(pilot, lambda: pane.settled)
        await pilot.pause()


async def test_what_was_marked_and_chosen_is_there_when_the_deck_is_opened_again(
    home: Path, run: RunDir
) -> None:
    deck = make_deck(home, run.id)
    async with deck.run_test(size=(80, 24)) as pilot:
        pane = await _open_log(deck, pilot)
        await _press(pilot, pane, "b", "w", "t", "number_sign")
        assert _marked(pane) == ["line 99"]
    deck = make_deck(home, run.id)
    async with deck.run_test(size=(80, 24)) as pilot:
        pane = await _open_log(deck, pilot)
        assert _marked(pane) == ["line 99"]
        assert pane.view.page.wrap
        assert pane.look == Choices(wrap=True, numbers=False, times=Times.CLOCK).of(pane.look)


async def test_a_read_only_deck_says_that_bookmarks_go_with_it(home: Path, run: RunDir) -> None:
    store = RunStore(home)
    deck = Deck(store, run.id, read_only=True, clock=lambda: NOW)
    async with deck.run_test(size=(120, 40)) as pilot:
        pane = await _open_log(deck, pilot)
        await _press(pilot, pane, "b")
        assert _marked(pane) == ["line 99"]
        assert "only until you leave: this deck is read-only" in screen_text(deck)
        await _press(pilot, pane, "w")
    assert not run.bookmarks.exists()
    assert not (home / "log-view.json").exists()


async def test_where_there_is_none_it_says_that_others_have_some(
    home: Path, run: RunDir, logs: tuple[RankLog, ...]
) -> None:
    LogMarks(run).toggle(logs[1].path, 0)
    deck = make_deck(home, run.id)
    async with deck.run_test(size=(120, 40)) as pilot:
        pane = await _open_log(deck, pilot)
        await _press(pilot, pane, "]")
        assert "no bookmarks here, but in other logs: m shows all ranks" in pane.status


async def test_a_bookmark_is_seen_in_the_log_and_among_all_ranks(
    home: Path, run: RunDir, logs: tuple[RankLog, ...]
) -> None:
    for rank, log in enumerate(logs):
        lines = [f"line {number} of rank {rank}\n" for number in range(10, 99)]
        log.path.write_text("".join(lines))
        pairs, size = b"", 0
        for number, line in enumerate(lines):
            size += len(line)
            pairs += struct.pack("<dQ", NOW + number + rank / 4, size)
        log.times.write_bytes(pairs)
    marks = LogMarks(run)
    length = len("line 10 of rank 0\n")
    for rank, line in ((0, 70), (3, 20), (2, 20), (1, 98)):
        marks.toggle(logs[rank].path, (line - 10) * length)
    deck = make_deck(home, run.id)
    async with deck.run_test(size=(120, 40)) as pilot:
        pane = await _open_log(deck, pilot)
        await _press(pilot, pane, "m")
        assert _marked(pane) == ["line 98 of rank 1"]
        found = []
        for _ in range(4):
            await _press(pilot, pane, "[")
            row = pane.view.page.row_of(pane.view.page.found)
            found.append(row.row.cells.text if row else "")
            assert found[-1] in _marked(pane)
        assert found == [
            "line 98 of rank 1",
            "line 70 of rank 0",
            "line 20 of rank 3",
            "line 20 of rank 2",
        ]
        await _press(pilot, pane, "[")
        assert "went round the beginning" in pane.status
        await _press(pilot, pane, "b")
        assert not LogMarks(run).of(logs[1].path)
        await _press(pilot, pane, "]", "m")
        assert LogMarks(run).of(logs[2].path) == {10 * length}
