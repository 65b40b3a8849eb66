"""StateFile: the agent's state as it changes, and as little of it as possible on the wire."""

from __future__ import annotations

import json
import os
import zlib

from rankdeck.agent import courier_frames as wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_IDLE_KEYS = ("time", "seq", "load", "disk_free")
_IDLE_RANK_KEYS = ("cpu_percent", "rss_bytes", "threads")


class StateFile:
    """The newest state, and the one that home has."""

    def __init__(self, path: str, attempt: int) -> None:
        self._path = path
        self._attempt = attempt
        self._signature: tuple[int, int, int] | None = None
        self._text = b""
        self._sent: bytes | None = None
        self._sent_key: Any = None
        self._sent_lively: Any = None
        self._key: Any = None
        self._lively: Any = None
        self.done = False
        """The agent has said its last word (of this attempt)."""

    def look(self) -> None:
        """Read it again if it has changed."""
        try:
            facts = os.stat(self._path)
            signature = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
            if signature == self._signature:
                return
            with open(self._path, "rb") as file:
                text = file.read()
            document = json.loads(text)
            if document["attempt"] != self._attempt:
                return
            self._key, self._lively = _judge(document)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return  # not there yet; the agent replaces it as one
        self._signature, self._text = signature, text
        self.done = document["phase"] == "done"

    @property
    def urgent(self) -> bool:
        """Whether a phase or a rank's state is new."""
        return bool(self._text) and self._key != self._sent_key

    @property
    def lively(self) -> bool:
        """Whether more is new than the time and the load."""
        return bool(self._text) and self._lively != self._sent_lively

    @property
    def new(self) -> bool:
        """Whether home has another one."""
        return bool(self._text) and self._text != self._sent

    def take(self) -> bytes:
        """The newest state as a frame."""
        flags = wire.STATE_URGENT if self.urgent else 0
        if self.done:
            flags |= wire.STATE_LAST
        if self._sent is None:
            packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        else:
            flags |= wire.STATE_DELTA
            packer = zlib.compressobj(
                9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, self._sent[-32768:]
            )
        packed = packer.compress(self._text) + packer.flush()
        self._sent, self._sent_key, self._sent_lively = self._text, self._key, self._lively
        return wire.frame(wire.STATE, bytes((flags,)) + packed)


def _judge(document: dict[str, Any]) -> tuple[Any, Any]:
    """What makes a state urgent, and what makes it more than a heartbeat."""
    ranks = document["ranks"]
    key = (
        document["phase"],
        [(rank["state"], rank["pid"]) for rank in ranks],
        document["problem"],
        document["stop"],
        document["launcher"],
        document["master_port"],
    )
    for name in _IDLE_KEYS:
        document.pop(name, None)
    for rank in ranks:
        for name in _IDLE_RANK_KEYS:
            rank.pop(name, None)
    return key, document
