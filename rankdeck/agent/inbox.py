"""The agent's inbox: `control/*.json`, each a command, taken in the order of their names."""

from __future__ import annotations

import json
import os

from rankdeck.agent.notes import note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Command:
    """The fields of `rankdeck.agent_order.AgentCommand`."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.kind: str = fields["command"]
        self.reason: str = fields.get("reason", "")
        self.grace: float | None = fields.get("grace")
        self.master_addr: str | None = fields.get("master_addr")
        self.master_port: int | None = fields.get("master_port")


def take_commands(directory: str) -> list[Command]:
    """Read and remove what lies in the inbox. What is no command is told in the log."""
    try:
        names = sorted(name for name in os.listdir(directory) if name.endswith(".json"))
    except FileNotFoundError:
        return []
    commands = []
    for name in names:
        path = f"{directory}/{name}"
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
