"""What is typed into the screen of nodes: how each kind of line is read. Pure."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import msgspec

from rankdeck.backend import backend_names
from rankdeck.nodes.filter_text import parse_filter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rankdeck.job.draft import JobDraft


class NodePrompt(Enum):
    """What a line is for: its label, and what may be typed."""

    FILTER = ("/", "words  !not  re:expression  state:bad  in:no  gpus:>=8  load:<1  note:nvlink")
    RANGE = ("mark", "node[01-16]  h1,h2  @group; then + or -")
    EXPRESSION = ("choose", "--include node[01-16]   --exclude node07   h1:0,1")
    NOTE = ("note", "bad NVLink   avoid: bad NVLink   avoid until 2026-11-30: …   empty forgets it")
    SLOTS = ("slots", "0-3   0,2   empty: all of them")
    SOURCE = ("nodes of", "slurm   ssh hostfile=/path   host=a,b[1-4]   local")

    @property
    def label(self) -> str:
        """What stands before the line."""
        return self.value[0]

    @property
    def hint(self) -> str:
        """What stands in it while it is empty."""
        return self.value[1]


def read_names(text: str, known: Iterable[str]) -> tuple[str, ...]:
    """The nodes that a range names.

    Raises:
        ValueError: It cannot be read, or names one that is not there; with a sentence.
    """
    there = dict.fromkeys(known)
    found: dict[str, None] = {}
    for term in parse_filter(text).terms:
        missing = [host for host in term.hosts if host not in there]
        if missing and not term.group:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise ValueError(f"there is no node {missing[0]}{more}")
        found.update((host, None) for host in term.hosts if host in there)
    if not found:
        raise ValueError("none of these is here")
    return tuple(found)


def read_source(text: str, draft: JobDraft) -> JobDraft:
    """Where else to look: a backend's name, `hostfile=PATH`, `host=a,b`, or a path.

    Raises:
        ValueError: With a sentence.
    """
    names = backend_names()
    changes: dict[str, str | None] = {"backend": None, "hostfile": None, "host": None}
    for word in text.split():
        key, equals, value = word.partition("=")
        if equals and key in ("hostfile", "host", "backend"):
            changes[key] = value
        elif word in names:
            changes["backend"] = word
        elif "/" in word or "." in word:
            changes["hostfile"] = word
        else:
            raise ValueError(f"{word!r} is no backend ({', '.join(names)}) and no path")
    if changes["hostfile"] and changes["host"]:
        raise ValueError("a hostfile or hosts, not both")
    return msgspec.structs.replace(draft, **changes, include=None, exclude=None)


def source_text(draft: JobDraft) -> str:
    """Where is looked now, as it would be typed."""
    host = draft.host if isinstance(draft.host, str) else ",".join(draft.host or ())
    parts = (
        draft.backend or "",
        f"hostfile={draft.hostfile}" if draft.hostfile else "",
        f"host={host}" if host else "",
    )
    return " ".join(part for part in parts if part)
