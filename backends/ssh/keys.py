"""Private keys of the user: which files there are, which are locked, what is wrong with them.

Reads only what a key file says openly; decrypting and signing is for the transports. Passphrases
pass through here in memory and are never written.
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backends.ssh.agent import AgentClient, AgentError, take_string
from backends.ssh.config import Resolver
from backends.ssh.link import LinkError, LinkFault

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from backends.ssh.host_config import HostConfig
    from backends.ssh.link import LinkOptions
    from rankdeck.nodes.node import Node

_MAGIC = b"openssh-key-v1\0"
CERTIFICATE_SUFFIX = "-cert-v01@openssh.com"


@dataclass(frozen=True, slots=True)
class KeyFile:
    """What a private key file tells without its passphrase."""

    path: Path
    kind: str = ""
    """Type of the key; empty: the file does not say."""
    blob: bytes = b""
    """The public key; empty: not known."""
    encrypted: bool = False
    private: bool = True
    """False: only a public key, whose private half an agent may hold."""
    complaint: str = ""
    """Why ssh would not use this file; empty: it would."""

    @property
    def needs_device(self) -> bool:
        """Whether the private half lives in a security key."""
        return self.kind.startswith("sk-")


def read_key_file(path: Path) -> KeyFile | None:
    """What a key file says; None if there is no such file, nor one with `.pub` beside it."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            data = file.read(1 << 20)
    except (FileNotFoundError, NotADirectoryError):
        public = _public_blob(path.with_name(path.name + ".pub"))
        return KeyFile(path, *public, private=False) if public else None
    except OSError as error:
        return KeyFile(path, complaint=f"cannot be read ({error.strerror})")
    if b"PRIVATE KEY-----" not in data:
        public = _parse_public(data)
        if public:
            return KeyFile(path, *public, private=False)
        return KeyFile(path, complaint="is not a private key")
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid == os.getuid() and mode & 0o077:
        return KeyFile(path, complaint=f"has permissions {mode:04o}, which are too open")
    return _describe(path, data)


def _describe(path: Path, data: bytes) -> KeyFile:
    if b"BEGIN OPENSSH PRIVATE KEY" not in data:
        encrypted = b"BEGIN ENCRYPTED" in data or b"Proc-Type: 4,ENCRYPTED" in data
        public = _public_blob(path.with_name(path.name + ".pub")) or ("", b"")
        return KeyFile(path, *public, encrypted=encrypted)
    try:
        body = data.split(b"PRIVATE KEY-----", 1)[1].split(b"-----END", 1)[0]
        raw = base64.b64decode(body)
        if not raw.startswith(_MAGIC):
            raise ValueError("no magic")
        cipher, rest = take_string(raw[len(_MAGIC) :])
        _, rest = take_string(rest)
        _, rest = take_string(rest)
        blob, _ = take_string(rest[4:])
        kind, _ = take_string(blob)
        return KeyFile(path, kind.decode(), blob, encrypted=cipher != b"none")
    except (ValueError, AgentError):
        return KeyFile(path, complaint="is damaged")


def _public_blob(path: Path) -> tuple[str, bytes] | None:
    try:
        return _parse_public(path.read_bytes()[: 1 << 16])
    except OSError:
        return None


def _parse_public(data: bytes) -> tuple[str, bytes] | None:
    words = data.decode(errors="replace").split()
    try:
        blob = base64.b64decode(words[1], validate=True)
        kind, _ = take_string(blob)
    except (IndexError, binascii.Error, AgentError):
        return None
    return (words[0], blob) if kind.decode(errors="replace") == words[0] else None


def read_certificate(path: Path) -> tuple[str, bytes] | None:
    """Type and contents of a certificate file; None if it is none."""
    found = _public_blob(path)
    return found if found and found[0].endswith(CERTIFICATE_SUFFIX) else None


def certified_blob(kind: str, certificate: bytes) -> bytes:
    """The plain public key that a certificate is about, to find the key it belongs to.

    Only the fields that make the key are compared: a certificate holds a nonce first, then them.
    """
    _, rest = take_string(certificate)
    _, rest = take_string(rest)
    plain = kind.removesuffix(CERTIFICATE_SUFFIX)
    fields = {"ssh-ed25519": 1, "ssh-rsa": 2}.get(plain, 2)
    taken = []
    for _ in range(fields):
        part, rest = take_string(rest)
        taken.append(part)
    return b"".join(len(part).to_bytes(4, "big") + part for part in (plain.encode(), *taken))


@dataclass(frozen=True, slots=True)
class LockedKey:
    """A key that needs a passphrase and is in no agent."""

    path: Path
    only_key_for: str = ""
    """A host for which there is no other key; empty: each host has another one to try."""


def locked_keys(nodes: Iterable[Node], options: LinkOptions) -> tuple[LockedKey, ...]:
    """The locked keys that these hosts, and the jump hosts on the way to them, would use.

    Raises:
        LinkError: The SSH configuration cannot be used.
    """
    resolver = Resolver(options)
    agents: dict[str, AgentClient] = {}
    files: dict[Path, KeyFile | None] = {}
    found: dict[Path, str] = {}
    for node in nodes:
        for config in with_jumps(resolver, resolver.resolve(node)):
            held = _held(agents, config.identity_agent)
            locked, others = [], bool(held) and not config.identities_only
            for path in config.identity_files:
                key = files[path] if path in files else files.setdefault(path, read_key_file(path))
                if key is None or key.complaint or key.needs_device:
                    continue
                if key.blob in held or (key.private and not key.encrypted):
                    others = True
                elif key.encrypted:
                    locked.append(path)
            for path in locked:
                found[path] = found.get(path) or ("" if others else config.name)
    for agent in agents.values():
        agent.close()
    return tuple(LockedKey(path, host) for path, host in found.items())


def with_jumps(
    resolver: Resolver, config: HostConfig, behind: tuple[str, ...] = ()
) -> tuple[HostConfig, ...]:
    """A host's configuration, after those of the hosts on the way to it.

    Raises:
        LinkError: The jumps go in a circle.
    """
    if config.target in behind:
        circle = " → ".join((*behind, config.target))
        raise LinkError(
            LinkFault.CONFIG,
            f"ProxyJump goes in a circle: {circle}",
            "exclude the jump host from the Host pattern: Host * !jump",
        )
    found: list[HostConfig] = []
    for at, hop in enumerate(config.jumps):
        through = resolver.resolve_host(hop.host, hop.user, hop.port)
        # only the first hop may have a way of its own: the others are reached through it
        way = (*behind, config.target)
        found.extend(with_jumps(resolver, through, way) if at == 0 else (through,))
    return (*found, config)


def _held(agents: dict[str, AgentClient], path: str) -> frozenset[bytes]:
    if not path:
        return frozenset()
    try:
        client = agents.setdefault(path, AgentClient(path))
        return frozenset(identity.blob for identity in client.identities())
    except AgentError:
        return frozenset()
