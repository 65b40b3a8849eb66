from __future__ import annotations

import pytest

from rankdeck import backend
from rankdeck.errors import ExitCode, UserError


def test_there_is_no_such_backend() -> None:
    with pytest.raises(UserError, match="no backend named 'lokal'") as caught:
        backend.load_backend("lokal")
    assert "local" in caught.value.hint


@pytest.mark.parametrize("target", ["no_such_package.x:Backend", "backends.local:NoSuchBackend"])
def test_a_backend_that_cannot_be_loaded_is_told(
    monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    monkeypatch.setitem(backend._SHIPPED, "broken", target)
    with pytest.raises(UserError, match="the backend 'broken' cannot be loaded: ") as caught:
        backend.load_backend("broken")
    assert caught.value.exit_code is ExitCode.UNUSABLE
