"""The patterns of ssh_config and known_hosts: `*`, `?` and, in lists, `!` for exceptions."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from rankdeck.globs import compile_glob

if TYPE_CHECKING:
    from collections.abc import Iterable

_compiled = lru_cache(maxsize=4096)(compile_glob)


def matches(text: str, pattern: str) -> bool:
    """Whether the whole text fits one pattern."""
    return _compiled(pattern).match(text) is not None


def matches_any(text: str, patterns: Iterable[str]) -> bool:
    """Whether the text fits one of the patterns and none that begins with `!`."""
    found = False
    for pattern in patterns:
        if pattern.startswith("!"):
            if matches(text, pattern[1:]):
                return False
        elif matches(text, pattern):
            found = True
    return found
