"""The options of this backend, as data: reading them loads nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rankdeck.backend import BackendOption

OPTIONS: tuple[BackendOption, ...] = ()
