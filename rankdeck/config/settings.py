"""Settings: how one user wants the interface. Read from `config.yaml` in the config folder."""

from __future__ import annotations

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set; each has a default."""

    theme: str = ""
    """Name of a theme; empty: the default one."""
    read_only: bool = False
    """Refuse everything that starts, stops, deletes or writes."""
    mouse: bool = True
    """Whether the mouse is used."""
    notify: bool = True
    """Whether the end of a run is told while another screen is seen."""
    metric_patterns: tuple[str, ...] = ()
    """Regular expressions with groups named after metrics, for logs that say numbers in a way
    of their own."""
