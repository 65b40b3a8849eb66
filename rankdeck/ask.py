"""Ask: questions a backend has for the user before a run starts; each interface answers its way."""

from __future__ import annotations

from typing import Protocol

from rankdeck.errors import ExitCode, UserError


class Ask(Protocol):
    """Somebody who can be asked."""

    def confirm(self, question: str, detail: str) -> bool:
        """A question answered by yes or no; `detail` is what it depends on, line by line.

        Raises:
            UserError: Nobody can be asked.
        """
        ...

    def secret(self, prompt: str) -> str | None:
        """A passphrase, not shown while it is typed; None when the user gives none.

        Raises:
            UserError: Nobody can be asked.
        """
        ...


class Nobody:
    """No terminal: every question is an error that says what to do instead."""

    def confirm(self, question: str, detail: str) -> bool:
        """Refuse."""
        raise UserError(
            f"{question} (nobody can be asked here)", detail, exit_code=ExitCode.UNUSABLE
        )

    def secret(self, prompt: str) -> str | None:
        """Refuse."""
        raise UserError(
            f"{prompt} is needed, and nobody can be asked here",
            "add the key to your ssh-agent (ssh-add), or start the run from a terminal",
            exit_code=ExitCode.UNUSABLE,
        )
