"""HyperParameters.json: which values a project takes, of which type, and what was given for them.

Reading is generous (comments, trailing commas); every problem names file, line and key.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING

import msgspec

from rankdeck.errors import Problem, Severity
from rankdeck.job.values import check_carryable, quoted, read_switch
from rankdeck.project.relaxed_json import (
    JsonError,
    JsonList,
    JsonObject,
    JsonScalar,
    JsonValue,
    parse_relaxed_json,
)
from rankdeck.project.reserved import reserved_reason

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE_NAME = "HyperParameters.json"
_TOP_KEY = "HyperParameters"
_ENTRY_KEYS = ("name", "types", "type", "defaultValue", "description", "required", "choices")
_LARGEST_FILE = 4 << 20


class ValueType(str, Enum):
    """Types of the platform's contract."""

    STRING = "string"
    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    ENUM = "enum"


class HyperParameter(msgspec.Struct, frozen=True, kw_only=True):
    """One declared value."""

    name: str
    type: ValueType
    default: str | None
    """Canonical text; None: it has none."""
    description: str
    choices: tuple[str, ...]
    """For ENUM; empty: the file does not say, so anything is taken."""
    required: bool
    line: int


class HyperParameterFile(msgspec.Struct, frozen=True):
    """Everything a file declares, and everything wrong with it."""

    path: str
    entries: tuple[HyperParameter, ...]
    problems: tuple[Problem, ...]

    def entry(self, name: str) -> HyperParameter | None:
        """The declaration of that name."""
        return next((entry for entry in self.entries if entry.name == name), None)


def load_hyperparameters(path: Path) -> HyperParameterFile:
    """Read a file; what cannot be read becomes a problem, and the rest is still there."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        problem = Problem(f"cannot be read: {error.strerror}", file=str(path))
        return HyperParameterFile(str(path), (), (problem,))
    if len(raw) > _LARGEST_FILE:
        return HyperParameterFile(str(path), (), (Problem("is too large", file=str(path)),))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        problem = Problem("is not valid UTF-8", file=str(path), line=line)
        return HyperParameterFile(str(path), (), (problem,))
    return parse_hyperparameters(text, str(path))


def parse_hyperparameters(text: str, path: str = FILE_NAME) -> HyperParameterFile:
    """What `text` declares. Pure."""
    reader = _FileReader(path)
    try:
        document = parse_relaxed_json(text)
    except JsonError as error:
        problem = Problem(f"{error.message} (column {error.column})", file=path, line=error.line)
        return HyperParameterFile(path, (), (problem,))
    entries = reader.document(document)
    return HyperParameterFile(path, entries, tuple(reader.problems))


def check_value(entry: HyperParameter, text: str) -> str:
    """The canonical form of `text` for this entry. Raises ValueError with the reason."""
    return canonical(entry.type, text, entry.choices)


def resolve_values(
    file: HyperParameterFile, given: Mapping[str, str]
) -> tuple[dict[str, str], tuple[Problem, ...]]:
    """Every value the entry receives, in the file's order, and what is wrong with them.

    A value that is wrong is kept as given, so that later checks see it.
    """
    resolved: dict[str, str] = {}
    problems: list[Problem] = []
    for entry in file.entries:
        if entry.name in given:
            try:
                resolved[entry.name] = check_value(entry, given[entry.name])
            except ValueError as error:
                resolved[entry.name] = given[entry.name]
                problems.append(_problem(entry.name, str(error)))
        elif entry.default is not None:
            resolved[entry.name] = entry.default
        elif entry.required:
            problems.append(
                _problem(
                    entry.name,
                    "is required and has no default",
                    hint=f"give it with --set {entry.name}=VALUE",
                )
            )
    known = [entry.name for entry in file.entries]
    for name, value in given.items():
        if name not in known:
            resolved[name] = value
            problems.append(
                _problem(
                    name, "is not a hyperparameter of this project", hint=_similar(name, known)
                )
            )
    return resolved, tuple(problems)


def canonical(kind: ValueType, text: str, choices: tuple[str, ...] = ()) -> str:
    """The one spelling of a value that is passed on. Raises ValueError with the reason."""
    check_carryable(text)
    if kind is ValueType.INT:
        return _whole(text)
    if kind is ValueType.FLOAT:
        return _real(text)
    if kind is ValueType.BOOL:
        return "true" if read_switch(text) else "false"
    if kind is ValueType.ENUM and choices and text not in choices:
        raise ValueError(f"must be one of {', '.join(choices)} (got {quoted(text)})")
    return text


def _whole(text: str) -> str:
    stripped = text.strip()
    digits = stripped[1:] if stripped[:1] in ("+", "-") else stripped
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 100:
        raise ValueError(f"must be a whole number (got {quoted(text)})")
    return str(int(stripped))


def _real(text: str) -> str:
    stripped = text.strip()
    try:
        number = float(stripped)
    except ValueError:
        number = math.nan
    if math.isnan(number) or not stripped.isascii() or "_" in stripped:
        raise ValueError(f"must be a number (got {quoted(text)})")
    return stripped


def _similar(name: str, known: list[str]) -> str:
    from difflib import get_close_matches

    if near := get_close_matches(name, known, 1, cutoff=0.5):
        return f"did you mean {near[0]}?"
    return f"there are: {', '.join(known)}" if known else "the project declares none"


def _problem(name: str, message: str, hint: str = "") -> Problem:
    return Problem(message, key=name, field=f"hyperparameters.{name}", hint=hint)


class _FileReader:
    """Walks the document and collects problems."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.problems: list[Problem] = []

    def refuse(
        self,
        message: str,
        line: int,
        key: str,
        hint: str = "",
        severity: Severity = Severity.ERROR,
    ) -> None:
        self.problems.append(
            Problem(message, file=self.path, line=line, key=key, hint=hint, severity=severity)
        )

    def document(self, document: JsonValue) -> tuple[HyperParameter, ...]:
        listed: JsonValue | None = document
        if isinstance(document, JsonObject):
            listed = None
            for member in document.members:
                if member.key == _TOP_KEY:
                    listed = member.value
                else:
                    self.refuse(
                        "is not a known key",
                        member.line,
                        member.key,
                        f'the list is called "{_TOP_KEY}"',
                    )
        if listed is None:
            if not self.problems:
                self.refuse(
                    "is missing", document.line, _TOP_KEY, f'expected {{"{_TOP_KEY}": [...]}}'
                )
            return ()
        if not isinstance(listed, JsonList) or not isinstance(document, JsonObject):
            self.refuse(
                "must be a list of objects",
                listed.line,
                _TOP_KEY,
                f'expected {{"{_TOP_KEY}": [...]}}',
            )
            return ()
        entries: dict[str, HyperParameter] = {}
        for index, item in enumerate(listed.items):
            entry = self.entry(item, f"{_TOP_KEY}[{index}]")
            if entry is None:
                continue
            if first := entries.get(entry.name):
                self.refuse(
                    f"is declared twice, first on line {first.line}", entry.line, entry.name
                )
                continue
            entries[entry.name] = entry
        return tuple(entries.values())

    def entry(self, item: JsonValue, where: str) -> HyperParameter | None:
        if not isinstance(item, JsonObject):
            self.refuse('must be an object with at least a "name"', item.line, where)
            return None
        members = self.members(item, where)
        name = self.text(members.get("name"), f"{where}.name")
        if name is None:
            if "name" not in members:
                self.refuse('has no "name"', item.line, where)
            return None
        line = members["name"].line
        if reason := reserved_reason(name):
            self.refuse(reason, line, name)
            return None
        kind = self.type(members, name)
        choices = self.choices(members.get("choices"), f"{name}.choices")
        if kind is ValueType.ENUM and "choices" not in members:
            self.refuse(
                "is an enum without choices, so any value is taken",
                line,
                name,
                'add "choices": [...]',
                Severity.WARNING,
            )
        return HyperParameter(
            name=name,
            type=kind,
            default=self.default(members.get("defaultValue"), kind, choices, name),
            description=self.text(members.get("description"), f"{name}.description") or "",
            choices=choices,
            required=self.switch(members.get("required"), f"{name}.required"),
            line=line,
        )

    def members(self, item: JsonObject, where: str) -> dict[str, JsonValue]:
        members: dict[str, JsonValue] = {}
        for member in item.members:
            if member.key in members:
                self.refuse("is given twice", member.line, f"{where}.{member.key}")
            elif member.key not in _ENTRY_KEYS:
                self.refuse(
                    "is not a known key",
                    member.line,
                    f"{where}.{member.key}",
                    f"known are: {', '.join(_ENTRY_KEYS)}",
                )
            else:
                members[member.key] = member.value
        return members

    def text(self, value: JsonValue | None, key: str) -> str | None:
        if value is None or (isinstance(value, JsonScalar) and value.value is None):
            return None
        if isinstance(value, JsonScalar) and isinstance(value.value, str) and not value.number:
            return value.value
        self.refuse("must be text in quotes", value.line, key)
        return None

    def type(self, members: dict[str, JsonValue], name: str) -> ValueType:
        given = [(key, members[key]) for key in ("types", "type") if key in members]
        kinds: list[ValueType] = []
        for key, value in given:
            text = self.text(value, f"{name}.{key}")
            try:
                kinds.append(ValueType((text or "").lower()))
            except ValueError:
                if text is not None:
                    allowed = ", ".join(kind.value for kind in ValueType)
                    self.refuse(
                        f"must be one of {allowed} (got {quoted(text)})",
                        value.line,
                        f"{name}.{key}",
                    )
        if len(set(kinds)) > 1:
            self.refuse('"type" and "types" contradict each other', given[1][1].line, name)
        return kinds[0] if kinds else ValueType.STRING

    def choices(self, value: JsonValue | None, key: str) -> tuple[str, ...]:
        if value is None:
            return ()
        if isinstance(value, JsonList) and all(
            isinstance(item, JsonScalar) and item.value is not None for item in value.items
        ):
            return tuple(_plain(item) for item in value.items if isinstance(item, JsonScalar))
        self.refuse("must be a list of values", value.line, key)
        return ()

    def switch(self, value: JsonValue | None, key: str) -> bool:
        if value is None:
            return False
        if isinstance(value, JsonScalar):
            try:
                return value.value is not None and read_switch(_plain(value))
            except ValueError:
                pass
        self.refuse("must be true or false", value.line, key)
        return False

    def default(
        self, value: JsonValue | None, kind: ValueType, choices: tuple[str, ...], name: str
    ) -> str | None:
        if value is None or (isinstance(value, JsonScalar) and value.value is None):
            return None
        key = f"{name}.defaultValue"
        if not isinstance(value, JsonScalar):
            self.refuse("must be a single value", value.line, key)
            return None
        text = _plain(value)
        if not text and kind not in (ValueType.STRING, ValueType.ENUM):
            return None
        try:
            return canonical(kind, text, choices)
        except ValueError as error:
            self.refuse(str(error), value.line, key)
            return None


def _plain(value: JsonScalar) -> str:
    if isinstance(value.value, bool):
        return "true" if value.value else "false"
    return value.value or ""
