"""The options of this backend, as data: reading them loads nothing else."""

from __future__ import annotations

from rankdeck.backend import BackendOption

OPTIONS: tuple[BackendOption, ...] = ()
