from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rankdeck.logs.engine import end_processes

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True, scope="module")
def no_process_stays() -> Iterator[None]:
    yield
    end_processes()
