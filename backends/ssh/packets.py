"""QuickPacketizer: paramiko's packets with less copying, for the ciphers that are quick by nature.

AES-GCM packets are decrypted straight out of the wire's buffer; everything else is paramiko's.
The time limit of the handshake belongs to whoever waits for it: no timer thread per connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backends.ssh.lean_paramiko import paramiko

# after lean_paramiko: it decides what comes along
from paramiko.common import MSG_CHANNEL_DATA  # isort: skip
from paramiko.packet import NeedRekeyException, Packetizer  # isort: skip

if TYPE_CHECKING:
    from backends.ssh.wire import Wire

    class _Theirs(Packetizer):
        """What paramiko's Packetizer has beyond its type stubs."""

        def _check_keepalive(self) -> None: ...
        def _trigger_rekey(self) -> None: ...

else:
    _Theirs = Packetizer

_TAG = 16
_LARGEST = 1 << 18
"""A packet cannot be longer than what we announce, by far."""


class _ChannelData(paramiko.Message):
    """Data for a channel: the only kind of message that comes in masses.

    Its reader asks for the number of the channel and then for the data.
    """

    def __init__(self, plain: bytes) -> None:
        self._plain = plain

    def get_int(self) -> int:
        """The channel."""
        return int.from_bytes(self._plain[2:6], "big")

    def get_binary(self) -> bytes:
        """The data."""
        size = int.from_bytes(self._plain[6:10], "big")
        return self._plain[10 : 10 + size]

    def asbytes(self) -> bytes:
        """As any other message."""
        return self._plain[2 : len(self._plain) - self._plain[0]]


class QuickPacketizer(_Theirs):
    """See the module."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)  # type: ignore[arg-type]
        self._wire = wire
        self._engine: Any = None
        """AES-GCM for what comes in; None: another cipher."""
        self._salt, self._counter = b"", 0
        self._sequence = 0
        self._taken = 0
        """Bytes since the last keys."""
        self.compressed = False
        """Whether packets may become compressed: then paramiko reads them."""

    def start_handshake(self, timeout: float) -> None:
        """Nothing to start."""

    def handshake_timed_out(self) -> bool:
        """Never: who waits for the connection closes the wire."""
        return False

    def complete_handshake(self) -> None:
        """Nothing to stop."""

    def reset_seqno_in(self) -> None:
        """Count packets from zero."""
        super().reset_seqno_in()
        self._sequence = 0

    def set_inbound_cipher(self, *args: Any, **kwargs: Any) -> None:
        """New keys for what comes in."""
        if self._engine is not None:
            # paramiko goes on where we stop
            self._Packetizer__sequence_number_in = self._sequence
        else:
            self._sequence = getattr(self, "_Packetizer__sequence_number_in", 0)
        super().set_inbound_cipher(*args, **kwargs)
        quick = kwargs.get("aead") and not self.compressed
        self._engine = kwargs["block_engine"] if quick else None
        if self._engine is not None:
            iv_in = kwargs["iv_in"]
            self._salt, self._counter = iv_in[:4], int.from_bytes(iv_in[4:], "big")
        self._taken = 0

    def read_message(self) -> tuple[int, paramiko.Message]:
        """The next message and its type."""
        engine = self._engine
        if engine is None:
            theirs: tuple[int, paramiko.Message] = super().read_message()
            return theirs
        head = bytes(self._peek(4))
        size = int.from_bytes(head, "big")
        if not 2 <= size <= _LARGEST:
            raise paramiko.SSHException("Invalid packet length")
        whole = 4 + size + _TAG
        nonce = self._salt + self._counter.to_bytes(8, "big")
        plain = engine.decrypt(nonce, self._peek(whole)[4:], head)
        self._wire.skip(whole)
        self._counter = (self._counter + 1) & 0xFFFFFFFFFFFFFFFF
        if plain[1] == MSG_CHANNEL_DATA:
            message: paramiko.Message = _ChannelData(plain)
        else:
            message = paramiko.Message(plain[2 : size - plain[0]])
        message.seqno = self._sequence
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        self._account(whole)
        return plain[1], message

    def _peek(self, size: int) -> memoryview:
        while True:
            try:
                return self._wire.peek(size)
            except TimeoutError:
                # the wire wakes up for this
                if self.need_rekey():
                    raise NeedRekeyException from None
                self._check_keepalive()
            except OSError:
                if self.closed:
                    raise EOFError from None
                raise

    def _account(self, size: int) -> None:
        self._taken += size
        if self._taken >= self.REKEY_BYTES and not self.need_rekey():
            self._trigger_rekey()
        if self._taken >= self.REKEY_BYTES + self.REKEY_BYTES_OVERFLOW_MAX:
            raise paramiko.SSHException("Remote transport is ignoring rekey requests")
