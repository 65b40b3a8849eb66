"""Frames: what a courier and its home say to each other. The one definition of both sides.

A frame is its kind (1 byte), the length of its payload (4 bytes) and the payload: JSON unless
said otherwise. A connection begins with `MARK`, after whatever the login shell has printed.
"""

from __future__ import annotations

import json
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

VERSION = 1
MARK = b"\0rankdeck-courier\0"
LARGEST = 1 << 24
"""No payload is larger."""

# home to node
ATTACH = 1
"""`run`, `node`, `attempt`, `mode` (start, find, watch), `order`, `offsets`: see to an agent."""
COMMAND = 2
"""`name`, `text`, `command`: a file for the agent's inbox."""
SWEEP = 3
LEAVE = 4
"""The run has ended: bring the rest home and remove everything."""
PING = 5
PACE = 6
"""`state`, `idle`: seconds between states; `rate`: bytes of files a second."""
ACK = 7
"""Binary: how many bytes of files are on the home disk, since the connection began."""
VERDICT = 8
"""The answer to a census: `resend`, the offsets from which files are missing."""
MANIFEST = 9
"""`name`, `digest`, and when they are asked for `entries`: the project as it shall be."""
CONTENT = 10
"""Binary: a piece of a file of the project (see `courier_sync`); empty: that was all."""

# node to home
HELLO = 64
ATTACHED = 65
"""`attempt`, `ref`, `problem`: the agent was started, or found; or why not."""
STATE = 66
"""Binary: flags, then the deflated state; the state before it is the dictionary."""
NAME = 67
"""Binary: the number by which the following path is called from now on."""
CHUNK = 68
"""Binary: number, flags, offset, bytes of a file."""
COMMANDED = 69
"""`name`, `error`: a command was put into the inbox."""
CENSUS = 70
"""`sizes`: the agent has ended, and this is all it has left."""
GONE = 71
"""`attempt`: the agent's process has ended, and everything is home."""
SWEPT = 72
LEFT = 73
"""The answer to LEAVE: `error`, empty when everything is removed."""
ALIVE = 74
TOLD = 75
"""`message`: something worth a note."""
WANTED = 76
"""The answer to MANIFEST and to the end of CONTENT. `say` is `entries` (send them), `send` (with
`wanted` and `hashes`, by entry number), `busy` (somebody else copies), `done` or `problem`."""

STATE_DELTA, STATE_URGENT, STATE_LAST = 1, 2, 4
CHUNK_WHOLE, CHUNK_LAST, CHUNK_RESET, CHUNK_ACK = 1, 2, 4, 8
"""WHOLE: of a file that is replaced as one; LAST: its end; RESET: the file has shrunk; ACK: say
when it is on the disk."""

_HEAD = struct.Struct("!BI")
CHUNK_HEAD = struct.Struct("!HBQ")
NAME_HEAD = struct.Struct("!H")
COUNT = struct.Struct("!Q")


class FrameError(Exception):
    """The other side does not speak this protocol."""


def frame(kind: int, payload: bytes = b"") -> bytes:
    """A frame as bytes."""
    return _HEAD.pack(kind, len(payload)) + payload


def message(kind: int, **fields: Any) -> bytes:
    """A frame whose payload is JSON."""
    return frame(kind, json.dumps(fields, separators=(",", ":")).encode())


def asking_for_ack(chunk: bytes) -> bytes:
    """The same CHUNK frame, to be confirmed."""
    at = _HEAD.size + NAME_HEAD.size
    return chunk[:at] + bytes((chunk[at] | CHUNK_ACK,)) + chunk[at + 1 :]


class Decoder:
    """Frames from bytes as they come."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The frames that `data` completes: kind and payload.

        Raises:
            FrameError: This is no frame.
        """
        buffer = self._buffer
        buffer += data
        start = 0
        while len(buffer) - start >= _HEAD.size:
            kind, length = _HEAD.unpack_from(buffer, start)
            if length > LARGEST:
                raise FrameError(f"a frame of {length} bytes")
            end = start + _HEAD.size + length
            if len(buffer) < end:
                break
            payload = bytes(memoryview(buffer)[start + _HEAD.size : end])
            start = end
            yield kind, payload
        del buffer[:start]
