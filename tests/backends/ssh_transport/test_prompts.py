"""What is asked once before a run: unknown host keys and locked private keys."""

from __future__ import annotations

import os
import stat
import subprocess

import pytest

from backends.ssh.keys import LockedKey
from backends.ssh.link import LinkError, LinkFault
from backends.ssh.prompts import add_host_key, fetch_host_key, host_keys_missing, locked_keys
from rankdeck.nodes.node import Node
from tests.backends.ssh_transport.conftest import keygen, public, run, until

ALPHA, BETA = Node(name="alpha"), Node(name="beta")


def test_an_unknown_key_is_fetched_shown_and_recorded(site, make, kind):
    server = site.serve("alpha", known=False)
    site.serve("beta")
    site.known_hosts.write_text(site.known_hosts.read_text().rstrip("\n"))
    options = site.options()
    assert host_keys_missing([ALPHA, BETA], options) == (ALPHA,)
    key = fetch_host_key(ALPHA, options)
    listing = subprocess.run(
        ["ssh-keygen", "-lf", f"{server.key}.pub"], capture_output=True, text=True, check=True
    )
    assert listing.stdout.split()[1] == key.fingerprint
    assert add_host_key(ALPHA, key, options) == site.known_hosts
    assert host_keys_missing([ALPHA, BETA], options) == ()
    transport = make(kind)
    assert run(transport, "alpha", "echo in")[0] == b"in\n"
    # the last line of the file had no end: the new one must not have become part of it
    assert run(transport, "beta", "echo in")[0] == b"in\n"


def test_fetching_a_key_logs_in_nowhere(site):
    server = site.serve("alpha", "LogLevel VERBOSE", known=False)
    fetch_host_key(ALPHA, site.options())
    until(lambda: "Connection closed by" in server.log.read_text())
    assert "Accepted" not in server.log.read_text()
    assert "Failed" not in server.log.read_text()


def test_a_new_file_is_private(site, private_home):
    site.serve("alpha", known=False)
    # ~ is the home of this test
    site.configure("Host *\n UserKnownHostsFile ~/.ssh/known_hosts\n")
    key = fetch_host_key(ALPHA, site.options())
    path = add_host_key(ALPHA, key, site.options())
    assert path == private_home / ".ssh" / "known_hosts"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_hashed_names_when_the_user_wants_them(site, make):
    server = site.serve("alpha", known=False)
    site.configure("HashKnownHosts yes\n")
    add_host_key(ALPHA, fetch_host_key(ALPHA, site.options()), site.options())
    assert server.address not in site.known_hosts.read_text()
    assert run(make("openssh"), "alpha", "echo in")[0] == b"in\n"
    assert run(make("paramiko"), "alpha", "echo in")[0] == b"in\n"


def test_recording_a_key_twice_adds_one_line(site):
    site.serve("alpha", known=False)
    key = fetch_host_key(ALPHA, site.options())
    add_host_key(ALPHA, key, site.options())
    add_host_key(ALPHA, key, site.options())
    assert len(site.known_hosts.read_text().splitlines()) == 1


def test_a_changed_key_is_never_offered(site):
    server = site.serve("alpha", known=False)
    shown = fetch_host_key(ALPHA, site.options())
    before = f"{server.label} {public(keygen(site.folder / 'other'))}\n"
    site.known_hosts.write_text(before)
    assert host_keys_missing([ALPHA], site.options()) == ()
    for attempt in (
        lambda: fetch_host_key(ALPHA, site.options()),
        lambda: add_host_key(ALPHA, shown, site.options()),
    ):
        with pytest.raises(LinkError) as told:
            attempt()
        assert told.value.fault is LinkFault.KEY_CHANGED
    assert site.known_hosts.read_text() == before


def test_jump_hosts_are_asked_about_first(site, make):
    site.serve("gate", known=False)
    site.serve("alpha", known=False)
    site.configure("Host alpha\n ProxyJump gate\n")
    missing = host_keys_missing([ALPHA], site.options())
    assert [node.name for node in missing] == ["gate", "alpha"]
    for node in missing:
        add_host_key(node, fetch_host_key(node, site.options()), site.options())
    assert run(make("paramiko"), "alpha", "echo in")[0] == b"in\n"


def test_no_connection_is_made_to_find_out_what_is_missing(site, listen):
    silent = listen()
    site.configure(f"Host alpha\n HostName {silent.address}\n Port {silent.port}\n")
    assert host_keys_missing([ALPHA], site.options()) == (ALPHA,)
    assert silent.connections == 0


def test_locked_keys_are_listed_once_and_not_if_an_agent_holds_them(
    site, monkeypatch, short_folder
):
    locked = keygen(site.folder / "locked", "ed25519", "secret")
    site.configure(f"IdentityFile {locked}\n")
    # each host has another key beside it
    assert locked_keys([ALPHA, BETA], site.options()) == (LockedKey(locked),)
    socket = short_folder / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
    try:
        until(socket.exists)
        asker = site.folder / "ask"
        asker.write_text("#!/bin/sh\necho secret\n")
        asker.chmod(0o700)
        environment = {
            **os.environ,
            "SSH_AUTH_SOCK": str(socket),
            "SSH_ASKPASS": str(asker),
            "SSH_ASKPASS_REQUIRE": "force",
        }
        subprocess.run(["ssh-add", "-q", locked], check=True, env=environment)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        assert locked_keys([ALPHA], site.options()) == ()
    finally:
        agent.terminate()
        agent.wait(60)


def test_a_locked_key_that_is_the_only_one_is_told_apart(site):
    locked = keygen(site.folder / "locked", "ed25519", "secret")
    site.key.unlink()
    site.configure(f"IdentityFile {locked}\n")
    assert locked_keys([ALPHA, BETA], site.options()) == (LockedKey(locked, "alpha"),)
