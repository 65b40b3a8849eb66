"""Our reading of ssh_config against ssh's own (`ssh -G`)."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from backends.ssh.algorithms import split_list
from backends.ssh.config import Hop, HostConfig, Resolver
from backends.ssh.link import LinkError, LinkFault, LinkOptions
from rankdeck.nodes.node import Node

if TYPE_CHECKING:
    from pathlib import Path

BASICS = """
Host bastion
  HostName bastion.example.org
  User jump
  Port 2200

Host node* !node9
  User trainer
  Port 2222
  HostName %h.cluster.example.org
  ProxyJump bastion,ops@inner:2022
  IdentityFile ~/.ssh/id_cluster
  IdentityFile "~/.ssh/id with space"

Host node1 node?2
  User second-is-too-late
  ConnectTimeout 7
  ConnectionAttempts=3
  HostKeyAlias   the-alias

host QUOTED
  user "quo ted"

Host *
  ServerAliveInterval 1m
  IdentitiesOnly yes
  IdentityFile %d/.ssh/%r-%n-%h-%p-%%  # a comment
  UserKnownHostsFile ~/.ssh/a ~/.ssh/b
  Ciphers aes256-ctr
"""

MATCHES = """
Host alpha
  HostName alpha.example.org
Match host *.example.org
  User from-host
Match originalhost alpha
  Port 1001
Match user from-host
  ConnectTimeout 11
Match user nobody-of-that-name
  ConnectionAttempts 12
Match !host *.example.org originalhost be*,!beta2
  Port 1002
Match final host alpha.example.org
  HostKeyAlias final-alias
Match all
  ServerAliveInterval 13
"""

PROXIES = """
Host first
  ProxyCommand nc -X "connect" %h %p  %r %%
  ProxyJump too-late
Host second
  ProxyJump jump
  ProxyCommand too late
Host third
  ProxyJump none
Host fourth
  ProxyCommand none
Host f?fth
  ProxyJump ssh://me@inner:99
Host *
  ProxyJump default
"""

CASES = {
    "basics": (BASICS, ("node1", "node9", "nodex2", "bastion", "QUOTED", "other", "NODE1")),
    "matches": (MATCHES, ("alpha", "beta", "beta2", "gamma")),
    "proxies": (PROXIES, ("first", "second", "third", "fourth", "fifth", "sixth")),
}


def resolver(path: Path) -> Resolver:
    return Resolver(LinkOptions(config_file=str(path)))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config"


def by_ssh(path: Path, host: str, *more: str) -> dict[str, list[str]]:
    done = subprocess.run(
        ["ssh", "-G", "-F", path, *more, host], capture_output=True, text=True, check=True
    )
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        key, _, value = line.partition(" ")
        found.setdefault(key, []).append(value)
    return found


def compare(ours: HostConfig, theirs: dict[str, list[str]], home: Path) -> None:
    def first(key: str, default: str = "") -> str:
        return theirs.get(key, [default])[0]

    assert ours.hostname.lower() == first("hostname").lower()
    assert (ours.user, str(ours.port)) == (first("user"), first("port"))
    assert ours.connection_attempts == int(first("connectionattempts"))
    timeout = first("connecttimeout")
    assert ours.connect_timeout == (10.0 if timeout in ("none", "0") else float(timeout))
    assert ours.server_alive_interval == float(first("serveraliveinterval"))
    assert ours.host_key_alias == first("hostkeyalias")
    assert ours.identities_only is (first("identitiesonly") == "yes")
    # ssh shows this one with its tokens
    shown = first("proxycommand").replace("%h", ours.hostname).replace("%p", str(ours.port))
    assert ours.proxy_command == shown.replace("%r", ours.user).replace("%%", "%")
    jumps = [
        (f"{hop.user}@" if hop.user else "")
        + (f"[{hop.host}]" if hop.port or ":" in hop.host else hop.host)
        + (f":{hop.port}" if hop.port else "")
        for hop in ours.jumps
    ]
    assert ",".join(jumps).replace("[", "").replace("]", "") == first("proxyjump").replace(
        "[", ""
    ).replace("]", "")


@pytest.mark.parametrize(
    ("name", "host"), [(name, host) for name, (_, hosts) in CASES.items() for host in hosts]
)
def test_what_ssh_makes_of_it(config, private_home, name, host):
    if shutil.which("ssh") is None:
        pytest.skip("compares with the program ssh, which is not installed")
    config.write_text(CASES[name][0])
    compare(resolver(config).resolve(Node(name=host)), by_ssh(config, host), private_home)


def test_the_nodes_own_user_and_port_come_first(config, private_home):
    config.write_text(BASICS + "Match user me\n ConnectTimeout 44\n")
    found = resolver(config).resolve(Node(name="n", address="node3", user="me", port=99))
    assert (found.name, found.hostname) == ("n", "node3.cluster.example.org")
    assert (found.user, found.port, found.connect_timeout) == ("me", 99, 44)


def test_a_time_given_for_this_run_is_not_changed_by_the_file(config):
    config.write_text("Host *\n ConnectTimeout 44\n")
    given = LinkOptions(config_file=str(config), connect_timeout=3.0, insist=True)
    assert Resolver(given).resolve(Node(name="n")).connect_timeout == 3.0


def test_identity_files_add_up_and_tokens_are_expanded(config, private_home):
    config.write_text(BASICS)
    found = resolver(config).resolve(Node(name="node1"))
    assert [str(path) for path in found.identity_files] == [
        f"{private_home}/.ssh/id_cluster",
        f"{private_home}/.ssh/id with space",
        f"{private_home}/.ssh/trainer-node1-node1.cluster.example.org-2222-%",
    ]
    assert not found.default_identities
    assert found.user_known_hosts == (private_home / ".ssh/a", private_home / ".ssh/b")
    assert found.jumps == (Hop("bastion"), Hop("inner", "ops", 2022))


def test_the_usual_identities(config, private_home):
    config.write_text("")
    found = resolver(config).resolve(Node(name="alpha"))
    assert private_home / ".ssh/id_ed25519" in found.identity_files
    assert found.default_identities


def test_includes(config, private_home, tmp_path):
    folder = private_home / ".ssh"
    folder.mkdir()
    (folder / "one.conf").write_text("User from-one\n")
    (folder / "two.conf").write_text("User from-two\nPort 7\nHost beta\n  ConnectTimeout 3\n")
    (tmp_path / "far").write_text("Port 8\n")
    config.write_text(
        f"Host alpha\n  Include *.conf {tmp_path}/far missing\n  ConnectionAttempts 5\nHost *\n"
        "  Include two.conf\n"
    )
    alpha = resolver(config).resolve(Node(name="alpha"))
    # what an included file selects ends with that file: alpha's own lines go on after it
    assert (alpha.user, alpha.port, alpha.connection_attempts) == ("from-one", 7, 5)
    beta = resolver(config).resolve(Node(name="beta"))
    assert (beta.user, beta.connect_timeout) == ("from-two", 3)


def test_an_include_in_a_circle_is_told(config, private_home):
    config.write_text(f"Include {config}\n")
    with pytest.raises(LinkError, match="circle"):
        resolver(config).resolve(Node(name="alpha"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('Host a\n  IdentityFile "open', r":2: a quotation is not closed"),
        ("User\n", r":1: user has no value"),
        ("\n\nPort http\n", r":3: port 'http' is not a number"),
        ("ConnectTimeout soon\n", r":1: connecttimeout 'soon' is not a time"),
        ("ProxyJump -oProxyCommand=x\n", r":1: '-oProxyCommand=x' is not a jump host"),
        ("Match host\n", r":1: Match host of what"),
    ],
)
def test_mistakes_are_told_with_their_line(config, private_home, text, told):
    config.write_text(text)
    with pytest.raises(LinkError, match=told) as error:
        resolver(config).resolve(Node(name="alpha"))
    assert error.value.fault is LinkFault.CONFIG


def test_a_file_that_is_not_there(config, private_home):
    with pytest.raises(LinkError, match="cannot be read"):
        resolver(config).resolve(Node(name="alpha"))


def test_the_users_file_must_be_the_users(private_home):
    path = private_home / ".ssh" / "config"
    path.parent.mkdir()
    path.write_text("User me\n")
    path.chmod(0o666)
    with pytest.raises(LinkError, match="others may write it"):
        Resolver(LinkOptions()).resolve(Node(name="alpha"))
    path.chmod(0o600)
    assert Resolver(LinkOptions()).resolve(Node(name="alpha")).user == "me"


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ('Match exec "true"\n  Port 9\n', "Match exec"),
        ("Match host other exec true\n", ""),
        ("PKCS11Provider /usr/lib/x.so\n", "pkcs11provider"),
        ("PKCS11Provider none\n", ""),
        ("KnownHostsCommand /bin/x %H\n", "knownhostscommand"),
        ("CanonicalizeHostname yes\n", "canonicalizehostname"),
        ("CanonicalizeHostname no\n", ""),
        ("PreferredAuthentications gssapi-with-mic\n", "other than with keys"),
        ("PreferredAuthentications gssapi-with-mic,publickey\n", ""),
        ("PubkeyAuthentication no\n", "other than with keys"),
        ("GSSAPIAuthentication yes\n", ""),
        ("Host other\n  PKCS11Provider /x.so\n", ""),
    ],
)
def test_what_only_the_program_can_do(config, private_home, text, needs):
    config.write_text(text)
    found = resolver(config).resolve(Node(name="alpha")).needs_openssh
    assert needs in found
    assert bool(found) is bool(needs)
    if needs:
        assert f"{config}:1" in found


def test_a_file_is_read_once_for_all_hosts(config, private_home):
    config.write_text("User before\n")
    one = resolver(config)
    assert one.resolve(Node(name="alpha")).user == "before"
    config.write_text("User after\n")
    assert one.resolve(Node(name="beta")).user == "before"


def test_the_agents_socket(config, private_home, monkeypatch):
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    monkeypatch.setenv("OTHER", "/run/other")

    def agent(text: str) -> str:
        config.write_text(text)
        return resolver(config).resolve(Node(name="alpha")).identity_agent

    assert agent("") == "/run/agent"
    assert agent("IdentityAgent none\n") == ""
    assert agent("IdentityAgent $OTHER\n") == "/run/other"
    assert agent("IdentityAgent ~/sock\n") == f"{private_home}/sock"


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("", ("a", "b", "c1")),
        ("c1,a,unknown", ("c1", "a")),
        ("+d,a", ("a", "b", "c1", "d")),
        ("-c*,a", ("b",)),
        ("^c1,d", ("c1", "d", "a", "b")),
    ],
)
def test_algorithm_lists(text, chosen):
    assert split_list(text, ("a", "b", "c1"), ("a", "b", "c1", "d")) == chosen
