"""Everything that can be known to be wrong with a JobSpec before it is planned.

Looks at the project's own files and directories, starts nothing, changes nothing. Problems with
severity WARNING do not keep a job from running.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from rankdeck.backend import Capability, backend_names, backend_options, load_backend
from rankdeck.errors import Problem, Severity, UserError
from rankdeck.job import values
from rankdeck.job.draft import Source, located
from rankdeck.job.fields import FIELDS
from rankdeck.job.spec import JobSpec, PassAs
from rankdeck.launchers.base import load_launcher
from rankdeck.project.reserved import contract_reason, reserved_reason
from rankdeck.project.secrets import is_secret

if TYPE_CHECKING:
    from rankdeck.backend import Backend

_HERE = "local"
NODE_FIELDS = ("nnodes", "hostfile", "host", "include", "exclude")
"""What means something only to a backend that reaches other machines."""


def validate(spec: JobSpec) -> tuple[Problem, ...]:
    """Every problem of the job, errors and warnings, each naming its field.

    The job may come from anywhere, so the types of its fields are checked too.
    """
    return _types(spec) or find_problems(spec, {})


def find_problems(spec: JobSpec, sources: dict[str, Source]) -> tuple[Problem, ...]:
    """As `validate`, for a job whose fields have their types.

    Args:
        spec: The job.
        sources: Where its fields were written, to name file and line.
    """
    elsewhere = runs_elsewhere(spec.backend)
    problems = (
        *_fields(spec),
        *_names(spec),
        *_carried_values(spec),
        *_launcher(spec, elsewhere=elsewhere),
        *_backend(spec),
        *_project(spec, elsewhere=elsewhere),
        # where the agents run, they make it and say what is wrong with it
        *(() if elsewhere else _output(spec)),
    )
    return tuple(located(problem, sources) for problem in problems)


def runs_elsewhere(backend: str) -> bool:
    """Whether a backend reaches other machines: what is not here may be there."""
    if backend == _HERE:
        return False
    try:
        return Capability.MULTI_NODE in load_backend(backend).capabilities
    except UserError:
        return False


def errors_of(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """Those that keep the job from running."""
    return tuple(problem for problem in problems if problem.severity is Severity.ERROR)


def _problem(field: str, message: str, hint: str = "") -> Problem:
    return Problem(message, key=field, field=field, hint=hint)


def _types(spec: JobSpec) -> tuple[Problem, ...]:
    try:
        msgspec.convert(msgspec.structs.asdict(spec), JobSpec)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `$")
        field = where.strip(".`").partition("[")[0].partition(".")[0]
        return (Problem(message, key=field, field=field),)
    return ()


def _fields(spec: JobSpec) -> list[Problem]:
    problems = []
    for field in FIELDS:
        value = getattr(spec, field.name)
        if value is None or value in ((), {}):
            continue
        try:
            field.read(value.value if isinstance(value, PassAs) else value)
        except ValueError as error:
            problems.append(_problem(field.name, str(error)))
    return problems


def _names(spec: JobSpec) -> list[Problem]:
    problems = []
    for name in spec.hyperparameters:
        if reason := reserved_reason(name):
            problems.append(_problem(f"hyperparameters.{name}", reason))
        elif name in spec.env:
            message = "is set both as a hyperparameter and as an environment variable"
            problems.append(_problem(f"env.{name}", message))
    for name in spec.env:
        if reason := contract_reason(name):
            problems.append(_problem(f"env.{name}", reason))
    return problems


def _carried_values(spec: JobSpec) -> list[Problem]:
    problems = []
    for field, mapping in (("hyperparameters", spec.hyperparameters), ("env", spec.env)):
        for name, value in mapping.items():
            try:
                values.check_carryable(value)
            except ValueError as error:
                problems.append(_problem(f"{field}.{name}", str(error)))
    if spec.pass_as is not PassAs.ENV:
        for name, value in spec.hyperparameters.items():
            if is_secret(name, value):
                problems.append(
                    Problem(
                        "looks like a secret and would be visible to everyone on the node"
                        " in the process list",
                        key=name,
                        field=f"hyperparameters.{name}",
                        hint="pass it with --env, or use pass_as: env",
                        severity=Severity.WARNING,
                    )
                )
    return problems


def _launcher(spec: JobSpec, *, elsewhere: bool) -> list[Problem]:
    try:
        launcher = load_launcher(spec.launcher)
    except UserError as error:
        return [_problem("launcher", error.message, error.hint)]
    if not spec.entry or (elsewhere and "/" not in spec.entry):
        return []
    return list(launcher.check(spec))


def _backend(spec: JobSpec) -> list[Problem]:
    try:
        backend = load_backend(spec.backend)
    except UserError as error:
        return [_problem("backend", error.message, error.hint)]
    problems = _backend_options(spec, backend)
    if Capability.MULTI_NODE in backend.capabilities:
        return problems
    alone = f"the {backend.name} backend runs on this machine only"
    for field in NODE_FIELDS[1:]:
        if getattr(spec, field):
            problems.append(
                _problem(
                    field,
                    f"cannot be used: {alone}",
                    "leave it out, or choose a backend that reaches other nodes",
                )
            )
    if spec.nnodes is not None and spec.nnodes > 1:
        problems.append(_problem("nnodes", f"must be 1 (got {spec.nnodes}): {alone}"))
    return problems


def _backend_options(spec: JobSpec, backend: Backend) -> list[Problem]:
    problems = []
    options = {option.name: option for option in backend.options}
    kinds = {"str": (str,), "int": (int,), "float": (float, int), "bool": (bool,)}
    for name, value in spec.backend_options.items():
        field = f"backend_options.{name}"
        option = options.get(name)
        if option is None:
            message = f"is not an option of the {backend.name} backend"
            problems.append(_problem(field, message, _option_hint(name, tuple(options))))
        elif not isinstance(value, kinds[option.type]) or (
            isinstance(value, bool) and option.type != "bool"
        ):
            problems.append(_problem(field, f"must be of type {option.type} (got {value!r})"))
        elif option.choices and value not in option.choices:
            message = f"must be one of {', '.join(option.choices)} (got {value!r})"
            problems.append(_problem(field, message))
    return problems


def _option_hint(name: str, known: tuple[str, ...]) -> str:
    owners = []
    for backend in backend_names():
        with suppress(UserError):
            owners += [backend for option in backend_options(backend) if option.name == name]
    if owners:
        return f"it is one of {' and '.join(owners)}: choose it with --backend {owners[0]}"
    return f"its options: {', '.join(known) or 'none'}"


def _project(spec: JobSpec, *, elsewhere: bool) -> list[Problem]:
    problems = []
    if not os.path.isdir(spec.project):
        what = "is not a directory" if os.path.exists(spec.project) else "does not exist"
        problems.append(_problem("project", f"{spec.project} {what}"))
    for field in ("dataset_dir", "model_dir"):
        path = getattr(spec, field)
        if path is not None and not os.path.exists(path):
            problems.append(_missing(field, path, elsewhere=elsewhere))
    return problems


def _missing(field: str, path: str, *, elsewhere: bool) -> Problem:
    if not elsewhere:
        return _problem(field, f"{path} does not exist")
    return Problem(
        f"{path} does not exist here; it must exist on the nodes",
        key=field,
        field=field,
        severity=Severity.WARNING,
    )


def _output(spec: JobSpec) -> list[Problem]:
    path = spec.output_dir or os.path.join(spec.project, "output")
    ancestor = path
    while not os.path.lexists(ancestor) and os.path.dirname(ancestor) != ancestor:
        ancestor = os.path.dirname(ancestor)
    hint = "choose another one with --output-dir"
    if not os.path.isdir(ancestor):
        message = f"{path} cannot be made: {ancestor} is not a directory"
        return [_problem("output_dir", message, hint)]
    if not os.access(ancestor, os.W_OK | os.X_OK):
        verb = "written" if ancestor == path else "made"
        message = f"{path} cannot be {verb}: no permission to write in {ancestor}"
        return [_problem("output_dir", message, hint)]
    return []
