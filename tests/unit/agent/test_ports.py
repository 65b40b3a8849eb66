from __future__ import annotations

import os
import socket

import pytest

from rankdeck.agent import ports
from rankdeck.agent.problem import ProblemError


def test_a_chosen_port_is_free() -> None:
    port = ports.choose_port()
    assert 20000 <= port < 30000
    assert ports.port_is_free(port)
    ports.check_port(port)


@pytest.mark.parametrize(
    ("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::")]
)
def test_a_listener_on_any_address_counts(family: socket.AddressFamily, address: str) -> None:
    with socket.socket(family) as server:
        try:
            server.bind((address, 0))
        except OSError:
            pytest.skip("no IPv6 here")
        server.listen()
        port = server.getsockname()[1]
        assert not ports.port_is_free(port)
        assert (ports.port_owner(port) or "").startswith(f"pid {os.getpid()} (")
        with pytest.raises(ProblemError) as caught:
            ports.check_port(port)
        assert caught.value.category == "port-in-use"
        assert str(port) in caught.value.message


def test_a_port_nobody_listens_on_has_no_owner() -> None:
    assert ports.port_owner(ports.choose_port()) is None
