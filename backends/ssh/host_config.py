"""HostConfig: what a connection to one host needs to know of the user's SSH configuration."""

from __future__ import annotations

import socket
from pathlib import Path

import msgspec


class Hop(msgspec.Struct, frozen=True):
    """A jump host, as `ProxyJump` names it."""

    host: str
    user: str = ""
    port: int = 0


class HostConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one host that a connection needs; paths and tokens are expanded."""

    name: str
    """What the user calls it."""
    hostname: str
    port: int
    user: str
    identity_files: tuple[Path, ...] = ()
    default_identities: bool = True
    """The identity files are ssh's usual ones, not named by the user."""
    certificate_files: tuple[Path, ...] = ()
    identities_only: bool = False
    identity_agent: str = ""
    """Path of the agent's socket; empty: no agent."""
    jumps: tuple[Hop, ...] = ()
    proxy_command: str = ""
    host_key_alias: str = ""
    known_hosts_files: tuple[Path, ...] = ()
    """The user's, then the system's."""
    user_known_hosts: tuple[Path, ...] = ()
    hash_known_hosts: bool = False
    connect_timeout: float = 10.0
    connection_attempts: int = 1
    server_alive_interval: float = 0.0
    address_family: socket.AddressFamily = socket.AF_UNSPEC
    bind_address: str = ""
    compression: bool = False
    ciphers: str = ""
    macs: str = ""
    kex_algorithms: str = ""
    host_key_algorithms: str = ""
    pubkey_algorithms: str = ""
    control_path: str = ""
    """Socket of a connection that ssh may share; empty: none."""
    pubkey_allowed: bool = True
    gssapi: bool = False
    needs_openssh: str = ""
    """The setting that only the ssh program can honour, with its file and line."""

    @property
    def target(self) -> str:
        """`user@host`, with the port if it is not the usual one."""
        return f"{self.user}@{self.hostname}" + (f":{self.port}" if self.port != 22 else "")
