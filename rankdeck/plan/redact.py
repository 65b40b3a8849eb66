"""Which words of a command line are secrets, so that no preview and no script shows them. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from rankdeck.project.secrets import is_secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rankdeck.plan.records import LaunchPlan, NodePlan

_OPTION = re.compile(r"--?([A-Za-z][A-Za-z0-9_-]*)")
_HARMLESS = re.compile(r"[+-]?[0-9.]{1,8}|true|false", re.IGNORECASE)
_SHORTEST_VALUE = 4
"""Shorter values of secret variables also occur as plain words (`2`)."""


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """One argument: its readable part, and the variable that stands for the rest."""

    text: str
    secret: str = ""
    """Name of the variable that holds the hidden rest; empty: nothing is hidden."""


def argv_words(plan: LaunchPlan, node: NodePlan) -> tuple[Word, ...]:
    """The node's command with secret parts taken out.

    Hidden are values of redacted variables, values of options with a secret's name, and texts of
    the form of a known token.
    """
    values = {**plan.hyperparameters, **node.env}
    hidden = {
        values[name]: name for name in plan.redacted if len(values.get(name, "")) >= _SHORTEST_VALUE
    }
    words: list[Word] = []
    previous = ""
    for index, word in enumerate(node.argv):
        words.append(_word(word, previous, hidden, f"ARGUMENT_{index}"))
        previous = word
    return tuple(words)


def secret_arguments(words: Sequence[str]) -> tuple[int, ...]:
    """Which of these words of a command line hold a secret, by index."""
    found = []
    previous = ""
    for index, word in enumerate(words):
        if _word(word, previous, {}, "SECRET").secret:
            found.append(index)
        previous = word
    return tuple(found)


def _word(word: str, previous: str, hidden: dict[str, str], fallback: str) -> Word:
    if word in hidden:
        return Word(text="", secret=hidden[word])
    option, equals, value = word.partition("=")
    if equals and _is_hidden(option, value):
        return Word(text=option + equals, secret=_variable(option))
    if not word.startswith("-") and _is_hidden(previous, word):
        return Word(text="", secret=_variable(previous))
    if is_secret("", word):
        return Word(text="", secret=fallback)
    return Word(text=word)


def hidden_part(word: str, previous: str) -> str | None:
    """The readable part of a word of any command line that holds a secret; None: it holds none."""
    told = _word(word, previous, {}, "ARGUMENT")
    return told.text if told.secret else None


def _is_hidden(option: str, value: str) -> bool:
    match = _OPTION.fullmatch(option)
    if match is None or not value or _HARMLESS.fullmatch(value):
        return False
    return is_secret(match.group(1), value)


def _variable(option: str) -> str:
    return option.lstrip("-").replace("-", "_").upper()
