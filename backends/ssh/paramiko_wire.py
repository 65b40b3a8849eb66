"""paramiko's Transport, with the few places changed that cost time.

Quick algorithms first, those of the user's choice before them, and no debug texts. This uses
paramiko's points of extension or attributes of its objects; no module of it is patched.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar

from backends.ssh.algorithms import split_list
from backends.ssh.inbox import Wakeups
from backends.ssh.lean_paramiko import paramiko
from backends.ssh.packets import QuickPacketizer

if TYPE_CHECKING:
    from backends.ssh.host_config import HostConfig
    from backends.ssh.known_hosts import HostEntries
    from backends.ssh.wire import Wire

    class _Theirs(paramiko.Transport):
        """What paramiko's Transport has beyond its type stubs."""

        _kex_info: ClassVar[dict[str, Any]]
        _cipher_info: ClassVar[dict[str, Any]]
        _mac_info: ClassVar[dict[str, Any]]
        _preferred_kex: tuple[str, ...]
        _preferred_ciphers: tuple[str, ...]
        _preferred_macs: tuple[str, ...]
        _preferred_keys: tuple[str, ...]
        _preferred_pubkeys: tuple[str, ...]

        def _log(self, level: int, msg: Any, *args: Any) -> None: ...

        clear_to_send: threading.Event

        def _next_channel(self) -> int: ...
        def _parse_newkeys(self, message: paramiko.Message) -> None: ...
        def _send_message(self, data: paramiko.Message) -> None: ...
        def _send_user_message(self, data: paramiko.Message) -> None: ...
        def _parse_channel_open_failure(self, message: paramiko.Message) -> None: ...

else:
    _Theirs = paramiko.Transport

_QUICK_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes256-ctr")
_QUICK_KEX = ("curve25519-sha256", "curve25519-sha256@libssh.org")
_RSA = ("rsa-sha2-512", "rsa-sha2-256")


class QuickTransport(_Theirs):
    """A Transport over a wire, for one host as its configuration wants it."""

    # the same method has two names; a server may offer either alone
    _kex_info: ClassVar[dict[str, Any]] = {
        **_Theirs._kex_info,
        "curve25519-sha256": _Theirs._kex_info["curve25519-sha256@libssh.org"],
    }

    def __init__(self, wire: Wire, config: HostConfig, known: HostEntries) -> None:
        super().__init__(wire, packetizer_class=QuickPacketizer)  # type: ignore[arg-type]
        self.packetizer: QuickPacketizer
        self.wakeups = Wakeups()
        wire.before_waiting = self.wakeups.flush
        self.banner_timeout = self.handshake_timeout = 1e9  # the wire has the deadline
        self._postponed: deque[paramiko.Message] = deque()
        self._refusals: dict[int, str] = {}
        self._mine = threading.local()
        self._preferred_kex = split_list(
            config.kex_algorithms, (*_QUICK_KEX, *_Theirs._preferred_kex), tuple(self._kex_info)
        )
        self._preferred_ciphers = split_list(
            config.ciphers,
            (*_QUICK_CIPHERS, *_Theirs._preferred_ciphers),
            tuple(self._cipher_info),
        )
        self._preferred_macs = split_list(
            config.macs, _Theirs._preferred_macs, tuple(self._mac_info)
        )
        self._preferred_keys = host_key_order(config, known)
        if config.pubkey_algorithms:
            self._preferred_pubkeys = split_list(
                config.pubkey_algorithms, _Theirs._preferred_pubkeys, _Theirs._preferred_pubkeys
            )
        if config.compression:
            self.packetizer.compressed = True
            self.use_compression(True)

    @property
    def preferred_kex(self) -> tuple[str, ...]:
        """Key exchange methods; not filtered anew each time."""
        return self._preferred_kex

    @property
    def preferred_ciphers(self) -> tuple[str, ...]:
        """Ciphers; not filtered anew each time."""
        return self._preferred_ciphers

    @property
    def preferred_macs(self) -> tuple[str, ...]:
        """Message authentication codes; not filtered anew each time."""
        return self._preferred_macs

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        """Host key algorithms, none with certificates: those are checked by ssh itself."""
        return self._preferred_keys

    def _log(self, level: int, msg: Any, *args: Any) -> None:
        if level >= logging.WARNING:
            super()._log(level, msg, *args)

    def _parse_debug(self, message: paramiko.Message) -> None:
        """What sshd says for debugging is for nobody here."""

    def _send_user_message(self, data: paramiko.Message) -> None:
        # while keys are exchanged anew, paramiko lets a message wait; its own thread, which
        # answers to a closed channel for instance, would wait for what only it can finish
        if threading.current_thread() is self and not self.clear_to_send.is_set():
            self._postponed.append(data)
        else:
            super()._send_user_message(data)

    def _parse_newkeys(self, message: paramiko.Message) -> None:
        super()._parse_newkeys(message)
        while self._postponed:
            self._send_message(self._postponed.popleft())

    def refusal(self) -> str:
        """Why the server refused the channel that this thread asked for last; empty: it did not."""
        return self._refusals.pop(getattr(self._mine, "number", -1), "")

    def _next_channel(self) -> int:
        self._mine.number = number = super()._next_channel()
        return int(number)

    def _parse_channel_open_failure(self, message: paramiko.Message) -> None:
        number = message.get_int()
        message.get_int()
        self._refusals[number] = message.get_text() or "no reason given"
        message.rewind()
        super()._parse_channel_open_failure(message)


def host_key_order(config: HostConfig, known: HostEntries) -> tuple[str, ...]:
    """The host key algorithms to ask for: those whose keys we know first, so that we can check."""
    ours = _Theirs._preferred_keys
    if config.host_key_algorithms:
        return split_list(config.host_key_algorithms, ours, ours)
    recorded = tuple(
        name for kind in known.kinds for name in (_RSA if kind == "ssh-rsa" else (kind,))
    )
    return tuple(dict.fromkeys((*(name for name in recorded if name in ours), *ours)))
