from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.backends.ssh.bench import Bench

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A run on a host that is this machine; whatever happens, nothing of it stays."""
    made = Bench(tmp_path)
    yield made
    made.clean_up()
