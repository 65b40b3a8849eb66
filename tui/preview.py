"""What a job described so far would do: everything wrong with it, else its plan.

Runs in the background; starts nothing and writes nothing.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rankdeck.backend import load_backend
from rankdeck.errors import InvalidJobError, Problem, UserError
from rankdeck.job.draft import JobDraft
from rankdeck.job.load import read_job_yaml
from rankdeck.job.resolve import find_hyperparameters, resolve, resolve_inventory
from rankdeck.job.spec import JobSpec
from rankdeck.library.workspaces import base_of, workspace_store
from rankdeck.nodes.notes import NodeNotes
from rankdeck.plan.preview import batch_script, preview_plan
from rankdeck.probe.preflight import node_field, quick_findings, ranks_text
from rankdeck.run.layout import rankdeck_home
from tui.backend_form import BackendForm, describe_backend
from tui.form.last_run import LastRun, differences, with_types
from tui.form.plan_rows import plan_rows
from tui.form.texts import job_texts, shown_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rankdeck.job.resolve import Resolution
    from rankdeck.plan.records import LaunchPlan
    from rankdeck.probe.preflight import Finding
    from rankdeck.project.hyperparameters import HyperParameterFile
    from tui.form.last_run import LastRuns
    from tui.form.plan_rows import PlanRow


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPreview:
    """The answer to one description."""

    problems: tuple[Problem, ...] = ()
    """Empty: it can be started."""
    warnings: tuple[Problem, ...] = ()
    spec: JobSpec | None = None
    """The complete job; None where something is wrong with it."""
    plan: LaunchPlan | None = None
    """Exactly what would be executed; None where something is wrong."""
    rows: tuple[PlanRow, ...] = ()
    """The plan as it is shown."""
    batch: str = ""
    """The script that a scheduler would be given; empty: none would."""
    ranks: str = ""
    """`2 nodes × 8 = 16 ranks`; empty: the nodes are not known."""
    place: str = ""
    """The field that says which nodes there are."""
    findings: tuple[Finding, ...] = ()
    """What this machine alone can say of the plan."""
    effective: Mapping[str, str] | None = None
    """What every field comes to, by name (`hyperparameters.lr`), as it would be typed."""
    hyperparameters: HyperParameterFile | None = None
    backend: BackendForm | None = None
    """The backend that the job names; None where there is no such."""
    workspace: str = ""
    """What the job begins from; empty: from nothing."""
    last: LastRun | None = None
    """The run whose values these are compared with."""
    before: Mapping[str, str] | None = None
    """By field, what it was in that run, where that was something else."""

    @property
    def changes(self) -> tuple[tuple[str, str, str], ...]:
        """Field, before, after: what differs from the last run, as it may be shown."""
        now = self.effective or {}
        return tuple(
            (
                key,
                shown_value(key, old) or "not set",
                shown_value(key, now.get(key, "")) or "not set",
            )
            for key, old in (self.before or {}).items()
            if not _said_by_entries(key, (*now, *(self.before or {})))
        )


def preview_job(
    target: str | None,
    draft: JobDraft,
    cwd: Path,
    environ: Mapping[str, str],
    runs: LastRuns | None = None,
    *,
    in_full: bool = False,
) -> JobPreview:
    """Work out what this description would do; `in_full` shows all of every node."""
    try:
        base = base_of(target, environ)
    except UserError as error:
        return JobPreview(problems=_problems(error, ""))
    try:
        resolution = resolve(target, draft, cwd, environ, base=base)
        preview = _ready(target, resolution, runs, in_full=in_full)
    except InvalidJobError as error:
        preview = _unready(target, draft, cwd, base, error.problems, runs)
    if base is None:
        return preview
    return replace(preview, workspace=workspace_store(environ).current)


def _ready(
    target: str | None, resolution: Resolution, runs: LastRuns | None, *, in_full: bool
) -> JobPreview:
    spec = resolution.spec
    effective = job_texts(spec)
    last = runs.of(target, spec.project) if runs else None
    known = JobPreview(
        warnings=resolution.warnings,
        spec=spec,
        effective=effective,
        hyperparameters=find_hyperparameters(spec.project, spec.entry),
        backend=describe_backend(spec.backend),
        place=node_field(spec),
        last=last,
        before=differences(effective, last.texts) if last else None,
    )
    try:
        plan = preview_plan(spec)
    except UserError as error:
        return replace(known, problems=_problems(error, node_field(spec)))
    try:
        batch = batch_script(plan, rankdeck_home()) or ""
    except UserError as error:
        return replace(known, problems=_problems(error, "backend"))
    return replace(
        known,
        plan=plan,
        rows=plan_rows(plan, in_full=in_full),
        batch=batch,
        ranks=ranks_text(plan),
        findings=quick_findings(spec, plan, _avoided(runs)),
    )


def _unready(
    target: str | None,
    draft: JobDraft,
    cwd: Path,
    base: JobDraft | None,
    problems: tuple[Problem, ...],
    runs: LastRuns | None,
) -> JobPreview:
    """What can be said of a job that has mistakes: its defaults, its nodes, the last run."""
    # as a checked job would tell them: what is only written in another way is no difference
    merged = with_types(_merged(target, draft, cwd, base))
    project, entry = _where(merged, cwd)
    effective = {**_defaults(), **job_texts(merged), "project": project}
    last = runs.of(target, project) if runs else None
    about = {problem.field for problem in problems}
    # what is wrong with the nodes is told at once, not only when all else is right
    wrong_nodes = [p for p in _node_problems(target, draft, cwd, base) if p.field not in about]
    return JobPreview(
        problems=(*problems, *wrong_nodes),
        effective=effective,
        hyperparameters=find_hyperparameters(project, entry),
        backend=describe_backend(merged.backend or _default_backend()),
        last=last,
        before=_before(merged, last),
    )


def _node_problems(
    target: str | None, draft: JobDraft, cwd: Path, base: JobDraft | None
) -> tuple[Problem, ...]:
    try:
        spec, _ = resolve_inventory(target, draft, cwd, base=base)
        load_backend(spec.backend).nodes(spec)
    except InvalidJobError as error:
        return error.problems
    except UserError as error:
        return _problems(error, "hostfile")
    return ()


def _problems(error: UserError, field: str) -> tuple[Problem, ...]:
    if isinstance(error, InvalidJobError):
        return error.problems
    return (Problem(error.message, hint=error.hint, field=field),)


def _before(merged: JobDraft, last: LastRun | None) -> dict[str, str] | None:
    """Only what was said can be compared while the rest is not known."""
    if last is None:
        return None
    said = job_texts(merged)
    return {key: old for key, old in differences(said, last.texts).items() if key in said}


def _avoided(runs: LastRuns | None) -> dict[str, str]:
    """Nodes that a note of the user says to avoid, and what it says."""
    if runs is None:
        return {}
    now = time.time()
    try:
        notes = NodeNotes(runs.home).read()
    except UserError:
        # the list of nodes tells it; it is no reason to show no plan
        return {}
    return {name: note.text for name, note in notes.items() if note.avoids(now)}


def _said_by_entries(key: str, keys: tuple[str, ...]) -> bool:
    """Whether it is a whole mapping whose entries are told one by one."""
    return "." not in key and any(other.startswith(f"{key}.") for other in keys)


def _default_backend() -> str:
    return _defaults()["backend"]


def _defaults() -> dict[str, str]:
    """What every field is where nobody says anything."""
    plain = JobSpec(name="", entry="", project="")
    return {key: text for key, text in job_texts(plain).items() if text}


def _merged(target: str | None, draft: JobDraft, cwd: Path, base: JobDraft | None) -> JobDraft:
    """What a job that cannot be resolved says all the same."""
    told = (base or JobDraft()).merged(JobDraft(project=str(cwd)))
    if target is not None and os.path.isfile(target):
        told = told.merged(JobDraft(project=os.path.dirname(target)))
        told = told.merged(read_job_yaml(Path(target)).draft)
    return told.merged(draft)


def _where(merged: JobDraft, cwd: Path) -> tuple[str, str]:
    project = os.path.normpath(os.path.join(cwd, os.path.expanduser(merged.project or "")))
    return project, os.path.normpath(os.path.join(project, merged.entry or "train.py"))
