from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from textual.pilot import Pilot

from tests.tui.settled import forget_threads, settle
from tui.environment import prepare_environment

if TYPE_CHECKING:
    from pathlib import Path

prepare_environment(os.environ)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty state directory."""
    return tmp_path / "state"


@pytest.fixture(autouse=True)
def pilots_wait_for_what_they_set_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is pressed has been done when `press` comes back, on the slowest machine, too."""
    forget_threads()
    wait = Pilot._wait_for_screen

    async def wait_longer(self: Pilot[object], timeout: float = 90.0) -> bool:
        waited = await wait(self, timeout)
        await settle(self.app)
        return waited

    monkeypatch.setattr(Pilot, "_wait_for_screen", wait_longer)
