"""The paramiko transport: connections made in this process, without a program per host.

What all hosts need (configuration, known_hosts, keys, agents, jump hosts) is read, unlocked or
opened once and shared; everything else belongs to one connection. `connect` may run in as many
threads as there are hosts.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from backends.ssh.config import Resolver
from backends.ssh.host_keys import HostKeyStore
from backends.ssh.keys import with_jumps
from backends.ssh.link import LinkError, LinkFault
from backends.ssh.retry import with_retries
from backends.ssh.wire import Wire, open_command, open_tcp
from rankdeck.command_log import executed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from backends.ssh.handshake import Engine
    from backends.ssh.host_config import HostConfig
    from backends.ssh.known_hosts import HostKey
    from backends.ssh.link import Link, LinkOptions, Transport
    from backends.ssh.paramiko_wire import QuickTransport
    from rankdeck.nodes.node import Node

_JUMP_FAILURE_LASTS = 2.0


class ParamikoTransport:
    """See `Transport`. Hosts that need more than paramiko can do go through the ssh program."""

    def __init__(self, options: LinkOptions, secrets: Mapping[str, str]) -> None:
        self._options = options
        self._resolver = Resolver(options)
        self._host_keys = HostKeyStore()
        self._secrets = dict(secrets)
        self._engine_made: Engine | None = None
        self._lock = threading.Lock()
        self._jumps: dict[tuple[str, ...], _Jump] = {}
        self._openssh: Transport | None = None
        self._closing = threading.Event()

    def connect(self, node: Node) -> Link:
        """See `Transport.connect`."""
        config = self._resolver.resolve(node)
        if why_openssh(config, self._host_keys):
            return self._by_program().connect(node)
        began = time.monotonic()
        way = self._way(config)
        transport, wire = self._connect(config, way)
        executed(
            _as_ssh(config, way),
            why="connect, without that program",
            host=node.name,
            seconds=time.monotonic() - began,
        )
        return self._engine().link(node.name, transport, wire)

    def host_key(self, node: Node) -> HostKey:
        """The key that a host shows, without logging in to it.

        Raises:
            LinkError: It cannot be reached.
        """
        config = self._resolver.resolve(node)
        deadline = time.monotonic() + config.connect_timeout
        wire = self._wire(config, self._way(config), deadline)
        try:
            return self._engine().shake_hands(wire, config, deadline)[1]
        finally:
            wire.close()

    def close(self) -> None:
        """See `Transport.close`."""
        self._closing.set()
        with self._lock:
            jumps = tuple(self._jumps.values())
            self._jumps.clear()
        for jump in jumps:
            jump.close()
        if self._engine_made is not None:
            self._engine_made.close()
        self._secrets.clear()
        if self._openssh is not None:
            self._openssh.close()

    def _engine(self) -> Engine:
        # imported only now: see Engine
        from backends.ssh.handshake import Engine

        with self._lock:
            if self._engine_made is None:
                self._engine_made = Engine(self._host_keys, self._secrets)
            return self._engine_made

    def _by_program(self) -> Transport:
        from backends.ssh import openssh_transport

        with self._lock:
            if self._openssh is None:
                self._openssh = openssh_transport.make(self._options, {})
            return self._openssh

    def _way(self, config: HostConfig) -> tuple[HostConfig, ...]:
        return with_jumps(self._resolver, config)[:-1]

    def _connect(
        self, config: HostConfig, way: tuple[HostConfig, ...]
    ) -> tuple[QuickTransport, Wire]:
        return with_retries(
            lambda deadline: self._try(config, way, deadline), config, self._closing
        )

    def _try(
        self, config: HostConfig, way: tuple[HostConfig, ...], deadline: float
    ) -> tuple[QuickTransport, Wire]:
        wire = self._wire(config, way, deadline)
        try:
            transport = self._engine().establish(wire, config, deadline)
            interval = self._interval(config, way)
            if interval is not None:
                transport.set_keepalive(max(1, round(interval)))
            wire.established()
        except BaseException:
            wire.close()
            raise
        return transport, wire

    def _wire(self, config: HostConfig, way: tuple[HostConfig, ...], deadline: float) -> Wire:
        interval = self._interval(config, way)
        if way:
            jump = self._through(way, deadline)
            destination = (config.hostname, config.port)
            left = max(0.1, deadline - time.monotonic())
            return Wire(self._engine().tunnel(way[-1].name, jump, destination, left), interval)
        if config.proxy_command:
            connection, process = open_command(config)
            return Wire(connection, interval, process)
        return Wire(open_tcp(config, deadline, self._options.keepalive), interval)

    def _interval(self, config: HostConfig, way: tuple[HostConfig, ...]) -> float | None:
        """Seconds between keepalives of the protocol, needed where the kernel sees no peer."""
        proxied = bool(way or config.proxy_command)
        return config.server_alive_interval or (self._options.keepalive if proxied else 0) or None

    def _through(self, way: tuple[HostConfig, ...], deadline: float) -> QuickTransport:
        key = tuple(config.target for config in way)
        with self._lock:
            jump = self._jumps.setdefault(key, _Jump())
        if not jump.lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise LinkError(LinkFault.TIMEOUT, f"the jump host {way[-1].name} does not answer")
        try:
            if jump.failure and time.monotonic() < jump.failed + _JUMP_FAILURE_LASTS:
                # those who waited for this connection need not wait for the next one to fail
                raise _again(jump.failure)
            if jump.transport is None or not jump.transport.is_active():
                try:
                    jump.transport, jump.wire = self._connect(way[-1], way[:-1])
                except LinkError as error:
                    jump.failure, jump.failed = error, time.monotonic()
                    raise
                jump.failure = None
            return jump.transport
        finally:
            jump.lock.release()


class _Jump:
    """A connection to a jump host, for all hosts behind it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.transport: QuickTransport | None = None
        self.wire: Wire | None = None
        self.failure: LinkError | None = None
        self.failed = 0.0

    def close(self) -> None:
        if self.wire is not None:
            self.wire.close()
        if self.transport is not None:
            with suppress(Exception):
                self.transport.close()


def _as_ssh(config: HostConfig, way: Sequence[HostConfig]) -> list[str]:
    """What somebody would type for the same connection."""
    jumps = ["-J", ",".join(_address(jump) for jump in way)] if way else []
    return ["ssh", *jumps, "-p", str(config.port), f"{config.user}@{config.hostname}"]


def _address(config: HostConfig) -> str:
    return f"{config.user}@{config.hostname}:{config.port}"


def _again(error: LinkError) -> LinkError:
    return LinkError(error.fault, error.message, error.hint)


def why_openssh(config: HostConfig, host_keys: HostKeyStore) -> str:
    """What only the ssh program can do for this host; empty: nothing."""
    if config.needs_openssh:
        return config.needs_openssh
    if config.control_path and Path(config.control_path).is_socket():
        return f"the shared connection {config.control_path}"
    recorded = host_keys.entries(config)
    if recorded.authorities and not recorded.keys:
        return f"@cert-authority ({recorded.authorities[0].where})"
    return ""


def make(options: LinkOptions, secrets: Mapping[str, str]) -> ParamikoTransport:
    """See `make_transport`."""
    return ParamikoTransport(options, secrets)
