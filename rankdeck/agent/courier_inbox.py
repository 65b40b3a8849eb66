"""Putting a command into the agent's inbox, once, however often home sends it."""

from __future__ import annotations

import os

from rankdeck.agent.courier_stage import write_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rankdeck.agent.courier_watch import Watch

_LEDGER = ".commands"


def deliver(watch: Watch, fields: dict[str, Any]) -> str:
    """Put it there; why not, if that is impossible."""
    name: str = fields["name"]
    if "/" in name or not name.endswith(".json") or name.startswith("."):
        return f"{name!r} is no name of a command"
    path = f"{watch.node_dir}/control/{name}"
    ledger = f"{watch.node_dir}/{_LEDGER}"
    try:
        if name in _read(ledger):
            return ""
        write_private(path, fields["text"].encode())
        fd = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            os.write(fd, f"{name}\n".encode())
        finally:
            os.close(fd)
    except OSError as error:
        if fields["command"] in ("stop", "kill") and watch.agent.alive:
            # a stop must get through when the disk is full; the agent takes TERM for one
            watch.agent.terminate()
            return ""
        return f"{path}: {error.strerror}"
    return ""


def _read(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().split("\n")
    except FileNotFoundError:
        return []
