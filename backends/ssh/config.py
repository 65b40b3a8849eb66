"""Resolver: what the user's ssh_config says about a host, in ssh's own order.

What only the `ssh` program can do (Match exec, PKCS#11 and the like) is not guessed: it is named
in `HostConfig.needs_openssh`.
"""

from __future__ import annotations

import getpass
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from backends.ssh.config_files import ConfigFiles, Line
from backends.ssh.config_reading import Here, Reading
from backends.ssh.config_values import build
from backends.ssh.host_config import Hop, HostConfig
from backends.ssh.link import LinkError, LinkFault

if TYPE_CHECKING:
    from backends.ssh.link import LinkOptions
    from rankdeck.nodes.node import Node

__all__ = ["Hop", "HostConfig", "Resolver"]

_SYSTEM = Path("/etc/ssh")


class Resolver:
    """Answers what the configuration says about hosts; reads each file once."""

    def __init__(self, options: LinkOptions) -> None:
        self._options = options
        self._files = ConfigFiles()
        self._paths: dict[str, Path] = {}
        chosen = options.config_file
        self._chosen = Path(chosen).expanduser() if chosen else None
        self._ssh = Path.home() / ".ssh"
        self._here = Here(getpass.getuser(), Path.home(), socket.gethostname())

    def resolve(self, node: Node) -> HostConfig:
        """The configuration for a node of an inventory.

        Raises:
            LinkError: The configuration cannot be read or makes no sense; names file and line.
        """
        config = self.resolve_host(node.address or node.name, node.user, node.port)
        return msgspec.structs.replace(config, name=node.name)

    def resolve_host(self, host: str, user: str = "", port: int = 0) -> HostConfig:
        """The configuration for a host; what is given here comes before what the files say.

        Raises:
            LinkError: As `resolve`.
        """
        reading = self._read(host, user, port)
        return build(reading, self._options, self._paths)

    def _read(self, host: str, user: str, port: int) -> Reading:
        given = {"user": user, "port": str(port) if port else ""}
        preset = {name: Line(name, (value,), "") for name, value in given.items() if value}
        reading = Reading(host, self._files, self._here, preset)
        self._walk_all(reading)
        if reading.wants_final:
            reading.final = True
            self._walk_all(reading)
        return reading

    def _walk_all(self, reading: Reading) -> None:
        if self._chosen is not None:
            if not reading.walk(self._chosen, self._ssh, own=False, active=True):
                raise LinkError(
                    LinkFault.CONFIG, f"the SSH configuration {self._chosen} cannot be read"
                )
            return
        reading.walk(self._ssh / "config", self._ssh, own=True, active=True)
        reading.walk(_SYSTEM / "ssh_config", _SYSTEM, own=False, active=True)
