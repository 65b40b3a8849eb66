"""The guardian, told to end at an awkward moment."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from rankdeck.agent import guardian, kernel
from rankdeck.agent.order import Order

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_while_it_cleans_up_after_its_agent_it_cleans_up(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers: dict[int, Any] = {}
    cleaned: list[bool] = []
    monkeypatch.setattr(signal, "signal", handlers.__setitem__)
    monkeypatch.setattr(kernel, "set_name", lambda name: None)
    monkeypatch.setattr(kernel, "become_subreaper", lambda: None)

    def end_all(find: Callable[[], object]) -> list[int]:
        handlers[number](number, None)
        cleaned.append(True)
        return []

    monkeypatch.setattr(guardian, "end_all", end_all)
    agent = subprocess.Popen(["sh", "-c", "exit 9"])
    monkeypatch.setattr(guardian, "_wait_for", lambda _: agent.wait() << 8)
    order = Order.__new__(Order)
    order.run_id, order.node = "20260101-000000-it-aaaa", "here"
    assert guardian._guard(order, agent.pid) == 1
    assert cleaned
