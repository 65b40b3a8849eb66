"""What is told of a node's clock when the node was reached."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from backends.ssh.bootstrap import Hello
from backends.ssh.host import Host
from rankdeck.nodes.node import Node
from rankdeck.run.layout import RunDir

if TYPE_CHECKING:
    from pathlib import Path

    from rankdeck.backend_reports import ClockRead

ASKED = 1000.0


@pytest.mark.parametrize(
    ("there", "arrived", "ahead"),
    [
        pytest.param(1003.0, 1000.2, 2.8, id="ahead"),
        pytest.param(997.0, 1000.2, -3.2, id="behind"),
        pytest.param(1000.1, 1000.2, None, id="agrees"),
        pytest.param(1000.1, 1009.0, None, id="agrees, but its word was long on the way"),
    ],
)
def test_only_a_clock_that_cannot_agree_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    there: float,
    arrived: float,
    ahead: float | None,
) -> None:
    told: list[ClockRead] = []
    context = SimpleNamespace(copy=None, tell=told.append)
    host = Host(Node(name="n1"), RunDir(tmp_path).node("n1"), context)  # type: ignore[arg-type]
    hello = Hello(version=1, pid=1, host="n1", boot="", python="3.12", time=there)
    monkeypatch.setattr("backends.ssh.host.time.time", lambda: arrived)
    host._compare_clocks(hello, ASKED)
    assert [report.ahead for report in told] == ([] if ahead is None else [pytest.approx(ahead)])
