"""The fields of the job form: those every job has, a project's and a backend's own.

Owns what each field is about and how its text is checked; where they stand is the screen's matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.job.fields import FieldKind, check_field
from rankdeck.job.validate import NODE_FIELDS
from tui.backend_form import PREFIX, about, check_option, choices_of, default_of
from tui.preview import read_assignments
from tui.widgets.form_field import FormField

if TYPE_CHECKING:
    from rankdeck.backend import BackendOption
    from rankdeck.errors import Problem
    from rankdeck.job.fields import Field
    from rankdeck.project.hyperparameters import HyperParameter, HyperParameterFile
    from tui.backend_form import BackendForm

_DECLARED = "hyperparameters."
_MAPPINGS = ("hyperparameters", "env", "backend_options")


class JobFields:
    """Every field of the form, by key."""

    def __init__(self) -> None:
        self._fields: dict[str, FormField] = {}
        self._declared: dict[str, HyperParameter] = {}
        self._declarations: HyperParameterFile | None = None
        self._backend: BackendForm | None = None
        self._options: dict[str, BackendOption] = {}
        self._kept: dict[str, dict[str, str]] = {}
        """By backend: what was typed before another one was chosen."""

    @property
    def all(self) -> tuple[FormField, ...]:
        """All of them."""
        return tuple(self._fields.values())

    def add(self, field: Field) -> FormField:
        """The field for something that every job has."""
        widget = FormField(field.name, field.label, field.help, _choices(field))
        self._fields[field.name] = widget
        return widget

    def texts(self) -> dict[str, str]:
        """What was typed, by key, into the fields that the backend has a use for."""
        unused = () if self._multi_node else NODE_FIELDS
        return {key: field.text for key, field in self._fields.items() if key not in unused}

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
            elif name in _MAPPINGS:
                read_assignments(text)
            elif problem := check_field(name, text):
                return problem.message
        except ValueError as error:
            return str(error)
        return ""

    def show(self, effective: dict[str, str], problems: tuple[Problem, ...]) -> None:
        """Show what holds where nothing is typed, and beside each field what is wrong with it."""
        wrong = self._by_field(problems)
        for key, field in self._fields.items():
            if (default := effective.get(key) or self._own_default(key)) or effective:
                field.show_default(default)
            field.show_problem(self.check(field) or wrong.get(key, ""))
        self._hide_unused()

    def declare(self, file: HyperParameterFile | None) -> list[FormField] | None:
        """Fields for what the project declares; None: they are the same as before.

        What was typed into those that stay, stays; `settle` puts it back when they are mounted.
        """
        if file == self._declarations:
            return None
        self._declarations = file
        typed = self._take(_DECLARED)
        self._declared = {entry.name: entry for entry in file.entries} if file else {}
        rows = [_declared_field(entry) for entry in self._declared.values()]
        self._give(rows, typed)
        self._fields["hyperparameters"].display = not rows
        return rows

    def choose_backend(self, backend: BackendForm | None) -> list[FormField] | None:
        """Fields for the backend's own options; None: they are the same as before.

        What was typed for another backend is kept until that one is chosen again.
        """
        if backend is None or backend == self._backend:
            # half a name is no choice
            return None
        typed = self._take(PREFIX)
        if self._backend is not None:
            self._kept[self._backend.name] = typed
        self._backend = backend
        self._options = {PREFIX + option.name: option for option in backend.options}
        rows = [_option_field(option) for option in backend.options]
        self._give(rows, self._kept.get(backend.name, {}))
        return rows

    @property
    def _multi_node(self) -> bool:
        return self._backend is None or self._backend.multi_node

    def _take(self, prefix: str) -> dict[str, str]:
        keys = [key for key in self._fields if key.startswith(prefix)]
        return {key: self._fields.pop(key).text for key in keys}

    def _give(self, rows: list[FormField], typed: dict[str, str]) -> None:
        for row in rows:
            self._fields[row.key] = row
            if text := typed.get(row.key):
                row.text = text

    def _hide_unused(self) -> None:
        """Hide what the backend has no use for; a field that something is wrong with stays."""
        for name in NODE_FIELDS:
            field = self._fields[name]
            field.display = self._multi_node or bool(field.problem)
        raw = self._fields["backend_options"]
        raw.display = self._backend is None or bool(raw.text) or bool(raw.problem)

    def _own_default(self, key: str) -> str:
        if (option := self._options.get(key)) is not None:
            return default_of(option)
        entry = self._declared.get(key.removeprefix(_DECLARED)) if "." in key else None
        return (entry.default or "") if entry is not None else ""

    def _by_field(self, problems: tuple[Problem, ...]) -> dict[str, str]:
        """The first problem of each field; those of a mapping's entry count for the mapping."""
        found: dict[str, str] = {}
        for problem in problems:
            exact = problem.field in self._fields
            key = problem.field if exact else problem.field.partition(".")[0]
            if key in self._fields:
                told = problem.message if exact else f"{problem.key}: {problem.message}"
                found.setdefault(key, told)
        return found


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
