"""Real sshd processes on this machine's loopback addresses, one per host that a test names."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from backends.ssh.link import LinkOptions, make_transport
from rankdeck.nodes.node import Node

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from backends.ssh.link import Transport

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
_numbers = itertools.count()


def own_address() -> str:
    """A loopback address that nobody else on this machine uses: other sessions have other pids."""
    pid = os.getpid()
    return f"127.{16 + pid // 256 % 200}.{pid % 256}.{next(_numbers) % 250 + 1}"


def keygen(path: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    size = {"rsa": ("-b", "2048")}.get(kind, ())
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, *size, "-N", passphrase, "-C", path.name, "-f", path],
        check=True,
    )
    return path


def public(path: Path) -> str:
    """Type and key, as known_hosts and authorized_keys have them."""
    return " ".join(path.with_name(path.name + ".pub").read_text().split()[:2])


def until(condition, seconds: float = 90.0):
    """Poll for something true; fails if it does not come."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)
    return found


@dataclass
class Server:
    """One sshd, and how the configuration names it."""

    name: str
    address: str
    port: int
    key: Path
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def label(self) -> str:
        return f"[{self.address}]:{self.port}"

    def sessions(self) -> list[int]:
        """Its processes that serve a connection."""
        listing = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, check=False
        )
        return [int(pid) for pid in listing.stdout.split()]

    def stop(self) -> None:
        """No new connections; those that are open live on."""
        self.process.terminate()
        self.process.wait(60)


@dataclass
class Site:
    """A user with keys and a configuration, and the hosts they can reach."""

    folder: Path
    servers: dict[str, Server] = field(default_factory=dict)
    stanzas: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.key = keygen(self.folder / "id_user")
        self.config = self.folder / "ssh_config"
        self.known_hosts = self.folder / "known_hosts"
        self.authorized = self.folder / "authorized_keys"
        self.authorized.write_text(public(self.key) + "\n")
        self.known_hosts.touch()
        self.configure("")

    def configure(self, first: str, defaults: str = "") -> None:
        """Write the configuration anew, with lines before the hosts' own and in the defaults."""
        hosts = "".join(
            f"Host {server.name}\n  HostName {server.address}\n  Port {server.port}\n"
            for server in self.servers.values()
        )
        stanzas = "".join(self.stanzas)
        self.config.write_text(
            f"{first}\n{hosts}{stanzas}Host *\n{defaults}\n  IdentityFile {self.key}\n"
            f"  IdentitiesOnly yes\n  UserKnownHostsFile {self.known_hosts}\n"
            "  GlobalKnownHostsFile /dev/null\n  ConnectTimeout 30\n"
        )

    def serve(self, name: str, *lines: str, known: bool = True, kind: str = "ed25519") -> Server:
        """Start an sshd for a host of this name, with further lines for its configuration."""
        assert SSHD is not None
        folder = self.folder / name
        folder.mkdir()
        key = keygen(folder / "host_key", kind)
        # an address of its own for each: known_hosts and connections then tell hosts apart
        address = own_address()
        port = _free_port(address)
        config = folder / "sshd_config"
        own = {line.split()[0].lower() for line in lines}
        usual = (
            f"Port {port}",
            f"ListenAddress {address}",
            f"HostKey {key}",
            "PidFile none",
            "UsePAM no",
            "UseDNS no",
            "StrictModes no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin prohibit-password",
            f"AuthorizedKeysFile {self.authorized}",
            "KexAlgorithms curve25519-sha256",
        )
        kept = [line for line in usual if line.split()[0].lower() not in own]
        config.write_text("\n".join((*lines, *kept)) + "\n")
        log = folder / "log"
        process = subprocess.Popen([SSHD, "-D", "-f", config, "-E", log])
        server = Server(name, address, port, key, process, log)
        self.servers[name] = server
        until(lambda: process.poll() is not None or _listens(address, port))
        assert process.poll() is None, log.read_text()
        # what asked whether it listens counts as a session until sshd has noticed its end
        until(lambda: not server.sessions())
        if known:
            with self.known_hosts.open("a") as file:
                file.write(f"{server.label} {public(key)}\n")
        self.configure("")
        return server

    def options(self, transport: str = "paramiko", **settings: object) -> LinkOptions:
        return LinkOptions(transport=transport, config_file=str(self.config), **settings)

    def close(self) -> None:
        for server in self.servers.values():
            children = server.sessions()
            server.process.kill()
            server.process.wait(60)
            for pid in children:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


def _listens(address: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    if SSHD is None or shutil.which("ssh") is None:
        needs = "OpenSSH's server and client are needed for the tests of the SSH transports"
        pytest.fail(needs) if os.environ.get("CI") else pytest.skip(needs)
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    site = Site(tmp_path)
    yield site
    site.close()


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """For sockets: their paths may have no more than 107 bytes, and those of tests often have."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture(params=["paramiko", "openssh"])
def kind(request: pytest.FixtureRequest) -> str:
    """Both transports."""
    return str(request.param)


@pytest.fixture
def make(site: Site) -> Iterator:
    """Makes transports for the site and closes them at the end."""
    made: list[Transport] = []

    def make(kind: str, secrets: Mapping[str, str] | None = None, **settings: object) -> Transport:
        made.append(make_transport(site.options(kind, **settings), secrets or {}))
        return made[-1]

    yield make
    for transport in made:
        transport.close()


def run(transport: Transport, host: str | Node, command: str, data: bytes = b""):
    """Output, error text and status of a command on a host."""
    node = host if isinstance(host, Node) else Node(name=host)
    link = transport.connect(node)
    try:
        stream = link.exec(command)
        if data:
            stream.write(data)
        stream.close_input()
        chunks = []
        while chunk := stream.read():
            chunks.append(chunk)
        return b"".join(chunks), stream.error_text(), stream.exit_status()
    finally:
        link.close()


class Listener:
    """Something on a port that is no sshd: says what it is told to, then waits or closes."""

    def __init__(self, address: str, greeting: bytes = b"", close: bool = False) -> None:
        self._socket = socket.create_server((address, 0))
        self.address, self.port = address, self._socket.getsockname()[1]
        self.connections = 0
        self._held: list[socket.socket] = []
        self._greeting, self._close = greeting, close
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            with suppress(OSError):
                connection.sendall(self._greeting)
            if self._close:
                connection.close()
            else:
                self._held.append(connection)

    def close(self) -> None:
        # closing alone would not wake up the thread that accepts
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()
        for connection in self._held:
            connection.close()


@pytest.fixture
def listen() -> Iterator:
    made: list[Listener] = []

    def listen(**settings: object) -> Listener:
        made.append(Listener(own_address(), **settings))
        return made[-1]

    yield listen
    for listener in made:
        listener.close()


assert sys.platform == "linux", "these tests use the whole of 127.0.0.0/8"
