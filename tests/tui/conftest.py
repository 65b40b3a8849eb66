from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tui.environment import prepare_environment

if TYPE_CHECKING:
    from pathlib import Path

prepare_environment(os.environ)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty state directory."""
    return tmp_path / "state"
