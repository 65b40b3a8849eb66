"""One host as people write it: `alice@node[1-4]:2222`, `[fe80::1]:22`, `node7`. Pure.

A number behind a colon is an SSH port. MPICH and Horovod write slots there, so a number that is
hardly a port is refused rather than taken for one.
"""

from __future__ import annotations

import ipaddress
import re

import msgspec

from rankdeck.nodes.node import Node
from rankdeck.nodes.ranges import expand_hosts

_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_ZONE = re.compile(r"[A-Za-z0-9._-]{1,32}")
_BRACKETED = re.compile(r"\[([^\[\]]*:[^\[\]]*)\](?::(.*))?")
_SSH_PORT = 22
_LARGEST_SLOT_COUNT = 64
"""Fewer ports than this, but for SSH's own, are slots that were written for another program."""


class HostEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What one word of a hostfile or of `--host` says."""

    hosts: tuple[str, ...]
    user: str = ""
    port: int = 0

    def nodes(self, *, slots: int | None = None, origin: str = "") -> tuple[Node, ...]:
        """The nodes it stands for."""
        return tuple(
            Node(name=host, user=self.user, port=self.port, slots=slots, origin=origin)
            for host in self.hosts
        )


def parse_host(text: str) -> HostEntry:
    """Read one word.

    Raises:
        ValueError: With the rest of a sentence that begins with the word.
    """
    user, at, rest = text.rpartition("@")
    if at:
        check_user_name(user)
    if bracketed := _BRACKETED.fullmatch(rest):
        address, port = bracketed[1], bracketed[2]
        return HostEntry(
            hosts=(_ipv6(address),), user=user, port=0 if port is None else read_port(port)
        )
    if rest.count(":") > 1:
        return HostEntry(hosts=(_ipv6(rest),), user=user)
    host, colon, port = rest.partition(":")
    if not host:
        raise ValueError("names no host")
    hosts = expand_hosts(host)
    return HostEntry(hosts=hosts, user=user, port=_port_or_slots(port) if colon else 0)


def check_user_name(name: str) -> None:
    """Refuse what is no user name, or what a program could take for an option.

    Raises:
        ValueError: With the rest of a sentence.
    """
    if not _USER.fullmatch(name):
        raise ValueError(f"has {name!r} where a user name belongs")


def is_ipv6(text: str) -> bool:
    """Whether the text is an IPv6 address, with or without a zone (`fe80::1%eth0`)."""
    address, percent, zone = text.partition("%")
    if percent and not _ZONE.fullmatch(zone):
        return False
    try:
        ipaddress.IPv6Address(address)
    except ValueError:
        return False
    return True


def read_port(text: str) -> int:
    """A port number.

    Raises:
        ValueError: With the rest of a sentence.
    """
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) < 65536:
        raise ValueError(f"has {text!r} where a port between 1 and 65535 belongs")
    return int(text)


def _port_or_slots(text: str) -> int:
    port = read_port(text)
    if port <= _LARGEST_SLOT_COUNT and port != _SSH_PORT:
        raise ValueError(
            f"has {port} behind a colon, which is where an SSH port stands: a number of ranks"
            f" is written slots={port} in a hostfile"
        )
    return port


def _ipv6(text: str) -> str:
    if not is_ipv6(text):
        raise ValueError(f"has {text!r} where an IPv6 address belongs")
    return text
