"""Where a user's own files are: settings, keymap, templates, workspaces."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def config_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """`$RANKDECK_CONFIG`, else `rankdeck` in `$XDG_CONFIG_HOME` or `~/.config`."""
    if given := environ.get("RANKDECK_CONFIG"):
        return Path(given).expanduser()
    base = environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "rankdeck"
