"""What a job described so far would do: everything wrong with it, else its plan as text.

Runs in the background; starts nothing and writes nothing.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rankdeck.errors import InvalidJobError, Problem, UserError
from rankdeck.job.compare import change_texts, compare_jobs
from rankdeck.job.draft import JobDraft
from rankdeck.job.fields import FIELDS, FieldKind
from rankdeck.job.load import read_job_yaml
from rankdeck.job.resolve import Resolution, find_hyperparameters, resolve
from rankdeck.job.spec import JobSpec
from rankdeck.job.values import duration_text, split_assignment
from rankdeck.plan.preview import preview_plan
from rankdeck.plan.render import render_plan
from tui.backend_form import BackendForm, describe_backend, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rankdeck.project.hyperparameters import HyperParameterFile


@dataclass(frozen=True, slots=True)
class JobPreview:
    """The answer to one description."""

    problems: tuple[Problem, ...]
    """Empty: it can be started."""
    warnings: tuple[Problem, ...] = ()
    plan: str = ""
    """Exactly what would be executed; empty where something is wrong."""
    effective: Mapping[str, str] | None = None
    """What every field comes to, by name (`hyperparameters.lr`), as it would be typed."""
    hyperparameters: HyperParameterFile | None = None
    backend: BackendForm | None = None
    """The backend that the job names; None where there is no such."""
    changes: tuple[tuple[str, str, str], ...] = ()
    """Field, before, after: what differs from the job that is run again."""


def preview_job(
    target: str | None, draft: JobDraft, cwd: Path, environ: Mapping[str, str]
) -> JobPreview:
    """Work out what this description would do."""
    try:
        resolution = resolve(target, draft, cwd, environ)
    except InvalidJobError as error:
        merged = _merged(target, draft, cwd)
        project, entry = _where(merged, cwd)
        return JobPreview(
            error.problems,
            hyperparameters=find_hyperparameters(project, entry),
            backend=describe_backend(merged.backend or _default_backend()),
        )
    spec = resolution.spec
    file = find_hyperparameters(spec.project, spec.entry)
    backend = describe_backend(spec.backend)
    effective = effective_texts(spec)
    try:
        plan = render_plan(preview_plan(spec))
    except InvalidJobError as error:
        return JobPreview(error.problems, resolution.warnings, "", effective, file, backend)
    except UserError as error:
        problem = Problem(error.message, hint=error.hint)
        return JobPreview((problem,), resolution.warnings, "", effective, file, backend)
    changes = _changes(target, resolution, cwd, environ)
    return JobPreview((), resolution.warnings, plan, effective, file, backend, changes)


def effective_texts(spec: JobSpec) -> dict[str, str]:
    """Every field that has a value, as one would type it."""
    texts: dict[str, str] = {}
    for field in FIELDS:
        value = getattr(spec, field.name)
        if value is None:
            continue
        if isinstance(value, dict):
            typed = {name: text_of(item) for name, item in value.items()}
            texts[field.name] = shlex.join(f"{name}={text}" for name, text in typed.items())
            texts |= {f"{field.name}.{name}": text for name, text in typed.items()}
        elif field.kind is FieldKind.WORDS:
            texts[field.name] = shlex.join(value)
        elif field.kind is FieldKind.LIST:
            texts[field.name] = ",".join(value)
        elif field.kind is FieldKind.DURATION:
            texts[field.name] = duration_text(value)
        elif field.kind is FieldKind.SWITCH:
            texts[field.name] = "on" if value else "off"
        else:
            texts[field.name] = str(getattr(value, "value", value))
    return texts


def read_assignments(text: str) -> dict[str, str]:
    """`A=1 B='x y'` as a mapping. Raises ValueError with the rest of a sentence."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"cannot be split into words: {str(error).lower()}") from None
    return dict(split_assignment(word) for word in words)


def _default_backend() -> str:
    (default,) = (f.default for f in msgspec.structs.fields(JobSpec) if f.name == "backend")
    return str(default)


def _merged(target: str | None, draft: JobDraft, cwd: Path) -> JobDraft:
    """What a job that cannot be resolved says all the same."""
    base = JobDraft(project=str(cwd))
    if target is not None and os.path.isfile(target):
        base = JobDraft(project=os.path.dirname(target)).merged(read_job_yaml(Path(target)).draft)
    return base.merged(draft)


def _where(merged: JobDraft, cwd: Path) -> tuple[str, str]:
    project = os.path.normpath(os.path.join(cwd, os.path.expanduser(merged.project or "")))
    return project, os.path.normpath(os.path.join(project, merged.entry or "train.py"))


def _changes(
    target: str | None, now: Resolution, cwd: Path, environ: Mapping[str, str]
) -> tuple[tuple[str, str, str], ...]:
    if target is None:
        return ()
    try:
        before = resolve(target, JobDraft(), cwd, environ).spec
    except InvalidJobError:
        return ()
    return tuple((c.field, *change_texts(c)) for c in compare_jobs(before, now.spec))
