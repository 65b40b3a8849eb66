"""How a login shell that does not become a courier is told of."""

from __future__ import annotations

import pytest

from backends.ssh.bootstrap import NodeError, PackedBundle, begin_courier
from backends.ssh.frames import CourierLine
from backends.ssh.link import LinkError, LinkFault

BROKEN = LinkError(LinkFault.LOST, "n1: the connection broke")


class Ended:
    """A command that has ended before anything was written to it."""

    def __init__(self, output: bytes, status: int | None, *, broken: bool = False) -> None:
        self._output = output
        self._status = status
        self._broken = broken

    def write(self, data: bytes) -> None:
        raise BROKEN

    def read(self, size: int = 65536) -> bytes:
        if self._broken:
            raise BROKEN
        data, self._output = self._output, b""
        return data

    def exit_status(self) -> int | None:
        return self._status

    def error_text(self) -> str:
        return ""


def begin(stream: Ended) -> None:
    line = CourierLine(stream, "n1")  # type: ignore[arg-type]
    begin_courier(line, "n1", "~/x", PackedBundle("agent", 1, b"x"))


@pytest.mark.parametrize(("status", "category"), [(1, "ssh-login"), (97, "no-python")])
def test_a_shell_that_ends_before_it_is_asked_is_named_all_the_same(
    status: int, category: str
) -> None:
    with pytest.raises(NodeError) as told:
        begin(Ended(b"This account is not available.\n", status))
    assert told.value.category == category
    assert status == 97 or "This account is not available." in told.value.message


def test_a_connection_that_broke_stays_a_broken_connection() -> None:
    with pytest.raises(LinkError) as told:
        begin(Ended(b"", None, broken=True))
    assert told.value.fault is LinkFault.LOST
