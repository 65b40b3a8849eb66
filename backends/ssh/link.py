"""Link: one authenticated connection to one host, whatever program or library carries it.

The rest of the backend knows only these protocols. Everything here blocks and is used from one
thread per host; `close` may be called from any thread and ends a call that blocks.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Protocol

import msgspec

from rankdeck.errors import ExitCode, UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rankdeck.nodes.node import Node


class LinkFault(str, Enum):
    """Why a host cannot be reached; also the category of the node's problem."""

    UNKNOWN_HOST = "ssh-unknown-host"
    """Its name does not resolve."""
    NO_ROUTE = "ssh-no-route"
    REFUSED = "ssh-refused"
    """Nothing listens on the port."""
    TIMEOUT = "ssh-timeout"
    AUTH = "ssh-auth"
    """Every key we have was refused."""
    KEY_UNKNOWN = "ssh-host-key-unknown"
    KEY_CHANGED = "ssh-host-key-changed"
    BUSY = "ssh-busy"
    """The server drops new connections (MaxStartups, MaxSessions); worth another try."""
    LOST = "ssh-lost"
    """The connection was there and broke."""
    CONFIG = "ssh-config"
    """The user's SSH configuration or key files cannot be used."""


_WORTH_ANOTHER_TRY = frozenset(
    {LinkFault.NO_ROUTE, LinkFault.TIMEOUT, LinkFault.BUSY, LinkFault.LOST, LinkFault.REFUSED}
)


class LinkError(UserError):
    """A host cannot be reached, or the connection to it broke.

    Attributes:
        fault: What kind of trouble it is.
    """

    def __init__(self, fault: LinkFault, message: str, hint: str = "") -> None:
        super().__init__(message, hint, exit_code=ExitCode.UNUSABLE)
        self.fault = fault

    @property
    def passing(self) -> bool:
        """Whether the same connection may succeed a moment later."""
        return self.fault in _WORTH_ANOTHER_TRY


class LinkOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a user or a site may choose about connections."""

    transport: str = "paramiko"
    """`paramiko` or `openssh`."""
    config_file: str = ""
    """An ssh_config to read instead of `~/.ssh/config`; empty: that and `/etc/ssh/ssh_config`."""
    connect_timeout: float = 10.0
    """Seconds for one connection including authentication, unless ConnectTimeout says otherwise."""
    insist: bool = False
    """The user gave that time for this run: ConnectTimeout does not change it."""
    keepalive: float = 5.0
    """Seconds between keepalives on an idle connection."""


class Stream(Protocol):
    """One remote command with its standard streams."""

    def write(self, data: bytes) -> None:
        """Send to its standard input; blocks while the remote end does not read.

        Raises:
            LinkError: The command or the connection has ended.
        """
        ...

    def close_input(self) -> None:
        """End its standard input."""
        ...

    def read(self, size: int = 65536) -> bytes:
        """The next bytes of its standard output, at least one; empty when it has ended.

        Raises:
            LinkError: The connection broke.
        """
        ...

    def error_text(self) -> str:
        """What it wrote to standard error so far, at most the last 64 KiB, decoded."""
        ...

    def exit_status(self) -> int | None:
        """Its exit status, after `read` came to the end; waits briefly. None: not known."""
        ...

    def close(self) -> None:
        """Let go of it; never raises."""
        ...


class Link(Protocol):
    """One connection."""

    host: str
    """The host as the user named it."""
    peer_address: str
    """The IP address the connection went to; empty when it went through a proxy."""

    def exec(self, command: str) -> Stream:
        """Start a command by the user's login shell there; without a terminal.

        Raises:
            LinkError: The connection broke, or the server refuses another session.
        """
        ...

    def close(self) -> None:
        """End the connection; never raises."""
        ...


class Transport(Protocol):
    """Makes links. Cheap to make; reads the user's SSH files once, at the first connection."""

    def connect(self, node: Node) -> Link:
        """Connect and authenticate; the host key is checked strictly.

        Raises:
            LinkError: With the fault, the host, and what to do.
        """
        ...

    def close(self) -> None:
        """Close what connections share (jump hosts, agents)."""
        ...


def make_transport(options: LinkOptions, secrets: Mapping[str, str]) -> Transport:
    """The transport that the options name. `secrets`: passphrases by path of the private key.

    Raises:
        LinkError: There is no such transport, or it is not installed.
    """
    from importlib import import_module

    try:
        module = import_module(f"backends.ssh.{options.transport}_transport")
    except ModuleNotFoundError as error:
        raise LinkError(
            LinkFault.CONFIG,
            f"there is no SSH transport {options.transport!r}: {error.name} is missing",
            "choose paramiko or openssh",
        ) from error
    transport: Transport = module.make(options, secrets)
    return transport
