"""What the submitting command must ask the user before a run can connect by itself.

Questions are for a person who sits there; a supervisor never asks. Nothing is stored here but a
host key that the user has confirmed.
"""

from __future__ import annotations

import base64
import fcntl
import hmac
import os
from typing import TYPE_CHECKING

from backends.ssh.config import Resolver
from backends.ssh.host_keys import HostKeyStore, recorded_name, recording_command, refusal
from backends.ssh.keys import locked_keys, with_jumps
from backends.ssh.known_hosts import Judgement, Verdict
from backends.ssh.link import LinkError, LinkFault
from rankdeck.nodes.node import Node

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from backends.ssh.host_config import HostConfig
    from backends.ssh.known_hosts import HostKey
    from backends.ssh.link import LinkOptions

__all__ = [
    "add_host_key",
    "fetch_host_key",
    "host_keys_missing",
    "host_keys_unknown",
    "locked_keys",
]
_SHOWN = 5


def host_keys_missing(nodes: Iterable[Node], options: LinkOptions) -> tuple[Node, ...]:
    """Hosts, and jump hosts on the way to them, that no known_hosts file names; no connection.

    Jump hosts come before what lies behind them, so that they can be confirmed in this order.

    Raises:
        LinkError: The SSH configuration cannot be used.
    """
    resolver, store = Resolver(options), HostKeyStore()
    missing: dict[str, Node] = {}
    for node in nodes:
        config = resolver.resolve(node)
        for through in with_jumps(resolver, config):
            if through.needs_openssh or _recorded(store, through):
                continue
            on_the_way = Node(name=through.name, user=through.user, port=through.port)
            found = node if through is config else on_the_way
            missing.setdefault(recorded_name(through), found)
    return tuple(missing.values())


def _recorded(store: HostKeyStore, config: HostConfig) -> bool:
    entries = store.entries(config)
    return bool(entries.keys or entries.authorities)


def fetch_host_key(
    node: Node, options: LinkOptions, secrets: Mapping[str, str] | None = None
) -> HostKey:
    """The key that a host shows, for the user to confirm; nothing is sent to that host.

    Raises:
        LinkError: It cannot be reached; or other keys are recorded for it, which is never a
            question.
    """
    from backends.ssh.paramiko_transport import ParamikoTransport

    transport = ParamikoTransport(options, secrets or {})
    try:
        key = transport.host_key(node)
    finally:
        transport.close()
    config = Resolver(options).resolve(node)
    judgement = HostKeyStore().judge(config, key)
    if judgement.verdict in (Verdict.CHANGED, Verdict.REVOKED):
        raise refusal(config, key, judgement)
    return key


def host_keys_unknown(keys: Sequence[tuple[Node, HostKey]], options: LinkOptions) -> LinkError:
    """What is told where nobody can be asked about these keys."""
    resolver = Resolver(options)
    found = [(resolver.resolve(node), key) for node, key in keys]
    if len(found) == 1:
        return refusal(*found[0], Judgement(Verdict.UNKNOWN))
    names = ", ".join(config.name for config, _ in found[:_SHOWN])
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    commands = [
        f"{recording_command(config, key)}  # {key.fingerprint}" for config, key in found[:_SHOWN]
    ]
    return LinkError(
        LinkFault.KEY_UNKNOWN,
        f"the host keys of {len(found)} hosts are not known: {names}{more}",
        "\n".join(
            (
                "start the run from a terminal to be asked about all of them,"
                " or compare each fingerprint with the host's own and then:",
                *commands,
            )
        ),
    )


def add_host_key(node: Node, key: HostKey, options: LinkOptions) -> Path:
    """Record a key that the user has confirmed, in the user's known_hosts; returns that file.

    Raises:
        LinkError: Another key is recorded for this host, or the file cannot be written.
    """
    config = Resolver(options).resolve(node)
    judgement = HostKeyStore().judge(config, key)
    if judgement.verdict in (Verdict.CHANGED, Verdict.REVOKED):
        raise refusal(config, key, judgement)
    if not config.user_known_hosts:
        raise LinkError(
            LinkFault.CONFIG,
            f"the SSH configuration for {config.name} names no file for host keys",
            "set UserKnownHostsFile",
        )
    path = config.user_known_hosts[0]
    if judgement.verdict is Verdict.UNKNOWN:
        name = recorded_name(config)
        name = _hashed(name) if config.hash_known_hosts else name
        try:
            _append(path, f"{name} {key.kind} {key.base64}")
        except OSError as error:
            raise LinkError(
                LinkFault.CONFIG, f"the host key cannot be recorded in {path}: {error.strerror}"
            ) from error
    return path


def _append(path: Path, line: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with open(handle, "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        size = file.seek(0, os.SEEK_END)
        unfinished = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
        file.write((b"\n" if unfinished else b"") + line.encode() + b"\n")


def _hashed(name: str) -> str:
    salt = os.urandom(20)
    digest = hmac.digest(salt, name.encode(), "sha1")
    return "|1|" + "|".join(base64.b64encode(part).decode() for part in (salt, digest))
