"""ssh_config as it bears on real connections: keys, agents, jumps, proxies, names."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from contextlib import suppress

import pytest

from backends.ssh.fanout import fan_out
from backends.ssh.link import LinkError, LinkFault
from rankdeck.nodes.node import Node
from tests.backends.ssh_transport.conftest import keygen, public, run, until


@pytest.fixture
def agent(short_folder, monkeypatch):
    """An empty ssh-agent of this test's own."""
    path = short_folder / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    until(path.exists)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
    yield path
    process.terminate()
    process.wait(60)


def refused(transport, host: str = "alpha") -> LinkError:
    with pytest.raises(LinkError) as told:
        transport.connect(Node(name=host))
    return told.value


@pytest.mark.parametrize("algorithm", ["rsa", "ecdsa", "ed25519"])
def test_keys_of_every_type(site, make, kind, algorithm):
    site.serve("alpha", kind=algorithm)
    key = keygen(site.folder / "mine", algorithm)
    site.authorized.write_text(public(key) + "\n")
    site.configure(f"IdentityFile {key}\n")
    assert run(make(kind), "alpha", "echo in")[0] == b"in\n"


@pytest.mark.parametrize("form", ["PEM", "PKCS8"])
def test_keys_in_older_files(site, make, form):
    site.serve("alpha")
    key = keygen(site.folder / "mine", "ecdsa")
    site.authorized.write_text(public(key) + "\n")
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-m", form, "-N", "", "-P", "", "-f", key], check=True
    )
    site.configure(f"IdentityFile {key}\n")
    assert run(make("paramiko"), "alpha", "echo in")[0] == b"in\n"


def test_the_usual_key_is_found_in_the_home(site, make, private_home):
    site.serve("alpha")
    folder = private_home / ".ssh"
    folder.mkdir(mode=0o700)
    shutil.copy(site.key, folder / "id_ed25519")
    config = site.config.read_text().replace(f"IdentityFile {site.key}", "")
    site.config.write_text(config)
    assert run(make("paramiko"), "alpha", "echo in")[0] == b"in\n"


@pytest.mark.parametrize("form", ["RFC4716", "PEM"])
def test_an_encrypted_key_needs_its_passphrase(site, make, form):
    site.serve("alpha")
    key = keygen(site.folder / "locked", "rsa", "open sesame")
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-m", form, "-N", "open sesame", "-P", "open sesame", "-f", key],
        check=True,
    )
    site.authorized.write_text(public(key) + "\n")
    site.key.unlink()
    site.configure(f"IdentityFile {key}\n")
    assert run(make("paramiko", {str(key): "open sesame"}), "alpha", "echo in")[0] == b"in\n"
    error = refused(make("paramiko"))
    assert error.fault is LinkFault.CONFIG
    assert f"{key} is locked with a passphrase" in error.message
    assert error.hint == f"ssh-add {key}"
    error = refused(make("paramiko", {str(key): "wrong"}))
    assert "passphrase is wrong" in error.message
    assert "wrong" not in error.message.replace("is wrong", "")


def test_a_key_that_others_may_read_is_not_used(site, make, kind):
    site.serve("alpha")
    site.key.chmod(0o644)
    error = refused(make(kind))
    assert error.fault in (LinkFault.CONFIG, LinkFault.AUTH)
    assert f"{site.key} has permissions 0644, which are too open" in error.message
    assert error.hint == f"chmod 600 {site.key}"


def test_a_key_in_an_agent(site, make, kind, agent):
    site.serve("alpha")
    key = keygen(site.folder / "mine", "rsa")
    site.authorized.write_text(public(key) + "\n")
    subprocess.run(["ssh-add", "-q", key], check=True)
    key.unlink()
    # only its public half is on disk: it names which of the agent's keys to use
    site.configure(f"IdentityFile {key}\n")
    assert run(make(kind), "alpha", "echo in")[0] == b"in\n"


def test_many_threads_share_an_agent(site, make, agent):
    site.serve("alpha", "MaxStartups 100")
    subprocess.run(["ssh-add", "-q", site.key], check=True)
    site.key.unlink()
    transport = make("paramiko")
    outputs: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: outputs.append(run(transport, "alpha", "echo in")[0]))
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outputs == [b"in\n"] * 12


def test_identities_only_leaves_the_other_keys_of_the_agent_alone(site, make, agent):
    site.serve("alpha")
    extra = keygen(site.folder / "extra")
    subprocess.run(["ssh-add", "-q", extra], check=True)
    site.authorized.write_text(public(extra) + "\n")
    assert refused(make("paramiko")).fault is LinkFault.AUTH
    site.configure("IdentitiesOnly no\n")
    assert run(make("paramiko"), "alpha", "echo in")[0] == b"in\n"


@pytest.mark.parametrize("algorithm", ["rsa", "ecdsa", "ed25519"])
@pytest.mark.parametrize("where", ["file", "agent"])
def test_a_certificate(site, make, kind, agent, algorithm, where):
    authority = keygen(site.folder / "authority")
    trusted = site.folder / "trusted"
    trusted.write_text(public(authority) + "\n")
    site.serve("alpha", f"TrustedUserCAKeys {trusted}", f"AuthorizedKeysFile {os.devnull}")
    key = keygen(site.folder / "mine", algorithm)
    user = os.environ.get("LOGNAME") or "root"
    sign = ["ssh-keygen", "-q", "-s", authority, "-I", "test", "-n", user, f"{key}.pub"]
    subprocess.run(sign, check=True)
    site.configure(f"IdentityFile {key}\n")
    if where == "agent":
        subprocess.run(["ssh-add", "-q", key], check=True)
        key.unlink()
    assert run(make(kind), "alpha", "echo in")[0] == b"in\n"


def test_a_jump_host_is_connected_to_once_for_all_behind_it(site, make):
    gate = site.serve("gate")
    for name in ("alpha", "beta"):
        site.serve(name)
    site.configure("Host alpha beta\n ProxyJump gate\n")
    transport = make("paramiko")
    links = [transport.connect(Node(name=name)) for name in ("alpha", "beta", "alpha")]
    assert len(gate.sessions()) == 1
    assert [link.peer_address for link in links] == ["", "", ""]
    assert [link.exec("echo in").read() for link in links] == [b"in\n"] * 3
    for link in links:
        link.close()


def test_jumps_over_several_hosts(site, make, kind):
    for name in ("gate", "inner", "alpha"):
        site.serve(name)
    site.stanzas.append("Host alpha\n ProxyJump gate,inner\n")
    site.configure("")
    assert run(make(kind), "alpha", "echo in")[0] == b"in\n"
    assert "Connection from" not in site.servers["alpha"].log.read_text()


def test_a_jump_host_that_is_down_is_named(site, make):
    site.serve("gate").stop()
    site.serve("alpha")
    site.configure("Host alpha\n ProxyJump gate\n")
    error = refused(make("paramiko"))
    assert error.fault is LinkFault.REFUSED
    assert "gate" in error.message


def test_a_host_that_is_down_behind_a_jump_host(site, make, kind):
    site.serve("gate")
    site.serve("alpha").stop()
    site.configure("Host alpha\n ProxyJump gate\n")
    error = refused(make(kind))
    assert error.fault is LinkFault.REFUSED


def test_the_key_of_a_host_behind_a_jump_host_is_checked(site, make, kind):
    site.serve("gate")
    site.serve("alpha", known=False)
    site.configure("Host alpha\n ProxyJump gate\n")
    assert refused(make(kind)).fault is LinkFault.KEY_UNKNOWN


def test_a_jump_host_that_broke_is_connected_to_anew(site, make):
    gate = site.serve("gate")
    site.serve("alpha")
    site.configure("Host alpha\n ProxyJump gate\n")
    transport = make("paramiko")
    link = transport.connect(Node(name="alpha"))
    stream = link.exec("echo up; cat")
    assert stream.read() == b"up\n"
    for pid in gate.sessions():
        os.kill(pid, 9)
    with pytest.raises(LinkError):
        stream.read()
    link.close()
    assert run(transport, "alpha", "echo in")[0] == b"in\n"


def test_a_proxy_command(site, make, kind):
    server = site.serve("alpha")
    site.configure(
        f"Host alpha\n ProxyCommand socat - TCP:{server.address}:%p\n HostName %h.invalid"
    )
    with site.known_hosts.open("a") as file:
        file.write(f"[alpha.invalid]:{server.port} {public(server.key)}\n")
    transport = make(kind)
    assert run(transport, "alpha", "echo in")[0] == b"in\n"
    until(lambda: not _children_named("socat"))


def test_what_a_proxy_command_started_ends_with_the_link(site, make):
    server = site.serve("alpha")
    command = f"sh -c 'socat - TCP:{server.address}:{server.port}; sleep 600'"
    site.configure(f"Host alpha\n ProxyCommand {command}\n")
    assert run(make("paramiko"), "alpha", "echo in")[0] == b"in\n"
    until(lambda: not _children_named("sleep"))


def _children_named(name: str) -> list[int]:
    import psutil

    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            # one that has ended, and that whoever started it has not asked about, is none
            if child.name() == name and child.status() != psutil.STATUS_ZOMBIE:
                found.append(child.pid)
    return found


def test_a_proxy_command_that_fails(site, make):
    site.serve("alpha")
    site.configure("Host alpha\n ProxyCommand exit 1\n")
    error = refused(make("paramiko"))
    assert error.fault is LinkFault.NO_ROUTE
    assert "ProxyCommand" in error.message


def test_a_host_key_alias(site, make, kind):
    server = site.serve("alpha", known=False)
    site.known_hosts.write_text(f"the-cluster {public(server.key)}\n")
    site.configure("Host alpha\n HostKeyAlias the-cluster\n")
    assert run(make(kind), "alpha", "echo in")[0] == b"in\n"


def test_algorithms_of_the_users_choice(site, make, kind):
    site.serve("alpha", "LogLevel DEBUG", "KexAlgorithms ecdh-sha2-nistp384,curve25519-sha256")
    site.configure("Ciphers aes256-ctr\nKexAlgorithms ecdh-sha2-nistp384\nMACs hmac-sha2-512\n")
    assert run(make(kind), "alpha", "echo in")[0] == b"in\n"
    log = site.servers["alpha"].log.read_text()
    assert "cipher: aes256-ctr MAC: hmac-sha2-512" in log
    assert "algorithm: ecdh-sha2-nistp384" in log


@pytest.mark.parametrize(
    "cipher",
    ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes256-cbc"],
)
@pytest.mark.parametrize("more", ["", "Compression yes\n"], ids=["plain", "compressed"])
def test_much_data_and_new_keys_in_between(site, make, monkeypatch, cipher, more):
    from backends.ssh.packets import QuickPacketizer

    monkeypatch.setattr(QuickPacketizer, "REKEY_BYTES", 3 << 20)
    ciphers = f"Ciphers {cipher}"
    macs = "MACs hmac-sha2-256-etm@openssh.com"
    server = site.serve("alpha", "RekeyLimit 2M", ciphers, macs, "LogLevel DEBUG")
    site.configure(f"{ciphers}\n{more}")
    data = os.urandom(8 << 20)
    (one,) = fan_out(make("paramiko"), [Node(name="alpha")], "cat", input=data)
    assert one.trouble is None
    assert one.output == data
    assert server.log.read_text().count("expecting SSH2_MSG_NEWKEYS") > 3


def test_new_keys_when_enough_has_come_in(site, make, monkeypatch):
    from backends.ssh.packets import QuickPacketizer

    monkeypatch.setattr(QuickPacketizer, "REKEY_BYTES", 1 << 20)
    server = site.serve("alpha", "LogLevel DEBUG")
    (one,) = fan_out(make("paramiko"), [Node(name="alpha")], "head -c 20000000 /dev/zero")
    assert len(one.output) == 20_000_000
    assert server.log.read_text().count("expecting SSH2_MSG_NEWKEYS") > 3


def test_a_command_may_end_while_keys_are_exchanged(site, make, monkeypatch):
    from backends.ssh.packets import QuickPacketizer

    monkeypatch.setattr(QuickPacketizer, "REKEY_BYTES", 1 << 20)
    server = site.serve("alpha", "LogLevel DEBUG")
    link = make("paramiko").connect(Node(name="alpha"))
    sizes = range(900_000, 1_100_000, 8_000)
    for size in sizes:
        stream = link.exec(f"head -c {size} /dev/zero")
        received = 0
        while chunk := stream.read():
            received += len(chunk)
        assert (received, stream.exit_status()) == (size, 0)
        stream.close()
    until(lambda: server.log.read_text().count("free: server-session") == len(sizes))
    link.close()
    assert server.log.read_text().count("expecting SSH2_MSG_NEWKEYS") > 10


def test_quick_algorithms_without_a_choice(site, make):
    site.serve("alpha", "LogLevel DEBUG")
    assert run(make("paramiko"), "alpha", "echo in")[0] == b"in\n"
    log = site.servers["alpha"].log.read_text()
    assert "cipher: aes128-gcm@openssh.com" in log
    assert "algorithm: curve25519-sha256" in log


def test_the_recorded_type_of_host_key_is_asked_for(site, make, kind):
    extra = keygen(site.folder / "rsa", "rsa")
    server = site.serve("alpha", f"HostKey {extra}", f"HostKey {site.key}", known=False)
    site.known_hosts.write_text(f"{server.label} {public(extra)}\n")
    assert run(make(kind), "alpha", "echo in")[0] == b"in\n"


def test_what_only_ssh_can_do_is_left_to_it(site, make):
    site.serve("alpha")
    site.configure('Match exec "true"\n  User nobody-at-all\n')
    error = refused(make("paramiko"))
    assert error.fault is LinkFault.AUTH
    assert "Permission denied" in error.message
    site.configure('Match exec "false"\n  User nobody-at-all\n')
    assert run(make("paramiko"), "alpha", "echo in")[0] == b"in\n"


def test_a_host_certificate_is_left_to_ssh(site, make):
    server = site.serve("alpha", known=False)
    authority = keygen(site.folder / "authority")
    sign = ["ssh-keygen", "-q", "-s", authority, "-I", "host", "-h", "-n", server.address]
    subprocess.run([*sign, f"{server.key}.pub"], check=True)
    certified = site.serve(
        "beta", f"HostKey {server.key}", f"HostCertificate {server.key}-cert.pub", known=False
    )
    subprocess.run(
        [*sign[:-1], f"{server.address},{certified.address}", f"{server.key}.pub"], check=True
    )
    certified.process.send_signal(1)
    site.known_hosts.write_text(f"@cert-authority * {public(authority)}\n")
    until(lambda: _answers(make("paramiko")))


def _answers(transport) -> bool:
    try:
        return run(transport, "beta", "echo in")[0] == b"in\n"
    except LinkError:
        return False


def test_no_shared_connection_is_left_behind(site, make, short_folder):
    server = site.serve("alpha")
    socket = short_folder / "master"
    site.configure(f"ControlPath {socket}\nControlMaster auto\nControlPersist 600\n")
    assert run(make("openssh"), "alpha", "echo in")[0] == b"in\n"
    assert not socket.exists()
    until(lambda: not server.sessions())


def test_a_connection_that_ssh_shares_is_used(site, make, short_folder):
    site.serve("alpha")
    socket = short_folder / "master"
    site.configure(f"ControlPath {socket}\n")
    master = subprocess.Popen(["ssh", "-F", site.config, "-M", "-N", "alpha"])
    until(socket.exists)
    site.authorized.write_text("")
    try:
        assert run(make("paramiko"), "alpha", "echo in")[0] == b"in\n"
    finally:
        master.terminate()
        master.wait(60)
