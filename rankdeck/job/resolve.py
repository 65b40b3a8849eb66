"""A target and what the options say, to one complete JobSpec. All problems are found at once.

Precedence: options, then a template, then job.yaml, then the workspace, then what the project's
folder suggests, then defaults.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from rankdeck.errors import InvalidJobError, Problem, UserError
from rankdeck.job import values
from rankdeck.job.draft import JobDraft, Source, located
from rankdeck.job.fields import FIELDS, PATH_KINDS
from rankdeck.job.spec import JobSpec, PassAs
from rankdeck.job.validate import NODE_FIELDS, errors_of, find_problems, runs_elsewhere
from rankdeck.library.names import in_templates
from rankdeck.project.hyperparameters import (
    FILE_NAME,
    HyperParameterFile,
    load_hyperparameters,
    resolve_values,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

JOB_FILE = "job.yaml"
_INVENTORY_FIELDS = (
    "backend", "nnodes", "hostfile", "host", "include", "exclude", "backend_options",
)  # fmt: skip
_ENTRIES = (("train.sh", "script"), ("train.py", "torchrun"))


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """A job that can be planned, and what its author should still know."""

    spec: JobSpec
    warnings: tuple[Problem, ...] = ()


def resolve_job(
    target: str | None,
    draft: JobDraft,
    cwd: Path,
    environ: Mapping[str, str],
    *,
    base: JobDraft | None = None,
) -> JobSpec:
    """The job to run; see `resolve`."""
    return resolve(target, draft, cwd, environ, base=base).spec


def resolve(
    target: str | None,
    draft: JobDraft,
    cwd: Path,
    environ: Mapping[str, str],
    *,
    base: JobDraft | None = None,
    template: Path | None = None,
) -> Resolution:
    """Complete and check a job.

    Args:
        target: A project directory, a job file or the file to run; None: the current directory.
            A project directory with a `job.yaml` is that job; otherwise its `train.sh`, else its
            `train.py` is run. A file that is run keeps `cwd` as its working directory, and so
            does a template that names no project.
        draft: What the options (or a form) say; wins over the target's own file.
        cwd: What relative paths in `draft` and `target` are relative to.
        environ: Where the interpreter is looked for.
        base: What jobs begin from: a workspace. Its nodes go where another backend is named.
        template: A job file under the options and over the target, which then only says where
            and what to run.

    Raises:
        InvalidJobError: With every problem found, each with file, line and key where known.
    """
    problems: list[Problem] = []
    flags = _absolute(draft, cwd)
    told = _read_told(target, template, flags, cwd, problems)
    if base is not None:
        told = _beneath(base, told.merged(flags)).merged(told)
    merged = _for_backend(told, flags).merged(flags)
    fields = _typed(merged, problems)
    _complete(fields, merged, cwd, environ, problems)
    file = find_hyperparameters(fields["project"], fields["entry"])
    sources = dict(merged.sources)
    if file is not None:
        problems += file.problems
        _apply_hyperparameters(fields, file, sources, problems)
    known = {problem.field for problem in problems if problem.field}
    if problems and not fields["entry"]:
        known.add("entry")
    spec = JobSpec(**fields)
    for name in (*spec.__struct_fields__, *_entry_names(spec)):
        sources.setdefault(name, merged.source(name))
    problems = [located(problem, sources) for problem in problems]
    problems += [found for found in find_problems(spec, sources) if found.field not in known]
    if errors := errors_of(tuple(problems)):
        raise InvalidJobError(errors)
    return Resolution(spec=spec, warnings=tuple(problems))


def resolve_inventory(
    target: str | None, draft: JobDraft, cwd: Path, *, base: JobDraft | None = None
) -> tuple[JobSpec, bool]:
    """As much of a job as says which nodes it would use, and whether it names its backend.

    Nothing needs to be there to be run: an inventory can be looked at before there is a job.

    Raises:
        InvalidJobError: The job file or a node option is wrong.
    """
    problems: list[Problem] = []
    flags = _absolute(draft, cwd)
    told = _read_target(target, flags, cwd, problems)
    if base is not None:
        told = _beneath(base, told.merged(flags)).merged(told)
    merged = told.merged(flags)
    fields = _typed(merged, problems)
    if errors := errors_of(tuple(located(problem, merged.sources) for problem in problems)):
        raise InvalidJobError(errors)
    kept = {name: fields[name] for name in _INVENTORY_FIELDS if name in fields}
    spec = JobSpec(name="nodes", entry="", project=fields.get("project", str(cwd)), **kept)
    return spec, "backend" in fields


def find_hyperparameters(project: str, entry: str) -> HyperParameterFile | None:
    """The declarations that apply: beside the project's files, else beside the entry."""
    for folder in dict.fromkeys((project, os.path.dirname(entry))):
        path = os.path.join(folder, FILE_NAME)
        if folder and os.path.exists(path):
            return load_hyperparameters(Path(path))
    return None


def _absolute(draft: JobDraft, cwd: Path) -> JobDraft:
    changes: dict[str, str] = {}
    for field in FIELDS:
        value = getattr(draft, field.name)
        if field.kind in PATH_KINDS and isinstance(value, str) and value:
            changes[field.name] = os.path.normpath(os.path.join(cwd, os.path.expanduser(value)))
    return msgspec.structs.replace(draft, **changes) if changes else draft


def _for_backend(base: JobDraft, flags: JobDraft) -> JobDraft:
    """The base without its nodes where the options name another backend that has none.

    What a flag cannot take back would otherwise keep the job of a cluster from running here.
    """
    if flags.backend in (None, base.backend) or runs_elsewhere(flags.backend or ""):
        return base
    return msgspec.structs.replace(base, **dict.fromkeys(NODE_FIELDS))


def _beneath(base: JobDraft, job: JobDraft) -> JobDraft:
    """As much of a workspace as means something to a job that may name another backend."""
    if job.backend in (None, base.backend) or (
        base.backend is None and runs_elsewhere(job.backend)
    ):
        return base
    nothing = ("backend", "backend_options", "master_addr", "master_port", *NODE_FIELDS)
    return msgspec.structs.replace(base, **dict.fromkeys(nothing))


def _read_told(
    target: str | None,
    template: Path | None,
    flags: JobDraft,
    cwd: Path,
    problems: list[Problem],
) -> JobDraft:
    """What target and template say."""
    if template is None:
        return _read_target(target, flags, cwd, problems)
    job = _file_draft(str(template), cwd, problems)
    if target is None:
        return job
    place = _read_target(target, flags, cwd, problems)
    taken = {"project": None, "name": None}
    if place.entry is not None:
        taken |= {"entry": None, "launcher": None, "launcher_args": None}
    return place.merged(msgspec.structs.replace(job, **taken))


def _read_target(
    target: str | None, flags: JobDraft, cwd: Path, problems: list[Problem]
) -> JobDraft:
    if target is None:
        return _project_draft(flags.project or str(cwd), cwd, problems)
    path = os.path.normpath(os.path.join(cwd, os.path.expanduser(target)))
    if os.path.isdir(path):
        return _project_draft(path, cwd, problems)
    if not os.path.exists(path):
        if "/" not in target and flags.launcher == "direct":
            # a program, looked for on $PATH
            return JobDraft(project=str(cwd), entry=target, name=values.slug(target))
        problems.append(Problem(f"there is no such file or directory: {target}"))
        return JobDraft(project=str(cwd))
    if path.endswith((".yaml", ".yml")):
        return _file_draft(path, cwd, problems)
    return JobDraft(
        project=str(cwd), entry=path, name=values.slug(os.path.splitext(os.path.basename(path))[0])
    )


def _project_draft(folder: str, cwd: Path, problems: list[Problem]) -> JobDraft:
    path = os.path.join(folder, JOB_FILE)
    return _file_draft(path, cwd, problems) if os.path.isfile(path) else JobDraft(project=folder)


def _file_draft(path: str, cwd: Path, problems: list[Problem]) -> JobDraft:
    from rankdeck.job.load import read_job_yaml

    folder = str(cwd) if in_templates(path) else os.path.dirname(path)
    read = read_job_yaml(Path(path), folder)
    problems += read.problems
    return JobDraft(project=folder).merged(read.draft)


def _typed(draft: JobDraft, problems: list[Problem]) -> dict[str, Any]:
    """The given fields in their types; a wrong one is a problem and left out."""
    typed: dict[str, Any] = {}
    for field in FIELDS:
        value = getattr(draft, field.name)
        if value is None:
            continue
        try:
            typed[field.name] = field.read(value)
        except ValueError as error:
            problems.append(
                Problem(
                    str(error),
                    key=draft.source(field.name).key,
                    file=draft.source(field.name).file,
                    line=draft.source(field.name).line,
                    field=field.name,
                )
            )
    if "pass_as" in typed:
        typed["pass_as"] = PassAs(typed["pass_as"])
    if "backend_options" in typed:
        typed["backend_options"] = _option_values(typed, problems)
    return typed


def _option_values(typed: dict[str, Any], problems: list[Problem]) -> dict[str, Any]:
    from rankdeck.backend import backend_options

    options: dict[str, Any] = dict(typed["backend_options"])
    try:
        known = backend_options(typed.get("backend", "local"))
        kinds = {option.name: option.type for option in known}
    except UserError:
        return options
    readers: dict[str, Callable[[str], object]] = {
        "int": int,
        "float": float,
        "bool": values.read_switch,
        "str": str,
    }
    for name, text in options.items():
        kind = kinds.get(name, "str")
        try:
            options[name] = readers[kind](text)
        except ValueError:
            problems.append(
                Problem(
                    f"must be of type {kind} (got {text!r})",
                    key=name,
                    field=f"backend_options.{name}",
                )
            )
    return options


def _complete(
    fields: dict[str, Any],
    draft: JobDraft,
    cwd: Path,
    environ: Mapping[str, str],
    problems: list[Problem],
) -> None:
    """Fill in what has no fixed default: entry, launcher, name and interpreter."""
    project: str = fields.setdefault("project", str(cwd))
    known = {problem.field for problem in problems}
    entry = fields.get("entry")
    if entry is not None:
        fields["entry"] = _entry_path(project, entry, fields.get("launcher"))
    else:
        fields["entry"] = _suggested_entry(project, fields.get("launcher"))
        if not fields["entry"] and not problems and "entry" not in known:
            problems.append(_nothing_to_run(project, fields.get("launcher")))
    if "launcher" not in fields:
        fields["launcher"] = launcher_for(fields["entry"])
    if "name" not in fields:
        fields["name"] = values.slug(os.path.basename(project))
    from rankdeck.project.interpreter import find_interpreter

    try:
        fields["python"] = find_interpreter(
            fields.get("python"),
            environ,
            cwd,
            elsewhere=runs_elsewhere(fields.get("backend", "local")),
        )
    except UserError as error:
        problems.append(
            Problem(error.message, key=draft.source("python").key, field="python", hint=error.hint)
        )


def launcher_for(entry: str) -> str:
    """Which launcher runs a file of that name when the job does not say."""
    if entry.endswith(".py"):
        return "torchrun"
    return "script" if entry.endswith((".sh", ".bash")) else "direct"


def _entry_path(project: str, entry: str, launcher: str | None) -> str:
    path = os.path.normpath(os.path.join(project, os.path.expanduser(entry)))
    if "/" not in entry and not os.path.exists(path) and launcher == "direct":
        return entry
    return path


def _suggested_entry(project: str, launcher: str | None) -> str:
    for name in _entry_files(launcher):
        path = os.path.join(project, name)
        if os.path.exists(path):
            return path
    return ""


def _entry_files(launcher: str | None) -> list[str]:
    """What a project's folder may suggest to run; a launcher of another name runs Python files."""
    if launcher == "direct":
        return []
    kind = launcher if launcher in (None, "script") else "torchrun"
    return [name for name, wanted in _ENTRIES if kind in (None, wanted)]


def _nothing_to_run(project: str, launcher: str | None) -> Problem:
    if not os.path.isdir(project):
        what = "is not a directory" if os.path.exists(project) else "does not exist"
        return Problem(f"{project} {what}", key="project", field="project")
    if launcher == "direct":
        return Problem("is missing: say which program to run", key="entry", field="entry")
    wanted = _entry_files(launcher)
    looked = ", ".join(([] if launcher else [JOB_FILE]) + wanted)
    return Problem(
        f"nothing to run in {project}: it holds no {looked or 'entry'}",
        field="entry",
        hint="name a file, or make a project with: rankdeck init DIR",
    )


def _apply_hyperparameters(
    fields: dict[str, Any],
    file: HyperParameterFile,
    sources: dict[str, Source],
    problems: list[Problem],
) -> None:
    if errors_of(file.problems):
        return
    given = fields.get("hyperparameters", {})
    fields["hyperparameters"], wrong = resolve_values(file, given)
    problems += wrong
    for entry in file.entries:
        if entry.name not in given:
            source = Source(file=file.path, line=entry.line, key=entry.name)
            sources[f"hyperparameters.{entry.name}"] = source


def _entry_names(spec: JobSpec) -> list[str]:
    mappings = ("hyperparameters", "env", "backend_options")
    return [f"{field}.{key}" for field in mappings for key in getattr(spec, field)]
