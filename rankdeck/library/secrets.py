"""Values that look like secrets, before they are kept in a file for good. Pure."""

from __future__ import annotations

import shlex
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING

import msgspec

from rankdeck.errors import UserError
from rankdeck.plan.redact import secret_arguments
from rankdeck.project.secrets import is_secret

if TYPE_CHECKING:
    from rankdeck.job.draft import JobDraft


class SecretChoice(str, Enum):
    """What to do with values that look like secrets."""

    REFUSE = "refuse"
    """Save nothing, and tell which they are."""
    DROP = "drop"
    """Leave them out."""
    KEEP = "keep"
    """Save them as they are."""


class SecretsFoundError(UserError):
    """A job holds values that look like secrets, and nobody said that they may be saved."""

    def __init__(self, names: tuple[str, ...]) -> None:
        these = "looks like a secret" if len(names) == 1 else "look like secrets"
        super().__init__(
            f"{', '.join(names)} {these}: not saved",
            "leave out with --drop-secrets (set it when you run), or save as is with"
            " --keep-secrets",
        )
        self.names = names


def found_secrets(draft: JobDraft) -> tuple[str, ...]:
    """The fields with secrets, as `env.HF_TOKEN`; for an argument the option it belongs to."""
    found = [
        f"{field}.{name}"
        for field in ("hyperparameters", "env")
        for name, value in (getattr(draft, field) or {}).items()
        if value and is_secret(name, value)
    ]
    words = _words(draft)
    found += [_argument(words, index) for index in secret_arguments(words)]
    return tuple(found)


def without_secrets(draft: JobDraft, choice: SecretChoice) -> JobDraft:
    """The draft without its secrets.

    Raises:
        SecretsFoundError: There are some, and `choice` is to refuse them.
    """
    found = found_secrets(draft)
    if not found or choice is SecretChoice.KEEP:
        return draft
    if choice is SecretChoice.REFUSE:
        raise SecretsFoundError(found)
    changes: dict[str, object] = {}
    for field in ("hyperparameters", "env"):
        given = getattr(draft, field)
        if given:
            changes[field] = {
                name: value
                for name, value in given.items()
                if not (value and is_secret(name, value))
            }
    words = _words(draft)
    if hidden := set(secret_arguments(words)):
        # an option goes with its value
        options = {
            index - 1
            for index in hidden
            if index and words[index - 1].startswith("-") and not words[index].startswith("-")
        }
        changes["args"] = tuple(
            word for index, word in enumerate(words) if index not in hidden | options
        )
    return msgspec.structs.replace(draft, **changes)


def _words(draft: JobDraft) -> tuple[str, ...]:
    args = draft.args or ()
    if isinstance(args, str):
        with suppress(ValueError):
            return tuple(shlex.split(args))
        return ()
    return tuple(args)


def _argument(words: tuple[str, ...], index: int) -> str:
    option, equals, _ = words[index].partition("=")
    if equals and option.startswith("-"):
        return option
    if index and words[index - 1].startswith("-"):
        return words[index - 1]
    return f"argument {index + 1}"
