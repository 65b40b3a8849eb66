"""What was typed into forms and not started: kept in the state directory, without secrets.

A dropped connection or a form left by accident loses nothing. Blocks: used in the background only.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from rankdeck.library.secrets import SecretChoice, without_secrets
from rankdeck.run.files import write_atomic
from tui.form.texts import draft_of, typed_texts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_MOST = 20


class KeptForm(msgspec.Struct, frozen=True, kw_only=True):
    """The texts of one form."""

    slot: str
    """Its name among the kept ones."""
    target: str | None = None
    """The job file it began with."""
    texts: dict[str, str]
    saved: float


class KeptForms:
    """The newest forms of a state directory that were not started."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "drafts"

    def keep(self, form: KeptForm) -> None:
        """Keep this form in place of what its slot held; one without texts is forgotten.

        Raises:
            OSError: It cannot be written.
        """
        safe = harmless(form.texts)
        if not safe:
            self.forget(form.slot)
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(
            self._path(form.slot), msgspec.json.encode(msgspec.structs.replace(form, texts=safe))
        )
        for path in self._paths()[_MOST:]:
            with suppress(OSError):
                path.unlink()

    def forget(self, slot: str) -> None:
        """Keep nothing in this slot."""
        with suppress(FileNotFoundError):
            self._path(slot).unlink()

    def all(self) -> tuple[KeptForm, ...]:
        """Every kept form, the newest first."""
        found: list[KeptForm] = []
        for path in self._paths():
            # one of another version, or one that goes away meanwhile, is nothing to offer
            with suppress(OSError, msgspec.DecodeError):
                found.append(msgspec.json.decode(path.read_bytes(), type=KeptForm))
        return tuple(sorted(found, key=lambda form: form.saved, reverse=True))

    def _path(self, slot: str) -> Path:
        return self._folder / f"{slot}.json"

    def _paths(self) -> list[Path]:
        times: dict[Path, float] = {}
        for path in self._folder.glob("*.json"):
            with suppress(OSError):
                times[path] = os.path.getmtime(path)
        return sorted(times, key=lambda path: times[path], reverse=True)


def harmless(texts: Mapping[str, str]) -> dict[str, str]:
    """The texts without values that look like secrets."""
    safe: dict[str, str] = {}
    for key, text in texts.items():
        try:
            said = draft_of({key: text})
            draft = without_secrets(said, SecretChoice.DROP)
        except ValueError:
            # a list of NAME=VALUE that is not finished: nobody knows what it holds
            continue
        safe |= {key: text} if draft == said else typed_texts(draft)
    return {key: text for key, text in safe.items() if text}
