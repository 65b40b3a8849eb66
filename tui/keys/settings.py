"""Keys of settings and the command log."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.keys.record import Key

KEYS: tuple[Key, ...] = ()
