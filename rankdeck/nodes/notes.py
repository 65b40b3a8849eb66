"""Notes on nodes, kept for all runs: `bad NVLink`, and whether to keep off a node until a day.

One small file, `nodes.json` in the state directory, replaced as a whole; two writers never lose
each other's notes. A file that cannot be read stops nothing: it is told by whoever reads it.
"""

from __future__ import annotations

import datetime
import fcntl
import os
import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from rankdeck.errors import ExitCode, UserError
from rankdeck.run.files import read_regular, write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_FILE = "nodes.json"
_LOCK = "nodes.lock"
_LARGEST = 4 << 20
_LONGEST = 500
_AVOID = re.compile(r"avoid(?:\s+until\s+([^\s:][^\s]*?))?\s*(?::\s*(.*))?", re.DOTALL)


class NodeNote(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is noted of one node."""

    text: str
    """Hostile, as everything that others may have written: sanitise before showing."""
    avoid: bool = False
    """Whether jobs should keep off the node."""
    until: float | None = None
    """When that ends, as seconds since the epoch; None: not by itself."""
    written: float = 0.0

    def avoids(self, now: float) -> bool:
        """Whether jobs should keep off the node at this time."""
        return self.avoid and (self.until is None or now < self.until)


class _File(msgspec.Struct, frozen=True):
    """The file."""

    notes: dict[str, NodeNote]
    version: int = 1


_DECODER = msgspec.json.Decoder(_File)


class NodeNotes:
    """The notes of one state directory."""

    def __init__(self, home: Path) -> None:
        """Use the notes in `home`; nothing is opened yet."""
        self._home = home
        self._path = home / _FILE

    def read(self) -> dict[str, NodeNote]:
        """Every note, by node.

        Raises:
            UserError: The file is there and cannot be read.
        """
        try:
            content = read_regular(self._path, limit=_LARGEST)
            return {} if content is None else dict(_DECODER.decode(content).notes)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UserError(
                f"{self._path}: the notes on nodes cannot be read: {error}",
                "mend the file, or remove it",
                exit_code=ExitCode.UNUSABLE,
            ) from error

    def write(self, node: str, text: str, *, avoid: bool, until: float | None = None) -> None:
        """Note something of a node, in place of what was noted before.

        Raises:
            UserError: It cannot be written.
        """
        note = NodeNote(text=text.strip(), avoid=avoid, until=until, written=time.time())
        self.put((node,), note)

    def put(self, nodes: Iterable[str], note: NodeNote) -> None:
        """Note the same of several nodes.

        Raises:
            UserError: It cannot be written.
        """
        kept = msgspec.structs.replace(
            note, text=note.text[:_LONGEST], until=note.until if note.avoid else None
        )
        self._change(dict.fromkeys(nodes, kept))

    def clear(self, nodes: Iterable[str]) -> None:
        """Forget what is noted of these nodes.

        Raises:
            UserError: It cannot be written.
        """
        self._change(dict.fromkeys(nodes))

    def _change(self, changes: Mapping[str, NodeNote] | Mapping[str, None]) -> None:
        try:
            with self._locked():
                notes = {**self.read(), **changes}
                kept = {name: note for name, note in sorted(notes.items()) if note is not None}
                text = msgspec.json.format(msgspec.json.encode(_File(notes=kept)), indent=2)
                write_atomic(self._path, text + b"\n", sync=True)
        except OSError as error:
            raise UserError(
                f"{self._path}: the note cannot be written: {error.strerror}",
                exit_code=ExitCode.UNUSABLE,
            ) from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = os.open(self._home / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def avoided(
    notes: Mapping[str, NodeNote], nodes: Iterable[str], now: float
) -> tuple[tuple[str, NodeNote], ...]:
    """Those of these nodes that jobs should keep off, with why, in their order. Pure."""
    return tuple(
        (node, note) for node in nodes if (note := notes.get(node)) is not None and note.avoids(now)
    )


def read_until(text: str, now: float) -> float:
    """The end of a day (`2026-11-30`), a time (`2026-11-30T18:00`), or a span from now (`3d`).

    Raises:
        ValueError: With the rest of a sentence.
    """
    text = text.strip()
    unit = {"h": 3600, "d": 86400, "w": 604800}.get(text[-1:])
    if unit and text[:-1].isdecimal() and len(text) < 8:
        return now + int(text[:-1]) * unit
    try:
        day = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"is no day such as 2026-11-30, and no span such as 3d: {text!r}"
        ) from None
    if len(text) <= len("2026-11-30"):
        day += datetime.timedelta(days=1)
    try:
        return day.timestamp()
    except (OverflowError, OSError, ValueError):
        raise ValueError(f"is no day that can be reckoned with: {text!r}") from None


def read_note(text: str, now: float) -> NodeNote:
    """A note as it is typed: `bad NVLink`, `avoid: …`, `avoid until 2026-11-30: …`.

    Raises:
        ValueError: With a sentence.
    """
    match = _AVOID.fullmatch(text.strip())
    if match is None:
        return NodeNote(text=text.strip(), written=now)
    until = None
    if match[1]:
        try:
            until = read_until(match[1], now)
        except ValueError as error:
            raise ValueError(f"what stands behind `until` {error}") from None
    return NodeNote(text=(match[2] or "").strip(), avoid=True, until=until, written=now)


def note_text(note: NodeNote, now: float) -> str:
    """A note in one line, its own text as it was written: `avoid until 2026-11-30: bad NVLink`."""
    if not note.avoid:
        return note.text
    if note.until is None:
        return f"avoid: {note.text}" if note.text else "avoid"
    # the last second that counts: a note until the end of a day names that day
    last = time.strftime("%Y-%m-%d", time.localtime(note.until - 1))
    word = "avoid until" if note.avoids(now) else "was to be avoided until"
    return f"{word} {last}: {note.text}" if note.text else f"{word} {last}"
