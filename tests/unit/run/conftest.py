from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from rankdeck.run.layout import RunDir
from tests.unit.run import simulation

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here cuts the power; thousands of syncs would be all that is measured."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: None)


@pytest.fixture
def memory_dir() -> Iterator[Path]:
    """A directory in memory where there is one: for tests that write thousands of files."""
    parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with TemporaryDirectory(dir=parent) as path:
        yield Path(path)


@pytest.fixture
def run_dir(tmp_path: Path) -> Iterator[RunDir]:
    """Where a run would be; nothing is there yet. Worlds made in it are closed."""
    yield RunDir(tmp_path / "runs" / "20261121-104512-sim-abcd")
    while simulation.MADE:
        simulation.MADE.pop().journal.close()
