"""Paths that begin as what was typed. Reads folders: called in the background only."""

from __future__ import annotations

import os
from pathlib import Path

_MOST_READ = 5000
_MOST = 200


def path_choices(text: str, base: str, *, folders_only: bool = False) -> tuple[str, ...]:
    """What the text may be the beginning of, as it would be typed; folders end in `/`.

    Args:
        text: What was typed; `~` and paths relative to `base` are kept as they are.
        base: What a relative path is relative to.
        folders_only: Leave out files.
    """
    typed_folder, _, prefix = text.rpartition("/")
    lead = f"{typed_folder}/" if "/" in text else ""
    folder = os.path.join(base, os.path.expanduser(lead))
    found: list[tuple[bool, str]] = []
    try:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number >= _MOST_READ:
                    break
                if not entry.name.startswith(prefix) or (
                    entry.name.startswith(".") and not prefix.startswith(".")
                ):
                    continue
                is_folder = _is_folder(entry)
                if is_folder or not folders_only:
                    found.append((not is_folder, entry.name + ("/" if is_folder else "")))
    except OSError:
        return ()
    return tuple(lead + name for _, name in sorted(found)[:_MOST] if name.isprintable())


def here() -> Path:
    """The working directory; the root where it has been deleted."""
    try:
        return Path.cwd()
    except OSError:
        return Path("/")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
