"""Settings: how one user wants the interface. Read from `config.yaml` in the config folder.

A file with mistakes still counts in all that is right in it; saving changes only what was changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rankdeck.config.document import change_document, nearest, read_document
from rankdeck.errors import Problem, UserError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rankdeck.config.document import Entry

FILE = "config.yaml"
_YES = frozenset({"true", "yes", "on", "1"})
_NO = frozenset({"false", "no", "off", "0"})


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
    notify_command: str = ""
    """A command that is executed, too, when a run ends; it finds `RANKDECK_RUN`, `RANKDECK_NAME`,
    `RANKDECK_STATE` and `RANKDECK_SUMMARY` in its environment."""
    metric_patterns: tuple[str, ...] = ()
    """Regular expressions with groups named after metrics, for logs that say numbers in a way
    of their own."""


class LoadedSettings(msgspec.Struct, frozen=True):
    """The settings that hold, and what in the file does not."""

    settings: Settings
    problems: tuple[Problem, ...] = ()
    overruled: dict[str, str] = {}
    """Settings that the environment decides, and by which variable."""


def load_settings(folder: Path, environ: Mapping[str, str]) -> LoadedSettings:
    """What `config.yaml` in the folder and the environment say. Never raises."""
    document = read_document(folder / FILE)
    problems = list(document.problems)
    values: dict[str, object] = {}
    for entry in document.entries:
        default = getattr(Settings(), entry.key, None)
        if entry.key not in Settings.__struct_fields__:
            hint = nearest(entry.key, Settings.__struct_fields__)
            message = "is not a setting"
            problems.append(_problem(document.file, entry, message, hint))
            continue
        try:
            value = _read(entry, default)
        except ValueError as error:
            problems.append(_problem(document.file, entry, str(error)))
            continue
        if value is not None:
            values[entry.key] = value
    overruled = {}
    if theme := environ.get("RANKDECK_THEME"):
        values["theme"] = theme
        overruled["theme"] = "RANKDECK_THEME"
    if environ.get("NO_COLOR"):
        overruled["theme"] = "NO_COLOR"
    settings = msgspec.convert(values, Settings)
    return LoadedSettings(settings, tuple(problems), overruled)


def save_settings(folder: Path, changes: Mapping[str, object]) -> None:
    """Set some settings in `config.yaml`; one that has its default value is taken out of it.

    Raises:
        UserError: The file is not valid, or cannot be written.
    """
    defaults = Settings()
    change_document(
        folder / FILE,
        {key: None if getattr(defaults, key) == value else value for key, value in changes.items()},
    )


def _read(entry: Entry, default: object) -> object:
    value = entry.value
    if value is None:
        return None
    if isinstance(default, tuple):
        words = (value,) if isinstance(value, str) else value
        for word in words:
            check_pattern(word)
        return words
    if isinstance(value, tuple):
        raise ValueError("must be one value, not a list")
    if isinstance(default, bool):
        if value.lower() in _YES | _NO:
            return value.lower() in _YES
        raise ValueError(f"must be true or false, not {value}")
    return value


def check_pattern(pattern: str) -> None:
    """Refuse what cannot find a number. Raises ValueError with what is wrong."""
    from rankdeck.metrics.patterns import MetricPattern

    try:
        MetricPattern(pattern)
    except UserError as error:
        raise ValueError(error.message) from None


def _problem(file: str, entry: Entry, message: str, hint: str = "") -> Problem:
    return Problem(message, file=file, line=entry.line, key=entry.key, hint=hint)
