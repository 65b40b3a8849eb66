"""Key: one key and what it does; Scope: where it is valid. Plain data, no textual."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class Scope(str, Enum):
    """Where a key is valid; the value is the heading in the help."""

    EVERYWHERE = "Everywhere"
    RUNS = "Runs"
    TABLE = "Tables"
    FORM = "New job"
    PLAN = "Preview of a job"
    RUN = "Run"
    RANKS = "Rank grid"
    LOG = "Log"
    LOG_PROMPT = "Input lines of a log"
    CURVES = "Curves"
    NODE_LOAD = "Nodes of a run"
    EVENTS = "Events of a run"
    FAILURE = "Failure"
    SIGNAL = "Signals"
    NODES = "Nodes"
    TEMPLATES = "Templates"
    WORKSPACES = "Workspaces"
    SETTINGS = "Settings"
    COMMANDS = "Command log"
    TEXT = "Events, failure, preview, help"
    CONFIRM = "Questions"
    SECRET = "Passphrases"
    PROMPT = "Input lines"
    MENU = "Menus"
    HELP = "This help"


@dataclass(frozen=True, slots=True)
class Key:
    """One key and what it does."""

    scope: Scope
    keys: str
    """Textual's names, separated by commas."""
    action: str
    """Textual's action."""
    shown: str
    """How the key is written for people."""
    label: str
    """A word or two for the key bar."""
    help: str
    """What it does, for the help."""
    bar: bool = False
    """Whether the key bar shows it (the first ones win when there is no room)."""
    priority: bool = False
    """Whether it is tried before the focused widget."""
    writes: bool = False
    """Whether it changes anything outside; a deck that is read-only refuses it."""

    @property
    def id(self) -> str:
        """Its name in a keymap file: `run.pane-log`."""
        action = re.sub(r"-(\d)", r"back-\1", self.action.replace("-1", "back"))
        action = re.sub(r"\W+", "-", action).strip("-")
        return f"{self.scope.name.lower()}.{action.lower().replace('_', '-')}"
