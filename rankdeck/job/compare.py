"""What differs between two jobs, field by field, for previews and reruns. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rankdeck.job.fields import FIELDS
from rankdeck.project.secrets import HIDDEN, is_secret

if TYPE_CHECKING:
    from rankdeck.job.draft import JobDraft


class FieldChange(msgspec.Struct, frozen=True, kw_only=True):
    """One difference."""

    field: str
    """A JobSpec field, or `field.key` for one entry of a mapping."""
    old: object
    """None: it was not set."""
    new: object


def compare_drafts(old: JobDraft, new: JobDraft) -> tuple[FieldChange, ...]:
    """Every field in which the jobs differ, in the order fields are shown.

    They are compared as they are written, whether or not they could run here and now.
    """
    changes: list[FieldChange] = []
    for field in FIELDS:
        before, after = getattr(old, field.name), getattr(new, field.name)
        if isinstance(before, dict) or isinstance(after, dict):
            before, after = before or {}, after or {}
        if isinstance(before, dict) and isinstance(after, dict):
            changes += _compare_mappings(field.name, before, after)
        elif before != after:
            changes.append(FieldChange(field=field.name, old=before, new=after))
    return tuple(changes)


def change_texts(change: FieldChange) -> tuple[str, str]:
    """Both sides as one line each for a screen; secrets are hidden."""
    key = change.field.partition(".")[2]
    return _text(key, change.old), _text(key, change.new)


def _compare_mappings(
    field: str, before: dict[str, object], after: dict[str, object]
) -> list[FieldChange]:
    return [
        FieldChange(field=f"{field}.{key}", old=before.get(key), new=after.get(key))
        for key in dict.fromkeys((*before, *after))
        if before.get(key) != after.get(key)
    ]


def _text(key: str, value: object) -> str:
    if value is None:
        return "not set"
    if key and is_secret(key, str(value)):
        return HIDDEN
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return str(getattr(value, "value", value))
