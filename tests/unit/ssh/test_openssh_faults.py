"""What ssh says, and what it means."""

from __future__ import annotations

import msgspec
import pytest

from backends.ssh.config import Hop, HostConfig
from backends.ssh.link import LinkFault
from backends.ssh.openssh_faults import fault_from, lost_from

CHANGED = """@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
The fingerprint for the ED25519 key sent by the remote host is
SHA256:A8Wnv4gDFEyqjchQkvKCwOsa8FcqrAaLufsjTIBmfM4.
Offending ED25519 key in /home/me/.ssh/known_hosts:7
Host key verification failed."""

SAYINGS = {
    "ssh: Could not resolve hostname alpha: Name or service not known": LinkFault.UNKNOWN_HOST,
    "ssh: connect to host alpha port 22: Connection refused": LinkFault.REFUSED,
    "ssh: connect to host alpha port 22: No route to host": LinkFault.NO_ROUTE,
    "ssh: connect to host alpha port 22: Network is unreachable": LinkFault.NO_ROUTE,
    "ssh: connect to host alpha port 22: Connection timed out": LinkFault.TIMEOUT,
    "Connection timed out during banner exchange": LinkFault.TIMEOUT,
    "kex_exchange_identification: Connection closed by remote host": LinkFault.BUSY,
    "kex_exchange_identification: read: Connection reset by peer": LinkFault.BUSY,
    "Not allowed at this time": LinkFault.BUSY,
    "me@alpha: Permission denied (publickey,password).": LinkFault.AUTH,
    "Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures": LinkFault.AUTH,
    CHANGED: LinkFault.KEY_CHANGED,
    "No ED25519 host key is known for alpha and you have requested strict checking.\n"
    "Host key verification failed.": LinkFault.KEY_UNKNOWN,
    "Unable to negotiate with 10.0.0.1 port 22: no matching cipher found. Their offer: x": (
        LinkFault.CONFIG
    ),
    "/home/me/.ssh/config: line 3: Bad configuration option: usr\n"
    "/home/me/.ssh/config: terminating, 1 bad configuration options": LinkFault.CONFIG,
    "Bad owner or permissions on /home/me/.ssh/config": LinkFault.CONFIG,
    "channel 0: open failed: connect failed: Connection refused\nstdio forwarding failed\n"
    "kex_exchange_identification: Connection closed by remote host": LinkFault.REFUSED,
    "channel 0: open failed: connect failed: No route to host\nstdio forwarding failed\n"
    "kex_exchange_identification: Connection closed by remote host": LinkFault.NO_ROUTE,
    # what is left of it where the user's LogLevel is ERROR
    "stdio forwarding failed\nkex_exchange_identification: Connection closed by remote host\n"
    "Connection closed by UNKNOWN port 65535": LinkFault.NO_ROUTE,
    "channel 0: open failed: administratively prohibited: open failed": LinkFault.CONFIG,
    "This account is currently not available.": LinkFault.CONFIG,
}


@pytest.fixture
def config() -> HostConfig:
    return HostConfig(name="alpha", hostname="10.0.0.1", port=22, user="me")


@pytest.mark.parametrize(("said", "fault"), SAYINGS.items())
def test_sayings(config, said, fault):
    error = fault_from(said, config)
    assert error.fault is fault
    if fault is not LinkFault.UNKNOWN_HOST:
        assert "alpha" in error.message


def test_a_changed_key_names_file_line_and_fingerprint(config):
    error = fault_from(CHANGED, config)
    assert "/home/me/.ssh/known_hosts:7" in error.message
    assert "SHA256:A8Wnv4gDFEyqjchQkvKCwOsa8FcqrAaLufsjTIBmfM4" in error.message


def test_silence_is_a_timeout_only_if_time_was_up(config):
    assert fault_from("", config, timed_out=True).fault is LinkFault.TIMEOUT
    assert fault_from("", config).fault is LinkFault.CONFIG


def test_on_a_way_through_others_the_host_that_is_meant_is_named(config):
    config = msgspec.structs.replace(config, jumps=(Hop(host="gate"),))
    last = "Connection closed by UNKNOWN port 65535"
    said = f"ssh: connect to host gate port 22: Connection refused\n{last}"
    assert fault_from(said, config).message == "the way to alpha ends at gate (Connection refused)"
    told = fault_from(f"stdio forwarding failed\n{last}", config).message
    assert told == "alpha cannot be reached on port 22 by way of gate (stdio forwarding failed)"


def test_a_lost_connection_tells_the_last_words():
    error = lost_from("noise\nTimeout, server alpha not responding.\r\n", "alpha")
    assert error.fault is LinkFault.LOST
    assert error.message.endswith("Timeout, server alpha not responding.")
