from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from rankdeck.run.layout import RunDir

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here cuts the power; thousands of syncs would be all that is measured."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: None)


@pytest.fixture
def run_dir(tmp_path: Path) -> RunDir:
    """Where a run would be; nothing is there yet."""
    return RunDir(tmp_path / "runs" / "20261121-104512-sim-abcd")
