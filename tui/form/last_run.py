"""The run that a form's values are compared with: the one it started from, or the project's newest.

Reads the state directory: called in the background only.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rankdeck.job.fields import FIELDS
from rankdeck.job.load import read_job_yaml
from rankdeck.run.layout import RunDir
from tui.form.texts import job_texts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rankdeck.job.draft import JobDraft
    from rankdeck.run.store import RunStore
    from rankdeck.run.summary import RunSummary

_LOOKED_AT = 500


@dataclass(frozen=True, slots=True)
class LastRun:
    """One earlier run, as texts."""

    id: str
    name: str
    state: str
    created: float
    texts: Mapping[str, str]


class LastRuns:
    """Finds runs of projects; what was read once is kept."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._read: dict[str, LastRun | None] = {}

    @property
    def home(self) -> Path:
        """The state directory."""
        return self._store.home

    def of(self, target: str | None, project: str) -> LastRun | None:
        """The run whose job file `target` is, else the newest run of `project`."""
        summaries = self._store.list(_LOOKED_AT)
        if target is not None:
            started_from = Path(target).parent
            if started_from.parent == self._store.runs_dir:
                known = next((s for s in summaries if s.id == started_from.name), None)
                return self._load(started_from.name, known)
        wanted = os.path.realpath(project)
        for summary in summaries:
            if summary.project == project or _same_folder(summary.project, wanted):
                found = self._load(summary.id, summary)
                if found is not None:
                    return found
        return None

    def _load(self, run_id: str, summary: RunSummary | None) -> LastRun | None:
        if run_id not in self._read:
            job = RunDir(self._store.runs_dir / run_id).job
            read = read_job_yaml(job) if job.is_file() else None
            self._read[run_id] = (
                LastRun(
                    run_id,
                    summary.name if summary else run_id,
                    summary.state.value if summary else "",
                    summary.created if summary else 0.0,
                    job_texts(with_types(read.draft)),
                )
                if read is not None and not read.problems
                else None
            )
        return self._read[run_id]


def differences(now: Mapping[str, str], before: Mapping[str, str]) -> dict[str, str]:
    """By field, what it was, where that is another text; empty: it was not set.

    Both are compared as typed: numbers that are equal count as equal.
    """
    changed: dict[str, str] = {}
    for key in dict.fromkeys((*before, *now)):
        old, new = before.get(key, ""), now.get(key, "")
        if old != new and not _same(old, new):
            changed[key] = old
    return changed


def with_types(draft: JobDraft) -> JobDraft:
    """The draft with values of their types, so that its texts are those of a checked job."""
    changes: dict[str, object] = {}
    for field in FIELDS:
        value = getattr(draft, field.name)
        if value is None or isinstance(value, dict):
            continue
        # written by an earlier version that took another value
        with suppress(ValueError):
            changes[field.name] = field.read(value)
    options = draft.backend_options or {}
    switches: dict[str, str | int | float | bool] = {
        name: value == "true" for name, value in options.items() if value in ("true", "false")
    }
    changes["backend_options"] = options | switches
    return msgspec.structs.replace(draft, **changes)


def _same_folder(path: str, real: str) -> bool:
    # looking through links costs a question to the file system for every part of a path
    return os.path.basename(path) == os.path.basename(real) and os.path.realpath(path) == real


def _same(one: str, other: str) -> bool:
    try:
        return float(one) == float(other)
    except ValueError:
        return False
