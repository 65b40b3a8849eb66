"""What the names that a field offers stand for. Loads what is named: in the background only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMED = ("backend", "launcher")
"""Fields whose values are names of things that tell what they are."""


def titles_of(field: str, names: Iterable[str]) -> dict[str, str]:
    """By name, what it is in a few words; what cannot be loaded says why."""
    return {name: _title_of(field, name) for name in names}


def _title_of(field: str, name: str) -> str:
    from rankdeck.backend import load_backend
    from rankdeck.launchers.base import load_launcher

    try:
        return load_backend(name).title if field == "backend" else load_launcher(name).title
    except UserError as error:
        return error.message
