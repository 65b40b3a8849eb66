"""What the form calls things: fields by their labels, also where the command line's words are told.

Pure.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.cells import cell_len

from rankdeck.job.fields import FIELDS
from tui.backend_form import PREFIX

if TYPE_CHECKING:
    from rankdeck.errors import Problem
    from tui.backend_form import BackendForm

_LABELS = {field.name: field.label for field in FIELDS}
_OPTIONS = {field.option: field.label for field in FIELDS if field.option}
_ASIDE = re.compile(r"\s*\([^()]*\)")
_OPTION = re.compile(r"(?<![\w'`/-])--[a-z][a-z-]*")


def label_of(key: str, backend: BackendForm | None = None) -> str:
    """A field as the form calls it: `Ranks per node` for `nproc_per_node`, `lr` for a parameter."""
    name, _, entry = key.partition(".")
    label = _LABELS.get(name, name)
    if not entry:
        return label
    if key.startswith(PREFIX) and backend is not None:
        known = (option for option in backend.options if option.name == entry)
        return next((option.label or option.name for option in known), entry)
    return f"{label} {entry}" if name == "env" else entry


def in_labels(text: str) -> str:
    """A sentence with labels where it names options of the command line that have a field."""
    return _OPTION.sub(lambda found: _OPTIONS.get(found[0], found[0]), text)


def in_short(text: str, room: int) -> str:
    """A help text in so many columns: in full, without its asides, or only how it begins.

    What is still too long is left to be cut: no part of a sentence is better than another.
    """
    aside = _ASIDE.sub("", text).rstrip(".")
    first = re.split(r"[.;](?:\s|$)", aside, maxsplit=1)[0]
    shorter = (text, aside, first)
    return next((one for one in shorter if cell_len(one) <= room), first)


def problem_text(problem: Problem, backend: BackendForm | None = None) -> str:
    """A problem as the form tells it; what is wrong in a file is told in the file's own words."""
    if problem.file or not problem.key or problem.field.partition(".")[0] not in _LABELS:
        return str(problem) if problem.file else in_labels(str(problem))
    return f"{label_of(problem.field, backend)}: {in_labels(problem.message)}"
