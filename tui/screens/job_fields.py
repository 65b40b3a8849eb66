"""The fields of the job form: those every job has, a project's and a backend's own.

Owns what each field is about and how its text is checked; where they stand is the screen's matter.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rankdeck.job.fields import FieldKind, check_field, field_named
from rankdeck.job.validate import NODE_FIELDS
from rankdeck.launchers.base import offers_options
from rankdeck.probe.preflight import Level
from tui.backend_form import PREFIX, about, check_option, choices_of, default_of
from tui.form.paths import here
from tui.form.plan_rows import all_findings
from tui.form.suggest import PathSuggester
from tui.form.texts import MAPPINGS, read_assignments, shown_value, write_assignments
from tui.form.words import in_labels
from tui.widgets.form_field import FormField

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rankdeck.backend import BackendOption
    from rankdeck.errors import Problem
    from rankdeck.job.fields import Field
    from rankdeck.probe.preflight import Finding
    from rankdeck.project.hyperparameters import HyperParameter, HyperParameterFile
    from tui.backend_form import BackendForm
    from tui.preview import JobPreview
    from tui.widgets.form_field import Remark
    from tui.work import WorkPool

_DECLARED = "hyperparameters."
_PATHS = frozenset({FieldKind.FILE, FieldKind.DIRECTORY})
_COMMAND_FIELDS = ("name", "project", "entry", "args")
NODE_PICKED = ("include", "exclude", "host")
"""Fields whose text a list of nodes can be chosen for."""
_MARKS = {Level.OK: "✔", Level.WARNING: "!", Level.ERROR: "✖"}


class JobFields:
    """Every field of the form, by key."""

    def __init__(self, pool: WorkPool) -> None:
        """Have none yet; paths are completed by threads of `pool`."""
        self._pool = pool
        self._fields: dict[str, FormField] = {}
        self._declared: dict[str, HyperParameter] = {}
        self._declarations: HyperParameterFile | None = None
        self._backend: BackendForm | None = None
        self._options: dict[str, BackendOption] = {}
        self._kept: dict[str, dict[str, str]] = {}
        """By backend: what was typed before another one was chosen."""
        self._waiting: dict[str, str] = {}
        """What is to be typed into fields that are not known yet."""
        self._effective: dict[str, str] = {}
        """What every field came to when nothing was wrong."""

    @property
    def all(self) -> tuple[FormField, ...]:
        """All of them."""
        return tuple(self._fields.values())

    def get(self, key: str) -> FormField | None:
        """The field of that key, or that of the mapping it belongs to."""
        return self._fields.get(key) or self._fields.get(key.partition(".")[0])

    def add(self, field: Field) -> FormField:
        """The field for something that every job has."""
        suggester = None
        if self.is_path(field.name):
            suggester = PathSuggester(
                self._pool,
                lambda: self.base_of(field.name),
                folders_only=field.kind is FieldKind.DIRECTORY,
            )
        widget = FormField(
            field.name,
            field.label,
            _help(field),
            _choices(field),
            suggester=suggester,
            takes_commands=field.name in _COMMAND_FIELDS,
        )
        self._fields[field.name] = widget
        return widget

    def is_path(self, key: str) -> bool:
        """Whether it holds a path of this machine."""
        if "." in key:
            return False
        return field_named(key).kind in _PATHS or key in ("entry", "python")

    def base_of(self, key: str) -> str:
        """What a relative path in the field is relative to."""
        if key != "entry":
            return str(here())
        project = self._fields["project"]
        return os.path.join(here(), os.path.expanduser(project.text or project.default))

    def texts(self) -> dict[str, str]:
        """What was typed, by key, into the fields that the backend has a use for."""
        unused = () if self.takes_nodes else NODE_FIELDS
        typed = {key: field.text for key, field in self._fields.items() if key not in unused}
        return {**typed, **self._waiting}

    def fill(self, texts: Mapping[str, str], *, over: bool = False) -> None:
        """Type these texts, and clear every other field unless they are to come on top (`over`).

        Those of fields that are not there yet wait until a project or backend brings them.
        """
        if not over:
            self._waiting.clear()
            self._kept.clear()
            for key, field in self._fields.items():
                if key not in texts and field.text:
                    field.text = ""
        for key, text in texts.items():
            if key in self._fields:
                self._fields[key].text = text
            else:
                self._waiting[key] = text

    def check(self, field: FormField) -> str:
        """What is wrong with one field by itself."""
        text = field.text
        name, _, key = field.key.partition(".")
        if not text:
            return ""
        try:
            if field.key in self._options:
                return check_option(self._options[field.key], text)
            if key:
                from rankdeck.project.hyperparameters import check_value

                check_value(self._declared[key], text)
            elif name in MAPPINGS:
                read_assignments(text)
            elif problem := check_field(name, text):
                return problem.message
        except ValueError as error:
            return str(error)
        return ""

    def show(self, preview: JobPreview, findings: Sequence[Finding]) -> None:
        """Show what holds where nothing is typed, and beside each field what is known of it."""
        effective = dict(preview.effective or {})
        wrong = self._by_field(preview.problems)
        if preview.spec is not None:
            self._effective = effective
        elif effective.get("project") == self._effective.get("project"):
            # what cannot be told while something is wrong is most likely what it was
            likely = {key: text for key, text in self._effective.items() if key not in wrong}
            effective = {**likely, **effective}
        before = preview.before or {}
        remarks = self._remarks(preview, findings)
        for key, field in self._fields.items():
            if (default := effective.get(key) or self._own_default(key)) or effective:
                field.show_default(shown_value(key, default))
            message, hint = wrong.get(key, ("", ""))
            own = self.check(field)
            field.show_problem(own or message, "" if own and own != message else hint)
            was = shown_value(key, before[key]) if key in before else None
            field.show_facts(was, tuple(remarks.get(key, ())))
        self._hide_unused()

    def declare(self, file: HyperParameterFile | None) -> list[FormField] | None:
        """Fields for what the project declares; None: they are the same as before.

        What was typed into those that stay, stays.
        """
        rows = None
        if file != self._declarations:
            self._declarations = file
            self._declared = {entry.name: entry for entry in file.entries} if file else {}
            rows = self._exchange(_DECLARED, [_declared_field(e) for e in self._declared.values()])
        self._settle("hyperparameters")
        self._settle("env")
        field = self._fields["hyperparameters"]
        field.display = not self._declared or bool(field.text)
        return rows

    def choose_backend(self, backend: BackendForm | None) -> list[FormField] | None:
        """Fields for the backend's own options; None: they are the same as before.

        What was typed for another backend is kept until that one is chosen again.
        """
        if backend is None:
            # half a name is no choice
            return None
        rows = None
        if backend != self._backend:
            typed = {k: f.text for k, f in self._fields.items() if k.startswith(PREFIX)}
            if self._backend is not None:
                self._kept[self._backend.name] = typed
            for key in typed:
                del self._fields[key]
            self._backend = backend
            self._options = {PREFIX + option.name: option for option in backend.options}
            kept = self._kept.get(backend.name, {})
            self._waiting = {**kept, **self._waiting}
            rows = self._exchange(PREFIX, [_option_field(option) for option in backend.options])
        self._settle("backend_options")
        return rows

    @property
    def takes_nodes(self) -> bool:
        """Whether the backend starts jobs on other nodes than this one."""
        return self._backend is None or self._backend.multi_node

    def _exchange(self, prefix: str, rows: list[FormField]) -> list[FormField]:
        """Put these fields in place of the others; one that says the same stays as it is."""
        old = {key: self._fields.pop(key) for key in tuple(self._fields) if key.startswith(prefix)}
        placed: list[FormField] = []
        for row in rows:
            before = old.get(row.key)
            if before is not None and before.alike(row):
                placed.append(before)
            else:
                if text := (before.text if before is not None else ""):
                    row.text = text
                placed.append(row)
            field = placed[-1]
            self._fields[field.key] = field
            if text := self._waiting.pop(field.key, ""):
                field.text = text
        return placed

    def _settle(self, name: str) -> None:
        """What waits for fields that do not come is typed into the mapping's own field."""
        left: dict[str, str] = {}
        for key in [key for key in self._waiting if key.startswith(f"{name}.")]:
            text = self._waiting.pop(key)
            if key in self._fields:
                self._fields[key].text = text
            elif text:
                left[key.partition(".")[2]] = text
        if not left:
            return
        field = self._fields[name]
        try:
            field.text = write_assignments({**read_assignments(field.text), **left})
        except ValueError:
            field.text = write_assignments(left)

    def _hide_unused(self) -> None:
        """Hide what backend and launcher have no use for; what something is wrong with stays."""
        for name in NODE_FIELDS:
            field = self._fields[name]
            field.display = self.takes_nodes or bool(field.problem)
        launcher, options = self._fields["launcher"], self._fields["launcher_args"]
        wanted = offers_options(launcher.text or launcher.default or "torchrun")
        options.display = wanted or bool(options.text) or bool(options.problem)
        raw = self._fields["backend_options"]
        raw.display = self._backend is None or bool(raw.text) or bool(raw.problem)

    def _own_default(self, key: str) -> str:
        if (option := self._options.get(key)) is not None:
            return default_of(option)
        entry = self._declared.get(key.removeprefix(_DECLARED)) if "." in key else None
        return (entry.default or "") if entry is not None else ""

    def _by_field(self, problems: tuple[Problem, ...]) -> dict[str, tuple[str, str]]:
        """The first problem of each field, and what to do; a mapping's entry counts for it."""
        found: dict[str, tuple[str, str]] = {}
        for problem in problems:
            exact = problem.field in self._fields
            key = problem.field if exact else problem.field.partition(".")[0]
            if key in self._fields:
                told = in_labels(problem.message)
                told = told if exact else f"{problem.key}: {told}"
                found.setdefault(key, (told, in_labels(problem.hint)))
        return found

    def _remarks(self, preview: JobPreview, findings: Sequence[Finding]) -> dict[str, list[Remark]]:
        """What was found, by field: the nodes and ranks it comes to, warnings, findings."""
        found: dict[str, list[Remark]] = {}
        if preview.ranks:
            for key in dict.fromkeys((preview.place, "nproc_per_node")):
                found.setdefault(key, []).append(("✔", preview.ranks))
        for problem in preview.warnings:
            key = problem.field if problem.field in self._fields else ""
            found.setdefault(key, []).append(("!", problem.message))
        for finding in all_findings(preview, findings):
            found.setdefault(finding.field, []).append((_MARKS[finding.level], finding.text))
        return found


def _help(field: Field) -> str:
    """What the field is for, and how it is written where that is not plain."""
    if field.kind is FieldKind.MAPPING:
        return f"{field.help} As NAME=VALUE, several with blanks between: a=1 b='two words'."
    if field.kind is FieldKind.WORDS:
        return f"{field.help} As in a shell: --lr 3e-4 'two words'."
    return field.help


def _choices(field: Field) -> tuple[str, ...]:
    if field.choices:
        return field.choices
    if field.kind is FieldKind.SWITCH:
        return ("on", "off")
    if field.kind is FieldKind.NPROC:
        return ("1", "2", "4", "8", "auto", "gpu", "cpu")
    if field.name == "launcher":
        from rankdeck.launchers.base import launcher_names

        return launcher_names()
    if field.name == "backend":
        from rankdeck.backend import backend_names

        return backend_names()
    return ()


def _declared_field(entry: HyperParameter) -> FormField:
    choices = ("true", "false") if entry.type.value == "bool" else entry.choices
    told = f"{entry.type.value}{', required' if entry.required and entry.default is None else ''}"
    text = f"{told} · {entry.description}" if entry.description else told
    return FormField(_DECLARED + entry.name, entry.name, text, choices)


def _option_field(option: BackendOption) -> FormField:
    label = option.label or option.name
    if option.repeatable:
        # a text area is loaded only for a backend that needs one
        from tui.widgets.lines_field import LinesField

        return LinesField(PREFIX + option.name, label, about(option))
    return FormField(PREFIX + option.name, label, about(option), choices_of(option))
