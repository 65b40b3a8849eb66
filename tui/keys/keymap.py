"""The user's own keys: `keymap.yaml` in the config folder, a key's id and the keys it gets.

Checked here and not by Textual, which ignores an unknown id and lets a displaced key die silently.
What is wrong is told with its line and left out; the rest counts.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rankdeck.config.document import nearest, read_document
from rankdeck.errors import Problem
from tui.keys.catalogue import builtin_keys, together
from tui.keys.naming import normal_keys, unknown_key

if TYPE_CHECKING:
    from pathlib import Path

    from rankdeck.config.document import Document, Entry
    from tui.keys.record import Key

FILE = "keymap.yaml"
_SPLIT = re.compile(r"[,\s]+")


@dataclass(frozen=True, slots=True)
class Keymap:
    """The keys that hold, by id, and what in the file does not."""

    keys: dict[str, str]
    problems: tuple[Problem, ...] = ()


def read_keymap(path: Path) -> Keymap:
    """What the file says, checked against the built-in table. Never raises."""
    document = read_document(path)
    return check_keymap(document)


def check_keymap(document: Document, table: tuple[Key, ...] | None = None) -> Keymap:
    """The good part of a keymap.

    A row whose new key is taken where both are valid keeps its built-in keys.
    """
    if not document.entries:
        return Keymap({}, document.problems)
    rows = {key.id: key for key in (builtin_keys() if table is None else table)}
    problems = list(document.problems)
    wanted: dict[str, str] = {}
    lines: dict[str, int] = {}
    for entry in document.entries:
        row = rows.get(entry.key)
        if row is None:
            message, hint = "is not the name of a key", nearest(entry.key, rows)
            hint = hint or "`rankdeck config keys` lists them"
            problems.append(_problem(document.file, entry, message, hint))
            continue
        keys = _keys(entry)
        wrong = next((problem for key in keys if (problem := unknown_key(key))), "")
        if wrong or not keys:
            message, _, hint = (wrong or "needs at least one key").partition("; ")
            problems.append(_problem(document.file, entry, message, hint))
            continue
        wanted[entry.key] = ",".join(keys)
        lines[entry.key] = entry.line
    for key_id, other, shared in _conflicts(rows, wanted):
        message = (
            f"{shared} is already {other.id} ({other.label}), valid at the same time; "
            f"the built-in {rows[key_id].shown} stays"
        )
        problems.append(Problem(message, file=document.file, line=lines[key_id], key=key_id))
    for key_id in {key_id for key_id, _, _ in _conflicts(rows, wanted)}:
        del wanted[key_id]
    problems.sort(key=lambda problem: problem.line)
    return Keymap(wanted, tuple(problems))


def _keys(entry: Entry) -> tuple[str, ...]:
    value = entry.value
    if value is None:
        return ()
    if isinstance(value, tuple):
        return tuple(normal_keys(value))
    if value in (",", " "):
        return tuple(normal_keys((value,)))
    return tuple(normal_keys(word for word in _SPLIT.split(value.strip()) if word))


def _conflicts(rows: dict[str, Key], wanted: dict[str, str]) -> list[tuple[str, Key, str]]:
    """Rows that cannot have what they want, the row that has it, and the key."""
    holders: dict[str, list[Key]] = defaultdict(list)
    for row in rows.values():
        for key in normal_keys(wanted.get(row.id, row.keys).split(",")):
            holders[key].append(row)
    found = []
    for key_id, keys in wanted.items():
        row = rows[key_id]
        builtin = set(normal_keys(row.keys.split(",")))
        for key in keys.split(","):
            others = [
                other
                for other in holders[key]
                if other.id != key_id and together(row.scope, other.scope)
            ]
            # what shadows another row in the table itself is meant to
            if others and not (key in builtin and others[0].id not in wanted):
                found.append((key_id, others[0], key))
                break
    return found


def _problem(file: str, entry: Entry, message: str, hint: str = "") -> Problem:
    return Problem(message, file=file, line=entry.line, key=entry.key, hint=hint)
