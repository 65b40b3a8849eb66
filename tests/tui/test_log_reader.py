"""The thread that reads for a log pane: what it drops, and what goes on while it hangs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from textual.app import App

from rankdeck.logs.handle import Handle
from tests.tui.log_desk import Deck, Desk, numbered
from tests.tui.pilot import until
from tui import log_save
from tui.log_reader import Intent, next_ones, queued
from tui.log_work import LogWork
from tui.widgets import log_base
from tui.widgets.log_pane import LogPane

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from textual.app import ComposeResult


def nothing(work: LogWork, amount: int) -> None:
    """An intent that does nothing."""


def kinds(pending: tuple[Intent, ...]) -> list[tuple[str, int]]:
    return [(intent.kind, intent.amount) for intent in pending]


def after(*intents: tuple[str, int]) -> list[tuple[str, int]]:
    pending: tuple[Intent, ...] = ()
    for kind, amount in intents:
        pending = queued(pending, Intent(kind, nothing, amount))
    return kinds(pending)


def test_moves_add_up_and_what_is_overtaken_is_dropped() -> None:
    assert after(("move", 1), ("move", 3), ("move", -1)) == [("move", 3)]
    assert after(("move", 1), ("page", 0), ("move", 1)) == [("move", 1), ("page", 0), ("move", 1)]
    assert after(("move", 1), ("place", 0)) == [("place", 0)]
    assert after(("place", 0), ("move", 2)) == [("place", 0), ("move", 2)]
    assert after(("poll", 0), ("move", 1), ("poll", 0)) == [("move", 1), ("poll", 0)]
    assert after(("move", 1), ("bookmark", 0), ("open", 0)) == [("bookmark", 0), ("open", 0)]
    assert after(("open", 0), ("place", 0)) == [("open", 0), ("place", 0)]


def test_the_user_comes_before_news() -> None:
    poll, move = Intent("poll", nothing), Intent("move", nothing, 1)
    assert next_ones((poll, move)) == ((move,), (poll,))
    assert next_ones((poll,)) == ((poll,), ())


class Hang:
    """A file system on which reading one folder does not come back."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.let_go.set()
        self.hanging = threading.Event()


@pytest.fixture
def hang(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hang]:
    hang = Hang()
    real = Handle.read

    def read(handle: Handle, offset: int, size: int) -> bytes:
        if threading.current_thread().name == "log-reader" and not hang.let_go.is_set():
            hang.hanging.set()
            hang.let_go.wait(60)
        return real(handle, offset, size)

    monkeypatch.setattr(Handle, "read", read)
    monkeypatch.setattr(log_base, "STUCK", 0.05)
    yield hang
    hang.let_go.set()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    app = Deck()
    async with app.run_test(size=(60, 13)) as pilot:
        yield Desk(app, pilot, tmp_path / "rank-0.log")


async def test_a_hung_file_system_stops_no_key(desk: Desk, hang: Hang) -> None:
    desk.write(numbered(1, 100))
    await desk.open()
    hang.let_go.clear()
    await desk.pilot.press("g")
    await until(desk.pilot, hang.hanging.is_set)
    for key in ("j", "j", "j", "w", "b", "slash"):
        await desk.pilot.press(key)
    assert desk.pane._prompt.asking
    await desk.pilot.press("escape")
    assert not desk.pane._prompt.asking
    await until(
        desk.pilot, lambda: desk.pane._reader is not None and desk.pane._reader.stuck_for > 0.05
    )
    desk.pane.tick()
    assert "waiting for the file system" in desk.pane.status
    hang.let_go.set()
    await desk.tick()
    assert "waiting" not in desk.pane.status
    assert desk.texts[0] == "line 4"
    assert desk.pane.look.wrap


async def test_another_log_is_shown_while_one_hangs(desk: Desk, hang: Hang, tmp_path: Path) -> None:
    desk.write(numbered(1, 100))
    await desk.open()
    hang.let_go.clear()
    await desk.pilot.press("g")
    await until(desk.pilot, hang.hanging.is_set)
    stuck = desk.pane._reader
    assert stuck is not None
    await until(desk.pilot, lambda: stuck.stuck_for > 0.05)
    # the next reader's reads go to another file system
    (tmp_path / "other").write_text("other\n")
    hang.let_go = threading.Event()
    hang.let_go.set()
    desk.pane.open(tmp_path / "other", "rank 1")
    await desk.tick()
    assert desk.texts[0] == "other"
    assert desk.pane._reader is not stuck


async def leave_behind(desk: Desk, hang: Hang, other: Path) -> None:
    """Open another log while the reader of this one hangs."""
    hang.let_go.clear()
    await desk.pilot.press("g")
    await until(desk.pilot, hang.hanging.is_set)
    stuck = desk.pane._reader
    assert stuck is not None
    await until(desk.pilot, lambda: stuck.stuck_for > 0.05)
    hang.let_go = threading.Event()
    hang.let_go.set()
    desk.pane.open(other, "rank 1")
    await desk.tick()


async def test_the_end_of_saving_is_told_though_its_reader_was_left_behind(
    desk: Desk, hang: Hang, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = threading.Event()
    real = log_save.lines_between

    def slow(*given: Any) -> Iterator[Any]:
        written.wait(60)
        yield from real(*given)

    monkeypatch.setattr(log_save, "lines_between", slow)
    desk.write(numbered(1, 100))
    await desk.open()
    await desk.enter("ctrl+s", str(tmp_path / "saved"))
    await leave_behind(desk, hang, tmp_path / "other")
    assert "saving" in desk.pane.status
    written.set()
    await until(desk.pilot, lambda: "100 lines saved" in desk.pane.status)


async def test_a_save_that_a_hung_reader_never_began_is_over(
    desk: Desk, hang: Hang, tmp_path: Path
) -> None:
    desk.write(numbered(1, 100))
    await desk.open()
    hang.let_go.clear()
    await desk.pilot.press("g")
    await until(desk.pilot, hang.hanging.is_set)
    desk.pane._save_to(str(tmp_path / "saved"))
    assert "saving" in desk.pane.status
    await leave_behind(desk, hang, tmp_path / "other")
    assert "saving" not in desk.pane.status
    assert not desk.pane.check_action("leave", ())


class Two(App[None]):
    def compose(self) -> ComposeResult:
        yield LogPane(id="one")
        yield LogPane(id="two")


async def test_panes_are_independent(tmp_path: Path) -> None:
    app = Two()
    async with app.run_test(size=(60, 20)) as pilot:
        one, two = app.query(LogPane)
        for number, pane in enumerate((one, two)):
            path = tmp_path / f"rank-{number}.log"
            path.write_text("".join(f"{number}: {n}\n" for n in range(50)))
            pane.open(path, f"rank {number}")
        await until(pilot, lambda: bool(one.view.page.rows and two.view.page.rows))
        one.focus()
        await pilot.press("g", "t", "w")
        await until(pilot, lambda: one.view.page.rows[0].row.cells.text == "0: 0")
        assert two.following
        assert not two.look.wrap
        assert two.view.page.rows[-1].row.cells.text == "1: 49"


async def test_a_log_in_which_nothing_happens_is_only_looked_at(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.write(numbered(1, 100))
    await desk.open()
    await desk.tick()
    pages: list[object] = []
    real = LogWork.page
    monkeypatch.setattr(LogWork, "page", lambda work: pages.append(work) or real(work))
    for _ in range(5):
        await desk.tick()
    assert pages == []
    desk.write("more\n")
    await desk.tick()
    assert len(pages) == 1
    assert desk.texts[-1] == "more"


async def test_an_error_nobody_thought_of_is_told_and_survived(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.write(numbered(1, 100))
    await desk.open()

    def broken(*_: object) -> None:
        raise ValueError("odd [/rank3] data")

    with monkeypatch.context() as patch:
        patch.setattr(LogWork, "begin", broken)
        await desk.press("g")
        assert "cannot be shown: ValueError: odd [/rank3] data" in desk.pane.status
    await desk.tick()
    await desk.press("g")
    assert desk.texts[0] == "line 1"
