"""job.yaml to JobDraft: every value with its line, every problem of the file at once.

Scalars keep the text that was written (`1:30:00`, `1e-4`, `010`): types are decided by the field
they belong to, never by YAML's guesses.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from rankdeck.errors import InvalidJobError, Problem
from rankdeck.job.draft import JobDraft, Source
from rankdeck.job.fields import FIELDS, PATH_KINDS, Field, FieldKind, field_named

if TYPE_CHECKING:
    from pathlib import Path

    import yaml

_LARGEST_FILE = 4 << 20
_NULL = "tag:yaml.org,2002:null"


class DraftFile(msgspec.Struct, frozen=True, kw_only=True):
    """What a job file says, and everything wrong with how it says it."""

    draft: JobDraft
    problems: tuple[Problem, ...] = ()


def load_job_yaml(path: Path) -> JobDraft:
    """The job that a file describes; paths in it are relative to the file's directory.

    Raises:
        InvalidJobError: With every problem of the file.
    """
    read = read_job_yaml(path)
    if read.problems:
        raise InvalidJobError(read.problems)
    return read.draft


def read_job_yaml(path: Path, folder: str = "") -> DraftFile:
    """As `load_job_yaml`, but problems are returned beside what could be read.

    Args:
        path: The file.
        folder: What paths in it are relative to; empty: the file's own directory.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        return _unreadable(Problem(f"cannot be read: {error.strerror}", file=str(path)))
    if len(raw) > _LARGEST_FILE:
        return _unreadable(Problem("is too large for a job file", file=str(path)))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return _unreadable(Problem("is not valid UTF-8", file=str(path), line=line))
    return parse_job_yaml(text, str(path), folder)


def parse_job_yaml(text: str, path: str, folder: str = "") -> DraftFile:
    """The draft in `text`; `path` names the file, its directory or `folder` anchors its paths."""
    # loaded here: a job described by options alone needs no YAML
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        root = yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        return _unreadable(_syntax_problem(error, path))
    except yaml.YAMLError as error:
        message = str(error).splitlines()[0]
        return _unreadable(Problem(f"is not valid YAML: {message}", file=path))
    except RecursionError:
        return _unreadable(Problem("is nested too deeply", file=path))
    return _Reader(path, folder).document(root)


def _syntax_problem(error: yaml.MarkedYAMLError, path: str) -> Problem:
    mark, began = error.problem_mark, error.context_mark
    message = f"is not valid YAML: {error.problem or error.context}"
    if error.context and began and mark and began.line != mark.line:
        message += f" ({error.context}, which begins on line {began.line + 1})"
    mark = mark or began
    return Problem(message, file=path, line=mark.line + 1 if mark else 0)


def _unreadable(problem: Problem) -> DraftFile:
    return DraftFile(draft=JobDraft(), problems=(problem,))


class _Reader:
    """Walks the composed nodes and collects problems."""

    def __init__(self, path: str, folder: str = "") -> None:
        self.path = path
        self.folder = folder or os.path.dirname(os.path.abspath(path))
        self.problems: list[Problem] = []
        self.sources: dict[str, Source] = {}

    def refuse(self, message: str, node: yaml.Node, key: str, hint: str = "") -> None:
        line = node.start_mark.line + 1
        self.problems.append(Problem(message, file=self.path, line=line, key=key, hint=hint))

    def document(self, root: Any) -> DraftFile:
        given: dict[str, Any] = {}
        if root is not None and root.id != "mapping":
            self.refuse("must be a mapping of keys to values", root, "")
        elif root is not None:
            known = {field.name for field in FIELDS}
            for key, key_node, value in self.members(root, ""):
                if key not in known:
                    self.refuse("is not a known key", key_node, key, _similar(key, known))
                    continue
                read = self.value(field_named(key), key_node, value)
                if read is not None:
                    given[key] = read
        draft = JobDraft(**given, sources=self.sources)
        return DraftFile(draft=draft, problems=tuple(self.problems))

    def members(self, node: Any, prefix: str) -> list[tuple[str, Any, Any]]:
        """The members of a mapping; keys that are not text or come twice are problems."""
        found: dict[str, tuple[str, Any, Any]] = {}
        for key_node, value in node.value:
            if key_node.id != "scalar":
                self.refuse("a key must be a word", key_node, prefix)
            elif key_node.value in found:
                first = found[key_node.value][1].start_mark.line + 1
                self.refuse(
                    f"is given twice, first on line {first}", key_node, prefix + key_node.value
                )
            else:
                found[key_node.value] = (key_node.value, key_node, value)
        return list(found.values())

    def value(self, field: Field, key_node: yaml.Node, node: Any) -> object:
        """A field's value as text, tuple or mapping; None when it is null or wrong."""
        if node.id == "scalar" and node.tag == _NULL:
            return None
        line = key_node.start_mark.line + 1
        self.sources[field.name] = Source(file=self.path, line=line, key=field.name)
        if field.kind is FieldKind.MAPPING:
            return self.mapping(field.name, node)
        if field.kind in (FieldKind.LIST, FieldKind.WORDS) and node.id == "sequence":
            return self.words(field.name, node)
        if node.id != "scalar":
            shape = "a list" if node.id == "sequence" else "a mapping"
            self.refuse(f"must be a single value, not {shape}", node, field.name)
            return None
        text: str = node.value
        if field.kind in PATH_KINDS and text:
            return os.path.normpath(os.path.join(self.folder, os.path.expanduser(text)))
        return text

    def words(self, name: str, node: Any) -> tuple[str, ...]:
        words = []
        for item in node.value:
            if item.id == "scalar":
                words.append(item.value)
            else:
                self.refuse("must hold single values only", item, name)
        return tuple(words)

    def mapping(self, name: str, node: Any) -> dict[str, str] | None:
        if node.id != "mapping":
            self.refuse("must be a mapping of names to values", node, name)
            return None
        values: dict[str, str] = {}
        for key, key_node, value in self.members(node, f"{name}."):
            if value.id == "sequence" and name == "backend_options":
                # an option that may be given several times; its values are lines
                values[key] = "\n".join(self.words(f"{name}.{key}", value))
            elif value.id != "scalar":
                self.refuse("must be a single value", value, f"{name}.{key}")
            elif value.tag != _NULL:
                line = key_node.start_mark.line + 1
                self.sources[f"{name}.{key}"] = Source(
                    file=self.path, line=line, key=f"{name}.{key}"
                )
                values[key] = value.value
        return values


def _similar(key: str, known: set[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(key.replace("-", "_"), sorted(known), 1)
    return f"did you mean {near[0]}?" if near else ""
