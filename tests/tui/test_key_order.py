"""Keys wait for those before them, and for none that is lost."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from textual.events import Key

from tui import key_order
from tui.key_order import Fence, KeyOrder

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


class Place:
    """A screen, or an app: it keeps what is posted to it, or is closed and takes nothing."""

    is_attached = True
    focused = None

    def __init__(self) -> None:
        self.posted: list[Any] = []
        self.closed = False
        self.came = asyncio.Event()

    def post_message(self, message: object) -> bool:
        self.posted.append(message)
        self.came.set()
        return not self.closed


class FakeApp(Place):
    def __init__(self) -> None:
        super().__init__()
        self.screen = Place()
        self.later: list[Callable[[], object]] = []

    def call_later(self, act: Callable[..., object], *given: object) -> None:
        self.later.append(lambda: act(*given))


def key(name: str) -> Key:
    return Key(name, name)


async def test_a_key_waits_until_the_fence_of_the_one_before_has_come_through_twice() -> None:
    app = FakeApp()
    order = KeyOrder(app)  # type: ignore[arg-type]
    first, second, third = map(key, "abc")
    assert not order.hold(first)
    order.sent()
    assert order.hold(second)
    order.passed(app.screen.posted[0])
    assert app.posted == []
    assert order.hold(third)
    order.passed(app.screen.posted[1])
    assert app.posted == [second]
    # the one whose turn it is comes in as it came in first; what was read since stays behind
    assert not order.hold(second)
    order.sent()
    order.passed(Fence(1, 2))
    assert app.posted == [second], "a fence of an earlier key says nothing"
    order.passed(Fence(2, 2))
    assert app.posted == [second, third]


async def test_a_fence_that_is_lost_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_order, "_PATIENCE", 0.01)
    app = FakeApp()
    order = KeyOrder(app)  # type: ignore[arg-type]
    first, second = map(key, "ab")
    assert not order.hold(first)
    order.sent()
    assert order.hold(second)
    await asyncio.wait_for(app.came.wait(), 30)
    assert app.posted == [second]


async def test_a_program_that_stood_still_for_a_moment_has_lost_no_fence() -> None:
    app = FakeApp()
    order = KeyOrder(app)  # type: ignore[arg-type]
    first, second = map(key, "ab")
    assert not order.hold(first)
    order.sent()
    assert order.hold(second)
    # nothing of the loop goes on meanwhile, so that the fence cannot come either
    time.sleep(2 * key_order._PATIENCE)  # noqa: ASYNC251
    for _ in range(3):
        await asyncio.sleep(0)
    assert app.posted == []
    order.passed(app.screen.posted[0])
    order.passed(app.screen.posted[1])
    assert app.posted == [second]


async def test_a_fence_that_nobody_takes_lets_one_key_go_not_two() -> None:
    app = FakeApp()
    app.screen.closed = True
    order = KeyOrder(app)  # type: ignore[arg-type]
    first, second, third = map(key, "abc")
    assert not order.hold(first)
    order.sent()
    assert order.hold(second)
    assert order.hold(third)
    (done,) = app.later
    done()
    done()
    assert app.posted == [second]
