"""Room set aside on the node directory's file system, for the agent's last words."""

from __future__ import annotations

import errno
import os

from rankdeck.agent.notes import note

_SIZE = 256 * 1024
_FULL = (errno.ENOSPC, errno.EDQUOT)


def is_full(error: OSError) -> bool:
    """Whether an error says that there is no room left."""
    return error.errno in _FULL


def set_aside(node_dir: str) -> None:
    """Occupy some room before the ranks can.

    Raises:
        OSError: There is not even that much.
    """
    fd = os.open(_path(node_dir), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(fd, 0, _SIZE)
    except OSError as error:
        if is_full(error):
            raise
        note(f"agent: no reserve on {node_dir}: {error.strerror}")
    finally:
        os.close(fd)


def release(node_dir: str) -> None:
    """Give the room back. Only when nobody else writes any more: they would eat it up."""
    try:
        os.unlink(_path(node_dir))
    except FileNotFoundError:
        return
    except OSError as error:
        note(f"agent: {_path(node_dir)}: {error.strerror}")


def _path(node_dir: str) -> str:
    return f"{node_dir}/.reserve"
