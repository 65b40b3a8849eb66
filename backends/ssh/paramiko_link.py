"""A connection and its commands, over paramiko."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from backends.ssh.inbox import Inbox
from backends.ssh.lean_paramiko import paramiko
from backends.ssh.link import LinkError, LinkFault
from rankdeck.command_log import executed

if TYPE_CHECKING:
    from backends.ssh.paramiko_wire import QuickTransport
    from backends.ssh.wire import Wire

_ERROR_TEXT = 1 << 16
_STATUS_WAIT = 5.0
_CHANNEL_WAIT = 30.0


class ParamikoLink:
    """See `Link`."""

    def __init__(self, host: str, transport: QuickTransport, wire: Wire) -> None:
        self.host = host
        self.peer_address = wire.peer_address
        self._transport = transport
        self._wire = wire

    @property
    def alive(self) -> bool:
        """Whether the connection stands, as far as is known."""
        return self._transport.is_active()

    def exec(self, command: str) -> ParamikoStream:
        """See `Link.exec`."""
        channel = open_channel(self.host, self._transport)
        stream = ParamikoStream(self.host, channel, self._transport)
        try:
            channel.exec_command(command)
        except (paramiko.SSHException, EOFError, OSError) as error:
            stream.close()
            raise self._failed(error) from error
        executed([command], why="over the connection", host=self.host)
        return stream

    def _failed(self, error: Exception) -> LinkError:
        if self._transport.is_active():
            return LinkError(
                LinkFault.CONFIG,
                f"{self.host} refuses to run a command: {error}",
                "is this account allowed to run commands there (ForceCommand, a limited shell)?",
            )
        return lost(self.host, self._transport)

    def close(self) -> None:
        """See `Link.close`."""
        # the wire first: closing the transport alone would wait for a thread that blocks in it
        self._wire.close()
        with suppress(Exception):
            self._transport.close()


def lost(host: str, transport: QuickTransport) -> LinkError:
    """The connection broke."""
    reason = transport.saved_exception
    told = "it was closed" if reason is None or isinstance(reason, EOFError) else str(reason)
    return LinkError(LinkFault.LOST, f"the connection to {host} broke: {told}")


def open_channel(
    host: str,
    transport: QuickTransport,
    destination: tuple[str, int] | None = None,
    timeout: float = _CHANNEL_WAIT,
) -> paramiko.Channel:
    """A channel for a command or, through this host, to a destination.

    Raises:
        LinkError: It is refused, or the connection broke.
    """
    try:
        if destination is None:
            return transport.open_session(timeout=timeout)
        return transport.open_channel(
            "direct-tcpip", destination, ("127.0.0.1", 0), timeout=timeout
        )
    except (paramiko.SSHException, EOFError, OSError) as error:
        said = transport.refusal()
        if said and destination is not None:
            raise _no_way(host, destination, said) from error
        if said:
            raise LinkError(
                LinkFault.BUSY,
                f"{host} refuses another session on this connection: {said}",
                "its sshd may limit them (MaxSessions)",
            ) from error
        if not transport.is_active():
            raise lost(host, transport) from error
        raise LinkError(LinkFault.TIMEOUT, f"{host} does not open a session: {error}") from error


def _no_way(jump: str, destination: tuple[str, int], said: str) -> LinkError:
    lowered = said.lower()
    if "refused" in lowered:
        fault = LinkFault.REFUSED
    elif "timed out" in lowered:
        fault = LinkFault.TIMEOUT
    elif "name or service" in lowered or "unknown host" in lowered or "resolution" in lowered:
        fault = LinkFault.UNKNOWN_HOST
    elif "prohibited" in lowered:
        fault = LinkFault.CONFIG
    else:
        fault = LinkFault.NO_ROUTE
    host, port = destination
    return LinkError(fault, f"the jump host {jump} cannot reach {host} on port {port}: {said}")


class ParamikoStream:
    """See `Stream`."""

    def __init__(self, host: str, channel: paramiko.Channel, transport: QuickTransport) -> None:
        self._host = host
        self._channel = channel
        self._transport = transport
        self._arrived = threading.Condition()
        # nothing has been asked of the channel yet, so nothing has arrived in the old ones
        self._output = channel.in_buffer = Inbox(self._arrived, transport.wakeups)
        self._errors = channel.in_stderr_buffer = Inbox(self._arrived, transport.wakeups)
        # the window is opened again by a quarter at a time: each time is a message of ours
        channel.in_window_threshold = channel.in_window_size // 4
        self._draining = threading.Lock()
        self._tail = b""
        self._closed = False

    def write(self, data: bytes) -> None:
        """See `Stream.write`."""
        try:
            self._channel.sendall(data)
        except OSError as error:
            raise self._ended() from error
        # paramiko drops what it is given after the connection broke, without a word
        if not self._transport.is_active():
            raise self._ended()

    def close_input(self) -> None:
        """See `Stream.close_input`."""
        with suppress(OSError, EOFError, paramiko.SSHException):
            self._channel.shutdown_write()

    def read(self, size: int = 65536) -> bytes:
        """See `Stream.read`."""
        while True:
            # looked at before the bytes: those that came before the end are there when it is seen
            ended = self._output.ended
            if self._errors.read_ready():
                # it shares the window with standard output: left alone, it would fill it
                self._drain_errors()
            if self._output.read_ready():
                return self._channel.recv(size)
            if ended:
                break
            with self._arrived:
                self._arrived.wait_for(self._something)
        whole = self._channel.eof_received or self._channel.exit_status >= 0
        if self._closed or not whole:
            raise self._ended()
        return b""

    def _something(self) -> bool:
        return bool(self._output.read_ready() or self._errors.read_ready() or self._output.ended)

    def _drain_errors(self) -> None:
        with self._draining:
            while self._errors.read_ready():
                self._tail = (self._tail + self._channel.recv_stderr(65536))[-_ERROR_TEXT:]

    def error_text(self) -> str:
        """See `Stream.error_text`."""
        self._drain_errors()
        return self._tail.decode(errors="replace")

    def exit_status(self) -> int | None:
        """See `Stream.exit_status`."""
        self._channel.status_event.wait(_STATUS_WAIT)
        status = self._channel.exit_status
        return status if status >= 0 else None

    def _ended(self) -> LinkError:
        if self._closed:
            return LinkError(LinkFault.LOST, f"the command on {self._host} was let go of")
        if self._transport.is_active():
            return LinkError(LinkFault.LOST, f"the command on {self._host} has ended")
        return lost(self._host, self._transport)

    def close(self) -> None:
        """See `Stream.close`."""
        self._closed = True
        with suppress(Exception):
            self._channel.close()
