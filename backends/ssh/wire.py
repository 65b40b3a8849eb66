"""Wire: the socket under an SSH connection, tuned for what that connection is doing.

While connecting, it acknowledges every packet at once (sshd answers in small packets, and would
otherwise wait 40 ms for each acknowledgement). When the connection stands, it blocks without ever
waking up; the kernel finds out if the peer is gone.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from backends.ssh.link import LinkError, LinkFault
from rankdeck.command_log import executed

if TYPE_CHECKING:
    from collections.abc import Callable

    from backends.ssh.host_config import HostConfig

_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
_FIRST_SIZE = 1 << 14
_LARGEST_SIZE = 1 << 18
"""Buffers begin small, and grow for connections that fill them."""


class Carrier(Protocol):
    """What carries bytes: a socket, or a channel of another connection."""

    def recv(self, size: int, /) -> bytes:
        """Bytes, none at the end."""
        ...

    def send(self, data: bytes, /) -> int:
        """Send some of the bytes."""
        ...

    def settimeout(self, seconds: float | None, /) -> None:
        """How long either may block."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class Wire:
    """A socket-like object for paramiko, in the two states that the module names."""

    def __init__(
        self,
        carrier: Carrier,
        wake_every: float | None = None,
        process: subprocess.Popen[bytes] | None = None,
    ) -> None:
        """Wrap a carrier.

        Args:
            carrier: What carries the bytes.
            wake_every: Seconds after which an idle `recv` wakes up, for keepalives of the
                protocol; None: never.
            process: A program that ends with this wire.
        """
        # set once: a second thread that changed it during a recv could leave the socket in
        # non-blocking mode, and whoever reads it spinning
        carrier.settimeout(wake_every)
        self._carrier = carrier
        self._socket = carrier if isinstance(carrier, socket.socket) else None
        self._tcp = self._socket if self._socket and self._socket.family != socket.AF_UNIX else None
        self._quick = self._tcp
        self._process = process
        self._store = bytearray(_FIRST_SIZE)
        self._view = memoryview(self._store)
        self._start = self._end = 0
        self._closed = False
        self.before_waiting: Callable[[], None] = _nothing
        """Called each time before bytes are awaited: all that had arrived has been handled."""
        self.received = 0
        """Bytes received so far."""
        self.expired = False
        """It was closed because connecting took too long."""

    def recv(self, size: int) -> bytes:
        """Some of the next bytes, as a socket would give them."""
        if self._start == self._end and not self._fill():
            return b""
        end = min(self._start + size, self._end)
        piece = bytes(self._view[self._start : end])
        self._start = end
        return piece

    def peek(self, size: int) -> memoryview:
        """The next bytes, that many; they stay until `skip`, the view until the next call.

        Raises:
            EOFError: The connection ended before.
            TimeoutError: Nothing came for as long as this wire waits; what came before is kept.
        """
        while self._end - self._start < size:
            if len(self._store) - self._start < size:
                self._make_room(size)
            if not self._fill():
                raise EOFError
        return self._view[self._start : self._start + size]

    def skip(self, size: int) -> None:
        """Drop bytes that have been looked at."""
        self._start += size

    def _make_room(self, size: int) -> None:
        rest = bytes(self._view[self._start : self._end])
        if size > len(self._store):
            self._grow(size)
        self._store[: len(rest)] = rest
        self._start, self._end = 0, len(rest)

    def _grow(self, size: int) -> None:
        """A larger buffer, with nothing in it."""
        self._store = bytearray(max(size, min(2 * len(self._store), _LARGEST_SIZE)))
        self._view = memoryview(self._store)

    def _fill(self) -> int:
        """Take what has arrived from the kernel, waiting for the first byte of it."""
        if self._start == self._end:
            if self._end == len(self._store) < _LARGEST_SIZE:
                self._grow(2 * len(self._store))
            self._start = self._end = 0
        self.before_waiting()
        try:
            count = self._receive_into(self._view[self._end :])
        except TimeoutError as error:
            if error.errno is None:
                raise
            # the kernel gave up; paramiko would take this for its own timeout and go on
            raise ConnectionResetError(error.errno, "the host does not answer") from error
        self._end += count
        self.received += count
        if self._quick is not None and _QUICKACK is not None:
            with suppress(OSError):
                self._quick.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        return count

    def _receive_into(self, view: memoryview) -> int:
        if self._socket is not None:
            return self._socket.recv_into(view)
        chunk = self._carrier.recv(len(view))
        view[: len(chunk)] = chunk
        return len(chunk)

    def send(self, data: bytes) -> int:
        """Send some of the bytes."""
        return self._carrier.send(data)

    def settimeout(self, seconds: float | None) -> None:
        """Ignored: how long it blocks was decided when it was made."""

    def established(self) -> None:
        """Connecting is over: acknowledge packets as the kernel likes."""
        self._quick = None

    def expire(self) -> None:
        """Connecting took too long: end it."""
        self.expired = True
        self.close()

    @property
    def peer_address(self) -> str:
        """IP address of the other end; empty when a program or another connection carries us."""
        return self.getpeername()[0]

    def getpeername(self) -> tuple[str, int]:
        """Address and port of the other end."""
        if self._tcp is None:
            return "", 0
        name = self._tcp.getpeername()
        return str(name[0]), int(name[1])

    def close(self) -> None:
        """Close it and wake up whoever blocks in it."""
        if self._closed:
            return
        self._closed = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        self._carrier.close()
        if self._process is not None:
            _end(self._process)


def _end(process: subprocess.Popen[bytes]) -> None:
    # the command leads a group of its own; what it started goes with it
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal_number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.5)
            return


def _nothing() -> None:
    pass


def open_tcp(config: HostConfig, deadline: float, keepalive: float) -> socket.socket:
    """A TCP connection to the host, with the options that make SSH quick and find dead peers.

    Raises:
        LinkError: With the fault.
    """
    host = config.hostname
    try:
        found = socket.getaddrinfo(
            host, config.port, config.address_family, socket.SOCK_STREAM, socket.IPPROTO_TCP
        )
    except (socket.gaierror, UnicodeError) as error:
        reason = error.strerror if isinstance(error, socket.gaierror) else "not a host name"
        raise LinkError(
            LinkFault.UNKNOWN_HOST,
            f"the name {host!r} does not resolve: {reason}",
            "check its spelling, the hostfile and HostName in your SSH configuration",
        ) from error
    failure: OSError = OSError("no address")
    for at, (family, kind, protocol, _, address) in enumerate(found):
        left = deadline - time.monotonic()
        if left <= 0:
            failure = TimeoutError()
            break
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(left / (len(found) - at))
            if config.bind_address:
                connection.bind((config.bind_address, 0))
            connection.connect(address)
        except OSError as error:
            connection.close()
            failure = error
        else:
            _tune(connection, keepalive)
            return connection
    raise _unreachable(config, failure) from failure


def _tune(connection: socket.socket, keepalive: float) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if keepalive <= 0:
        return
    # the kernel watches the peer: no thread of ours wakes up for an idle connection. Dead means
    # that nothing, neither data nor a probe, was acknowledged for twice the interval
    idle = max(1, round(keepalive))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", idle),
        ("TCP_KEEPINTVL", max(1, idle // 4)),
        ("TCP_KEEPCNT", 4),
        ("TCP_USER_TIMEOUT", round(keepalive * 2000)),
    ):
        option = getattr(socket, name, None)
        if option is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)


def _unreachable(config: HostConfig, failure: OSError) -> LinkError:
    host = f"{config.name} ({config.hostname})" if config.name != config.hostname else config.name
    if isinstance(failure, TimeoutError):
        return LinkError(
            LinkFault.TIMEOUT,
            f"{host} does not answer on port {config.port}",
            "is it switched on, and is there a firewall between?",
        )
    if isinstance(failure, ConnectionRefusedError):
        return LinkError(
            LinkFault.REFUSED,
            f"{host} refuses connections on port {config.port}",
            "is its sshd running, and is the port right?",
        )
    return LinkError(
        LinkFault.NO_ROUTE,
        f"{host} cannot be reached on port {config.port}: {failure.strerror or failure}",
    )


def open_command(config: HostConfig) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """The user's ProxyCommand, its standard streams as one socket.

    Raises:
        LinkError: It cannot be started.
    """
    ours, theirs = socket.socketpair()
    try:
        process = subprocess.Popen(
            f"exec {config.proxy_command}",
            shell=True,
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        ours.close()
        raise LinkError(
            LinkFault.CONFIG, f"the ProxyCommand for {config.name} cannot be started: {error}"
        ) from error
    finally:
        theirs.close()
    executed(["sh", "-c", f"exec {config.proxy_command}"], why="ProxyCommand", host=config.name)
    return ours, process
