"""CourierLine: frames to and from one courier, over one stream.

What the frames mean is defined on the courier's side (`rankdeck.agent.courier_frames`).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from backends.ssh.link import LinkError, LinkFault
from rankdeck.agent import courier_frames as wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backends.ssh.link import Stream

_READ = 256 * 1024
_MOST_NOISE = 1 << 20


class CourierLine:
    """Read by one thread; `send` may be called by several."""

    def __init__(self, stream: Stream, name: str) -> None:
        self._stream = stream
        self._name = name
        self._decoder = wire.Decoder()
        self._early = b""
        self._lock = threading.Lock()
        self.received = self.sent = 0

    def send(self, data: bytes) -> None:
        """Send frames.

        Raises:
            LinkError: The connection is gone.
        """
        with self._lock:
            self._stream.write(data)
            self.sent += len(data)

    def until(self, mark: bytes) -> bytes:
        """What comes before `mark`, which is taken too; all there is when it never comes.

        Raises:
            LinkError: The connection broke.
        """
        while (at := self._early.find(mark)) < 0:
            if len(self._early) > _MOST_NOISE or not (data := self._stream.read(_READ)):
                told, self._early = self._early, b""
                return told
            self._early += data
        told, self._early = self._early[:at], self._early[at + len(mark) :]
        return told

    def until_frame(self, opening: bytes) -> bytes:
        """The line that comes next if it begins so; empty when a frame comes instead.

        Raises:
            LinkError: The connection broke.
        """
        if not self._early:
            self._early = self._stream.read(_READ)
        return self.until(b"\n") if self._early.startswith(opening) else b""

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """The frames of the next read; ends without any when the courier has ended.

        Raises:
            LinkError: The connection broke, or this is no courier.
        """
        data = self._early or self._stream.read(_READ)
        self._early = b""
        if not data:
            raise LinkError(LinkFault.LOST, f"{self._name}: {self.last_words()}")
        self.received += len(data)
        try:
            yield from self._decoder.feed(data)
        except wire.FrameError as error:
            raise LinkError(LinkFault.LOST, f"{self._name}: not a courier: {error}") from error

    def last_words(self) -> str:
        """Why the courier ended, after the end of its output."""
        status, words = self.end()
        said = f": {words[:200]}" if words else ""
        if status is None:
            return f"the connection was closed{said}"
        return f"the courier ended with status {status}{said}"

    def end(self) -> tuple[int | None, str]:
        """Exit status and the last line of standard error, after the end of the output."""
        status = self._stream.exit_status()
        lines = [line.strip() for line in self._stream.error_text().splitlines() if line.strip()]
        return status, lines[-1] if lines else ""

    def close(self) -> None:
        """Let go of the stream."""
        self._stream.close()
