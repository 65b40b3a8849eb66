"""Reporter: writes `state.json`, atomically, and keeps a reserve for when the disk is full."""

from __future__ import annotations

import errno
import json
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_RESERVE = 256 * 1024
_FULL = (errno.ENOSPC, errno.EDQUOT)


def is_full(error: OSError) -> bool:
    """Whether an error says that there is no room left."""
    return error.errno in _FULL


class Reporter:
    """The only writer of a node's state."""

    def __init__(self, node_dir: str) -> None:
        self._path = f"{node_dir}/state.json"
        self._reserve = f"{node_dir}/.reserve"
        self.disk_full = False
        """A write has failed for lack of room."""
        self._may_release = True

    def set_reserve_aside(self) -> None:
        """Occupy some room that `write` can give back to itself later."""
        # from here on it is for the last words only: while ranks write, they would eat it up
        self._may_release = False
        try:
            fd = os.open(self._reserve, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(fd, 0, _RESERVE)
            finally:
                os.close(fd)
        except OSError as error:
            self.disk_full |= is_full(error)
            _complain(self._reserve, error)

    def release_reserve(self) -> None:
        """Give the reserved room back: nobody else writes any more."""
        self._may_release = True
        try:
            os.unlink(self._reserve)
        except FileNotFoundError:
            return
        except OSError as error:
            _complain(self._reserve, error)

    def write(self, document: dict[str, Any], durable: bool = False, path: str = "") -> bool:
        """Replace the state; whether that succeeded. `durable`: it must survive a power cut."""
        text = json.dumps(document, separators=(",", ":")).encode()
        target = path or self._path
        for _ in range(2):
            try:
                _replace(target, text, durable)
                return True
            except OSError as error:
                _complain(target, error)
                if not is_full(error):
                    return False
                self.disk_full = True
                if not self._may_release:
                    return False
                self.release_reserve()
        return False


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


def _complain(path: str, error: OSError) -> None:
    print(f"agent: {path}: {error.strerror}", file=sys.stderr, flush=True)
