"""Hosts that cannot be reached or break: the right fault, the host's name, and in time."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from backends.ssh.known_hosts import HostKey
from backends.ssh.link import LinkError, LinkFault
from rankdeck.nodes.node import Node
from tests.backends.ssh_transport.conftest import keygen, public, run, until

DEADLINE = 60.0
"""Far above every time limit used here: only a call that hangs exceeds it."""


def fault_of(call) -> LinkError:
    start = time.monotonic()
    with pytest.raises(LinkError) as told:
        call()
    assert time.monotonic() - start < DEADLINE
    return told.value


def connect_fault(transport, host: str) -> LinkError:
    error = fault_of(lambda: transport.connect(Node(name=host)))
    assert host in error.message
    return error


def test_a_refused_key(site, make, kind):
    site.serve("alpha", f"AuthorizedKeysFile {os.devnull}")
    error = connect_fault(make(kind), "alpha")
    assert error.fault is LinkFault.AUTH
    assert "ssh-copy-id" in error.hint
    assert not error.passing


def test_too_many_keys(site, make):
    site.serve("alpha", "MaxAuthTries 2", f"AuthorizedKeysFile {os.devnull}")
    keys = [keygen(site.folder / f"other{number}") for number in range(4)]
    site.configure("\n".join(f"IdentityFile {key}" for key in keys))
    error = connect_fault(make("paramiko"), "alpha")
    assert error.fault is LinkFault.AUTH
    assert "no further tries" in error.message
    assert str(keys[0]) in error.message


def test_nobody_listens(site, make, kind):
    site.serve("alpha").stop()
    error = connect_fault(make(kind), "alpha")
    assert error.fault is LinkFault.REFUSED
    assert error.passing


def test_a_name_that_does_not_resolve(site, make, kind):
    # two dots in a row are no name for any resolver: nothing is asked on the network
    error = connect_fault(make(kind), "no..such")
    assert error.fault is LinkFault.UNKNOWN_HOST
    assert not error.passing


def test_a_changed_host_key(site, make, kind):
    server = site.serve("alpha", known=False)
    other = keygen(site.folder / "other")
    site.known_hosts.write_text(f"# a comment\n{server.label} {public(other)}\n")
    error = connect_fault(make(kind), "alpha")
    assert error.fault is LinkFault.KEY_CHANGED
    assert f"{site.known_hosts}:2" in error.message
    assert fingerprint(server.key) in error.message


def fingerprint(key) -> str:
    import base64

    kind, text = public(key).split()
    return HostKey(kind, base64.b64decode(text)).fingerprint


def test_another_type_of_key_than_the_recorded_one(site, make):
    server = site.serve("alpha", known=False)
    other = keygen(site.folder / "other", "ecdsa")
    site.known_hosts.write_text(f"{server.label} {public(other)}\n")
    error = connect_fault(make("paramiko"), "alpha")
    assert error.fault is LinkFault.KEY_CHANGED


def test_an_unknown_host_key(site, make, kind):
    server = site.serve("alpha", known=False)
    error = connect_fault(make(kind), "alpha")
    assert error.fault is LinkFault.KEY_UNKNOWN
    assert not site.known_hosts.read_text()
    if kind == "paramiko":
        assert fingerprint(server.key) in error.message


def test_the_hint_for_an_unknown_key_is_what_makes_it_known(site, make):
    site.serve("alpha", known=False)
    transport = make("paramiko")
    command = connect_fault(transport, "alpha").hint.split("then: ")[1]
    assert os.system(command) == 0
    assert run(transport, "alpha", "echo in")[0] == b"in\n"


def test_a_key_marked_as_revoked(site, make):
    server = site.serve("alpha")
    with site.known_hosts.open("a") as file:
        file.write(f"@revoked * {public(server.key)}\n")
    error = connect_fault(make("paramiko"), "alpha")
    assert error.fault is LinkFault.KEY_CHANGED
    assert f"revoked in {site.known_hosts}:2" in error.message


def test_a_host_that_says_nothing(site, make, kind, listen):
    tarpit = listen()
    site.configure(
        f"Host alpha\n HostName {tarpit.address}\n Port {tarpit.port}\n ConnectTimeout 1\n"
    )
    assert connect_fault(make(kind), "alpha").fault is LinkFault.TIMEOUT


def test_a_host_that_stops_in_the_middle_of_logging_in(site, make, kind):
    server = site.serve("alpha")
    site.configure("Host *\n ConnectTimeout 2\n")
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        # the kernel accepts; sshd does not
        assert connect_fault(make(kind), "alpha").fault is LinkFault.TIMEOUT
    finally:
        os.kill(server.process.pid, signal.SIGCONT)


def test_something_that_is_no_ssh_server(site, make, listen):
    other = listen(greeting=b"220 mail.example ESMTP\r\n" * 200)
    site.configure(
        f"Host alpha\n HostName {other.address}\n Port {other.port}\n ConnectTimeout 2\n"
    )
    assert connect_fault(make("paramiko"), "alpha").fault in (LinkFault.CONFIG, LinkFault.TIMEOUT)


@pytest.mark.parametrize(
    "greeting", [b"", b"Exceeded MaxStartups\r\n", b"Not allowed at this time\r\n"]
)
def test_a_server_that_drops_connections_is_asked_again_until_time_is_up(
    site, make, kind, listen, greeting
):
    busy = listen(greeting=greeting, close=True)
    site.configure(f"Host alpha\n HostName {busy.address}\n Port {busy.port}\n ConnectTimeout 6\n")
    error = connect_fault(make(kind), "alpha")
    assert error.fault is LinkFault.BUSY
    assert error.passing
    assert busy.connections > 1


def test_all_get_in_although_the_server_limits_connections(site, make, kind):
    site.serve("alpha", "MaxStartups 2:100:2")
    site.configure("Host *\n ConnectTimeout 60\n")
    transport = make(kind)
    links = []
    threads = [
        threading.Thread(target=lambda: links.append(transport.connect(Node(name="alpha"))))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(links) == 8
    for link in links:
        link.close()


def test_more_sessions_than_the_server_allows(site, make):
    site.serve("alpha", "MaxSessions 1")
    link = make("paramiko").connect(Node(name="alpha"))
    first = link.exec("cat")
    error = fault_of(lambda: link.exec("true"))
    assert error.fault is LinkFault.BUSY
    assert "alpha" in error.message
    first.close_input()
    assert first.read() == b""
    link.close()


def test_a_connection_whose_server_side_is_killed(site, make, kind):
    server = site.serve("alpha")
    link = make(kind).connect(Node(name="alpha"))
    stream = link.exec("echo up; cat")
    assert stream.read() == b"up\n"
    for pid in server.sessions():
        os.kill(pid, signal.SIGKILL)
    error = fault_of(stream.read)
    assert error.fault is LinkFault.LOST
    assert error.passing
    assert "alpha" in error.message
    link.close()


def test_sshd_killed_leaves_open_connections_alone(site, make, kind):
    server = site.serve("alpha")
    transport = make(kind)
    link = transport.connect(Node(name="alpha"))
    stream = link.exec("cat")
    server.stop()
    stream.write(b"still here\n")
    assert stream.read() == b"still here\n"
    assert connect_fault(transport, "alpha").fault is LinkFault.REFUSED
    link.close()


def test_a_link_that_broke_refuses_further_commands(site, make, kind):
    server = site.serve("alpha")
    link = make(kind).connect(Node(name="alpha"))
    stream = link.exec("echo up; cat")
    assert stream.read() == b"up\n"
    server.stop()
    for pid in server.sessions() or _orphans(server):
        os.kill(pid, signal.SIGKILL)
    fault_of(stream.read)
    error = fault_of(lambda: link.exec("true"))
    assert error.fault in (LinkFault.LOST, LinkFault.REFUSED)
    link.close()


def _orphans(server) -> list[int]:
    """Sessions of an sshd that has gone: who holds a connection from its port."""
    import psutil

    return [
        connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.laddr
        and connection.laddr.ip == server.address
        and connection.laddr.port == server.port
        and connection.pid
    ]


def test_no_common_algorithm(site, make, kind):
    site.serve("alpha", "Ciphers chacha20-poly1305@openssh.com")
    site.configure("Ciphers aes128-ctr\n")
    error = connect_fault(make(kind), "alpha")
    assert error.fault is LinkFault.CONFIG


def test_an_account_that_may_run_nothing(site, make, kind):
    site.serve("alpha", "PermitTTY no", "ForceCommand /bin/false")
    transport = make(kind)
    if kind == "openssh":
        assert connect_fault(transport, "alpha").fault is LinkFault.CONFIG
    else:
        assert run(transport, "alpha", "echo x")[2] == 1


def test_a_transport_that_is_not_there(site, make):
    error = fault_of(lambda: make("telnet"))
    assert error.fault is LinkFault.CONFIG
    assert "paramiko or openssh" in error.hint


def test_no_ssh_program(site, make, monkeypatch):
    site.serve("alpha")
    transport = make("openssh")
    with monkeypatch.context() as without:
        without.setenv("PATH", "/nonexistent")
        assert fault_of(lambda: transport.connect(Node(name="alpha"))).fault is LinkFault.CONFIG


def test_nothing_of_a_failed_connection_is_left(site, make, kind):
    before = set(threading.enumerate())
    site.serve("alpha", f"AuthorizedKeysFile {os.devnull}")
    transport = make(kind)
    connect_fault(transport, "alpha")
    until(lambda: before.issuperset(threading.enumerate()))
    until(lambda: not site.servers["alpha"].sessions())
