from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.agent.harness import AgentRun

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[AgentRun]:
    """An agent that a test starts; whatever happens, nothing of it stays."""
    run = AgentRun(tmp_path)
    yield run
    run.clean_up()
