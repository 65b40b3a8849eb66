"""Keys of the curves of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.keys.record import Key

KEYS: tuple[Key, ...] = ()
