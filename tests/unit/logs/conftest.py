from __future__ import annotations

from functools import lru_cache

import pytest

from rankdeck.logs import engine
from rankdeck.logs.patient import Patient


@pytest.fixture(autouse=True)
def no_process_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    # a process ends with the last that knows of it, which is the test
    monkeypatch.setattr(engine, "_patient", lru_cache(maxsize=4)(Patient))
