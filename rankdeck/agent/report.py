"""Reporter: writes `state.json`, atomically, and notices when the disk is full."""

from __future__ import annotations

import errno
import json
import os

from rankdeck.agent.notes import note
from rankdeck.agent.reserve import is_full

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Reporter:
    """The only writer of a node's state."""

    def __init__(self, node_dir: str) -> None:
        self._path = f"{node_dir}/state.json"
        self.disk_full = False
        """A write has failed for lack of room."""

    def write(self, document: dict[str, Any], durable: bool = False, path: str = "") -> bool:
        """Replace the state; whether that succeeded. `durable`: it must survive a power cut."""
        # what is no Unicode (of a file name in an exception) must not make it unreadable
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        data = text.encode("utf-8", "replace")
        target = path or self._path
        try:
            _replace(target, data, durable)
        except OSError as error:
            self.disk_full |= is_full(error)
            note(f"agent: {target}: {error.strerror}")
            return False
        return True


def _replace(path: str, text: bytes, durable: bool) -> None:
    temporary = f"{path}.new"
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            written = os.write(fd, text)
            if written != len(text):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), temporary)
            if durable:
                os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(temporary, path)
    except OSError:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
