"""Checking host keys: strictly, and with words that say what to do.

A key that is not recorded is never taken silently, and one that differs from the recorded ones is
never offered for taking at all.
"""

from __future__ import annotations

import os
import shlex
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backends.ssh.known_hosts import (
    DEFAULT_PORT,
    HostEntries,
    HostKey,
    Judgement,
    KnownHosts,
    Verdict,
    host_label,
)
from backends.ssh.link import LinkError, LinkFault

if TYPE_CHECKING:
    from pathlib import Path

    from backends.ssh.host_config import HostConfig

_FRESH = 0.2
"""Seconds for which files are not looked at again: many hosts are checked at the same time."""


@dataclass(frozen=True, slots=True)
class _Read:
    """Files as they were."""

    known: KnownHosts
    stamp: tuple[tuple[int, int], ...]
    checked: float


class HostKeyStore:
    """The known_hosts files of all hosts, read once and again when they change."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read: dict[tuple[Path, ...], _Read] = {}

    def entries(self, config: HostConfig) -> HostEntries:
        """What is recorded about a host under the name that ssh would look up."""
        return self._known(config).entries(recorded_name(config))

    def judge(self, config: HostConfig, key: HostKey) -> Judgement:
        """Whether the key that a host shows is one of its own."""
        judgement = _judge(self._known(config), config, key)
        if judgement.verdict is not Verdict.KNOWN:
            # nobody is turned away over a file that has just been mended
            judgement = _judge(self._known(config, fresh=0.0), config, key)
        return judgement

    def _known(self, config: HostConfig, fresh: float = _FRESH) -> KnownHosts:
        files = config.known_hosts_files
        now = time.monotonic()
        with self._lock:
            read = self._read.get(files)
            if read is not None and now < read.checked + fresh:
                return read.known
            stamp = tuple(_stamp(file) for file in files)
            known = read.known if read is not None and read.stamp == stamp else KnownHosts(files)
            self._read[files] = _Read(known, stamp, now)
            return known


def _judge(known: KnownHosts, config: HostConfig, key: HostKey) -> Judgement:
    judgement = known.entries(recorded_name(config)).judge(key)
    if judgement.verdict is Verdict.UNKNOWN and config.port != DEFAULT_PORT:
        # as ssh does: a key recorded without the port counts, if it is the same key
        portless = known.entries(config.hostname.lower()).judge(key)
        if portless.verdict in (Verdict.KNOWN, Verdict.REVOKED):
            return portless
    return judgement


def _stamp(file: Path) -> tuple[int, int]:
    try:
        status = os.stat(file)
    except OSError:
        return (0, 0)
    return (status.st_mtime_ns, status.st_size)


def recorded_name(config: HostConfig) -> str:
    """The name under which known_hosts would have this host."""
    if config.host_key_alias:
        return config.host_key_alias.lower()
    return host_label(config.hostname, config.port)


def known_hosts_line(config: HostConfig, key: HostKey) -> str:
    """The line to add to known_hosts."""
    return f"{recorded_name(config)} {key.kind} {key.base64}"


def refusal(config: HostConfig, key: HostKey, judgement: Judgement) -> LinkError:
    """Why a host with this key is not talked to."""
    shown = f"{key.kind} {key.fingerprint}"
    places = ", ".join(known.where for known in judgement.because)
    if judgement.verdict is Verdict.REVOKED:
        return LinkError(
            LinkFault.KEY_CHANGED,
            f"{config.name} shows a host key that is marked as revoked in {places}: {shown}",
            "do not connect; ask who runs this host",
        )
    if judgement.verdict is Verdict.CHANGED:
        recorded = ", ".join(known.key.fingerprint for known in judgement.because)
        return LinkError(
            LinkFault.KEY_CHANGED,
            f"the host key of {config.name} has changed: it shows {shown},"
            f" but {places} has {recorded}",
            "somebody may be in between, or the host was installed anew; ask who runs it, and only"
            f" then remove that line: ssh-keygen -R {shlex.quote(recorded_name(config))}",
        )
    return LinkError(
        LinkFault.KEY_UNKNOWN,
        f"the host key of {config.name} is not known: {shown}",
        f"compare the fingerprint with the host's own, then: {recording_command(config, key)}",
    )


def recording_command(config: HostConfig, key: HostKey) -> str:
    """The shell command by which a user records a key."""
    file = next(iter(config.user_known_hosts), None) or "~/.ssh/known_hosts"
    return f"echo {shlex.quote(known_hosts_line(config, key))} >> {file}"
