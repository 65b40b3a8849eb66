"""The agent's inbox: `control/*.json`, each a command, taken in the order of their names."""

from __future__ import annotations

import json
import os
import time

from rankdeck.agent.notes import note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_REFRESH_SECONDS = 1.0


class Command:
    """The fields of `rankdeck.agent_order.AgentCommand`."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.kind: str = fields["command"]
        self.reason: str = fields.get("reason", "")
        self.grace: float | None = fields.get("grace")
        self.master_addr: str | None = fields.get("master_addr")
        self.master_port: int | None = fields.get("master_port")
        self.signal: str = fields.get("signal") or ""
        self.ranks: list[int] = fields.get("ranks") or []


class FreshDirectory:
    """A directory whose names another host adds.

    A network file system's client remembers what a directory holds, for up to a minute. Changing
    the directory's own times makes it ask the server.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._due = 0.0

    def refresh(self) -> None:
        """Forget what is remembered, at most once a second."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + _REFRESH_SECONDS
            try:
                os.utime(self.path)
            except OSError:
                return  # not there yet, or not ours: it is looked at as it is


class Inbox:
    """Where commands arrive."""

    def __init__(self, directory: str, *, shared: bool = False) -> None:
        """`shared`: on a network file system, written by another host."""
        self._directory = directory
        self._fresh = FreshDirectory(directory) if shared else None

    def take(self) -> list[Command]:
        """Read and remove what has come. What is no command is told in the log."""
        if self._fresh is not None:
            self._fresh.refresh()
        try:
            names = sorted(name for name in os.listdir(self._directory) if name.endswith(".json"))
        except FileNotFoundError:
            return []
        commands = []
        for name in names:
            path = f"{self._directory}/{name}"
            try:
                with open(path, encoding="utf-8") as file:
                    commands.append(Command(json.load(file)))
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                note(f"agent: {path} is no command: {error!r}")
            try:
                os.unlink(path)
            except OSError as error:
                note(f"agent: {path} cannot be removed: {error}")
        return commands
