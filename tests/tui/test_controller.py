from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from rankdeck.run.layout import RunDir
from rankdeck.run.state import RunPhase
from rankdeck.run.store import RunStore
from tests.tui.fake_run import wait_for, write_run
from tests.tui.pilot import make_deck
from tui.asking import Question
from tui.controller import Answer, Controller, RunChanged, RunsChanged
from tui.feed import RunFeed, RunsFeed
from tui.watch import WatchFailed
from tui.work import WorkPool

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from textual.message import Message

    from rankdeck.errors import UserError


class Inbox:
    """Takes messages in place of a screen."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def post_message(self, message: Message) -> bool:
        self.messages.append(message)
        return True


def _controller(home: Path) -> tuple[Controller, Inbox]:
    store = RunStore(home)
    store.ensure()
    inbox = Inbox()
    return Controller(store, inbox), inbox  # type: ignore[arg-type]


def test_facts_are_told_once(home: Path) -> None:
    run_id = write_run(home, "one")
    controller, inbox = _controller(home)
    controller.watch_runs(inbox)  # type: ignore[arg-type]
    wait_for(lambda: bool(inbox.messages))
    polls = threading.Event()
    poll = controller._runs_feed.poll
    count = iter(range(3))

    def counted() -> object:
        if next(count, None) is None:
            polls.set()
        return poll()

    controller._runs_feed.poll = counted  # type: ignore[method-assign, assignment]
    assert polls.wait(30)
    assert len(inbox.messages) == 1
    assert isinstance(inbox.messages[0], RunsChanged)
    controller.watch_run(inbox, run_id)  # type: ignore[arg-type]
    wait_for(lambda: len(inbox.messages) == 2)
    assert isinstance(inbox.messages[1], RunChanged)
    controller.close()


def test_what_nobody_foresaw_is_told_and_the_poller_lives_on(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANKDECK_HOME", str(home))
    run_id = write_run(home, "one")
    poll = RunFeed.poll
    failing = True

    def broken(self: RunFeed) -> object:
        if failing:
            raise RuntimeError("no one thought of this")
        return poll(self)

    monkeypatch.setattr(RunFeed, "poll", broken)
    controller, inbox = _controller(home)
    controller.watch_run(inbox, run_id)  # type: ignore[arg-type]
    wait_for(lambda: bool(inbox.messages))
    assert isinstance(inbox.messages[0], WatchFailed)
    assert "no one thought of this" in inbox.messages[0].error.message
    failing = False
    wait_for(lambda: any(isinstance(message, RunChanged) for message in inbox.messages))
    controller.close()


def test_a_failing_request_is_answered(home: Path) -> None:
    controller, inbox = _controller(home)
    heard: list[UserError | None] = []
    store = RunStore(home)
    controller.do(
        lambda: store.remove(RunDir(store.runs_dir / "20260101-000000-none-aaaa")),
        lambda _, error: heard.append(error),
    )
    wait_for(lambda: bool(inbox.messages))
    inbox.messages[0].deliver()  # type: ignore[attr-defined]
    assert heard[0] is not None
    controller.close()


def test_an_answer_that_comes_when_the_screens_have_gone_harms_nothing(home: Path) -> None:
    deck = make_deck(home)
    assert not deck.screen_stack
    heard: list[str] = []
    deck._deliver(Answer(lambda: heard.append(deck.seen_run)))
    assert heard == []
    question = Question("Go on?", "", hidden=False)
    deck._ask_for_work(question)
    assert question.wait() is None


def test_feed_gives_the_same_objects_until_the_disk_changes(home: Path) -> None:
    first = write_run(home, "one")
    store = RunStore(home)
    runs, run = RunsFeed(store), RunFeed(store.find(first))
    listed, facts = runs.poll(), run.poll()
    assert runs.poll() is listed
    assert run.poll() is facts
    assert [event.seq for event in facts.events] == [1, 2]
    write_run(home, "two", RunPhase.FAILED, age=5)
    assert [summary.name for summary in runs.poll()] == ["two", "one"]
    store.remove(store.find(first))
    assert [summary.name for summary in runs.poll()] == ["two"]


def test_a_run_that_comes_or_goes_in_the_tick_of_another_is_noticed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tick = time.time_ns()
    monkeypatch.setattr(RunsFeed, "_directory_time", lambda self: tick)
    first = write_run(home, "one")
    store = RunStore(home)
    runs = RunsFeed(store)
    assert [summary.name for summary in runs.poll()] == ["one"]
    write_run(home, "two", age=5)
    assert [summary.name for summary in runs.poll()] == ["two", "one"]
    store.remove(store.find(first))
    assert [summary.name for summary in runs.poll()] == ["two"]


def test_pool_keeps_the_newest_of_a_kind_and_never_more_than_it_may() -> None:
    pool = WorkPool(threads=1)
    hold, done = threading.Event(), threading.Event()
    ran: list[int] = []
    pool.submit(lambda: hold.wait(30) and None)
    wait_for(lambda: not pool._jobs)
    for number in range(5):
        pool.submit(lambda number=number: ran.append(number), key="same")
    accepted = [pool.submit(done.set) for _ in range(80)]
    assert accepted.count(True) == 63
    hold.set()
    assert done.wait(30)
    assert ran == [4]
    pool.close()
    assert not pool.submit(done.set)
