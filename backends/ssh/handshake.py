"""From a connected wire to a connection that is encrypted, checked and logged in."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from backends.ssh.host_keys import refusal
from backends.ssh.known_hosts import HostKey, Verdict
from backends.ssh.lean_paramiko import paramiko
from backends.ssh.link import LinkError, LinkFault
from backends.ssh.login import log_in
from backends.ssh.paramiko_keys import KeyRing
from backends.ssh.paramiko_link import ParamikoLink, open_channel
from backends.ssh.paramiko_wire import QuickTransport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backends.ssh.host_config import HostConfig
    from backends.ssh.host_keys import HostKeyStore
    from backends.ssh.wire import Carrier, Wire


class Engine:
    """What paramiko does for a connection, with the keys that all connections share.

    Made when the first host has been reached: importing paramiko takes longer than that, and
    many hosts prepare their end of the connection meanwhile.
    """

    def __init__(self, host_keys: HostKeyStore, passphrases: Mapping[str, str]) -> None:
        self._host_keys = host_keys
        self._ring = KeyRing(passphrases)

    def establish(self, wire: Wire, config: HostConfig, deadline: float) -> QuickTransport:
        """Everything between the first byte and the first command.

        Raises:
            LinkError: With the fault; the wire is left for the caller to close.
        """
        transport, key = self.shake_hands(wire, config, deadline)
        judgement = self._host_keys.judge(config, key)
        if judgement.verdict is not Verdict.KNOWN:
            with suppress(Exception):
                transport.close()
            raise refusal(config, key, judgement)
        log_in(transport, wire, config, self._ring, deadline)
        return transport

    def shake_hands(
        self, wire: Wire, config: HostConfig, deadline: float
    ) -> tuple[QuickTransport, HostKey]:
        """Exchange keys; the host has then proved that it owns the key it shows.

        Raises:
            LinkError: It went away, took too long, or shares no algorithm with us.
        """
        transport = QuickTransport(wire, config, self._host_keys.entries(config))
        done = threading.Event()
        transport.start_client(event=done)
        if not done.wait(max(0.0, deadline - time.monotonic())):
            wire.expire()
        key = transport.host_key
        if not transport.is_active() or not transport.initial_kex_done or key is None:
            raise _failure(transport, wire, config)
        return transport, HostKey(key.get_name(), key.asbytes())

    def link(self, host: str, transport: QuickTransport, wire: Wire) -> ParamikoLink:
        """The connection as others use it."""
        return ParamikoLink(host, transport, wire)

    def tunnel(
        self, jump: str, transport: QuickTransport, destination: tuple[str, int], timeout: float
    ) -> Carrier:
        """A channel through a jump host.

        Raises:
            LinkError: The jump host cannot reach the destination.
        """
        channel: Carrier = open_channel(jump, transport, destination, timeout)
        return channel

    def close(self) -> None:
        """Let go of agents and passphrases."""
        self._ring.close()


def _failure(transport: QuickTransport, wire: Wire, config: HostConfig) -> LinkError:
    error = transport.get_exception()
    name = config.name
    if isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
        return LinkError(
            LinkFault.CONFIG,
            f"{name} and we share no algorithm: {error}",
            "choose the openssh transport for it, or widen Ciphers, KexAlgorithms or"
            " HostKeyAlgorithms",
        )
    if wire.expired:
        what = "says nothing" if not wire.received else "did not finish the key exchange"
        return LinkError(
            LinkFault.TIMEOUT,
            f"{name} accepts connections on port {config.port} but {what}"
            f" for {config.connect_timeout:g} s",
            "its sshd may hang, or another service listens there",
        )
    if "Indecipherable" in str(error) or "Invalid SSH banner" in str(error):
        return LinkError(
            LinkFault.CONFIG, f"what listens on port {config.port} of {name} is no SSH server"
        )
    if transport.remote_version:
        return LinkError(
            LinkFault.LOST, f"{name} closed the connection during the key exchange: {error}"
        )
    if config.proxy_command:
        return LinkError(
            LinkFault.NO_ROUTE,
            f"the ProxyCommand for {name} ended before the host said anything",
            f"try it by hand: {config.proxy_command}",
        )
    return LinkError(
        LinkFault.BUSY,
        f"{name} closes connections before its greeting",
        "its sshd limits them (MaxStartups), or refuses this address",
    )
