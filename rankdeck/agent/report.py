"""Reporter: writes `state.json`, atomically, and notices when the disk is full."""

from __future__ import annotations

import errno
import json
import math
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
        data = _encoded(document)
        target = path or self._path
        try:
            _replace(target, data, durable)
        except OSError as error:
            self.disk_full |= is_full(error)
            note(f"agent: {target}: {error.strerror}")
            return False
        return True


def _encoded(document: dict[str, Any]) -> bytes:
    """As JSON that every reader takes: what is no number becomes null, what is no Unicode `?`.

    File names in exceptions may be anything, and so may figures that others have measured.
    """
    try:
        text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        text = json.dumps(_finite(document), ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


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
