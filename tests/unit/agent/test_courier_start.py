"""Couriers that follow one another on a node."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

from rankdeck.agent.courier_start import AgentProcess, boot_id, take_over
from rankdeck.agent.kernel import read_stat

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_courier_that_ends_while_it_is_being_replaced_is_no_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = subprocess.Popen(["sleep", "60"])
    stat = read_stat(earlier.pid)
    assert stat is not None
    record = tmp_path / ".courier"
    record.write_text(AgentProcess(earlier.pid, stat.start, boot_id()).ref)
    kill = os.kill

    def late(pid: int, number: int) -> None:
        # its own connection has broken as well: it is gone before the signal comes
        kill(pid, signal.SIGKILL)
        earlier.wait()
        kill(pid, number)

    monkeypatch.setattr("rankdeck.agent.courier_start.os.kill", late)
    take_over(str(tmp_path))
    assert record.read_text().startswith(f"{os.getpid()}:")
