from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from textual import constants

from tui.environment import prepare_threads
from tui.terminal import frames
from tui.terminal.frames import Frames

if TYPE_CHECKING:
    from collections.abc import Callable


class _Handle:
    def __init__(self, loop: _Loop, when: float, act: Callable[[], None]) -> None:
        self.loop, self.when, self.act = loop, when, act

    def cancel(self) -> None:
        self.loop.waiting.remove(self)


class _Loop:
    """A loop whose clock is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waiting: list[_Handle] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, act: Callable[[], None]) -> _Handle:
        self.waiting.append(_Handle(self, when, act))
        return self.waiting[-1]

    def run_to(self, now: float) -> None:
        for one in sorted(self.waiting, key=lambda one: one.when):
            if one.when <= now:
                self.waiting.remove(one)
                self.now = max(self.now, one.when)
                one.act()
        self.now = now


class _Screen:
    """Something that is painted."""

    def __init__(self) -> None:
        self.painted: list[float] = []
        self.last_key = float("-inf")
        self.loop = _Loop()
        self.frames = Frames(lambda: self.painted.append(self.loop.now), lambda: self.last_key)

    def change(self, at: float) -> None:
        self.loop.run_to(at)
        self.frames.resume()


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> _Screen:
    made = _Screen()
    monkeypatch.setattr(frames.asyncio, "get_running_loop", lambda: made.loop)
    monkeypatch.setattr(constants, "MAX_FPS", 10)
    return made


def test_the_first_change_is_painted_at_once_and_the_next_when_its_time_has_come(
    screen: _Screen,
) -> None:
    screen.change(100.0)
    screen.change(100.01)
    screen.change(100.02)
    screen.loop.run_to(101.0)
    assert screen.painted == [100.0, 100.1]
    screen.change(101.0)
    screen.loop.run_to(101.0)
    assert screen.painted == [100.0, 100.1, 101.0]


def test_the_answer_to_a_key_does_not_wait_for_a_whole_frame(screen: _Screen) -> None:
    screen.change(100.0)
    screen.last_key = 100.01
    screen.change(100.02)
    screen.loop.run_to(101.0)
    assert screen.painted == pytest.approx([100.0, 100.02])


def test_what_has_been_painted_another_way_is_not_painted_again(screen: _Screen) -> None:
    screen.change(100.0)
    screen.loop.run_to(100.0)
    screen.change(100.01)
    screen.frames.pause()
    screen.loop.run_to(101.0)
    assert screen.painted == [100.0]


def test_a_thread_that_reads_lets_go_of_the_interpreter_early() -> None:
    import sys

    before = sys.getswitchinterval()
    try:
        prepare_threads()
        assert sys.getswitchinterval() <= 0.001
    finally:
        sys.setswitchinterval(before)
