r"""Expressions for logs that say numbers in a way of their own: the user's and the project's.

A project's are in `metrics.yaml` beside its code, so that job.yaml stays what describes the job:

    patterns:
      - 'score after round (?P<step>\d+) was (?P<score>[\d.]+)'

Each has groups named after metrics; a group `step` tells the step. They are those of logs
(`rankdeck.logs.dialect`) that RE2 knows all of, so that none keeps the interface waiting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rankdeck.errors import Problem, UserError
from rankdeck.logs.engine import GroupFinder
from rankdeck.logs.query import linear

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PROJECT_FILE = "metrics.yaml"
_LARGEST = 1 << 20
_HINT = r"write a regular expression with named groups, like 'score (?P<score>[\d.]+)'"


class MetricPattern:
    """One expression that finds numbers."""

    __slots__ = ("_find", "_names", "query")

    def __init__(self, text: str) -> None:
        """Understand it.

        Raises:
            UserError: It is not valid, may take too long, or tells no metric.
        """
        self.query = linear(text)
        dialect = self.query.dialect
        if not dialect.names:
            raise UserError(f"{text!r} has no named group, so that it tells no metric", _HINT)
        self._names = dialect.names
        try:
            self._find = GroupFinder(dialect).groups
        except ValueError:
            raise UserError(f"{text!r} is too big an expression", "write several of them") from None

    def told(self, line: bytes) -> list[tuple[str, bytes]]:
        """The groups of its first match in a line, by name; none: it does not match."""
        spans = self._find(line)
        if not spans:
            return []
        found = [(name, spans[number]) for name, number in self._names]
        return [(name, line[begin:end]) for name, (begin, end) in found if begin >= 0]


def compile_patterns(
    texts: Iterable[str], source: str = "metric_patterns"
) -> tuple[tuple[MetricPattern, ...], tuple[Problem, ...]]:
    """The expressions that can be used, and what is wrong with the others."""
    compiled, problems = [], []
    for number, text in enumerate(texts, 1):
        try:
            compiled.append(MetricPattern(text))
        except UserError as error:
            problems.append(Problem(error.message, key=f"{source}[{number}]", hint=error.hint))
    return tuple(compiled), tuple(problems)


def project_patterns(folder: Path) -> tuple[tuple[MetricPattern, ...], tuple[Problem, ...]]:
    """Those of the project in this folder; a missing file says nothing. Reads the disk."""
    path = folder / PROJECT_FILE
    try:
        with path.open("rb") as stream:
            content = stream.read(_LARGEST)
    except FileNotFoundError:
        return (), ()
    except OSError as error:
        return (), (Problem(f"cannot be read: {error.strerror}", file=str(path)),)
    return parse_patterns(content, str(path))


def parse_patterns(
    content: bytes, file: str
) -> tuple[tuple[MetricPattern, ...], tuple[Problem, ...]]:
    """The expressions of a `metrics.yaml`, and what is wrong in it, each with its line."""
    import yaml

    try:
        root: Any = yaml.compose(content.decode(), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return (), (Problem("is not valid UTF-8", file=file, line=line),)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        text = error.problem or "is not YAML"
        return (), (Problem(text, file=file, line=mark.line + 1 if mark else 0),)
    except yaml.YAMLError as error:
        return (), (Problem(str(error).splitlines()[0], file=file),)
    if root is None:
        return (), ()
    compiled: list[MetricPattern] = []
    problems: list[Problem] = []

    def refuse(node: Any, message: str, key: str = "", hint: str = _HINT) -> None:
        line = node.start_mark.line + 1
        problems.append(Problem(message, file=file, line=line, key=key, hint=hint))

    if not isinstance(root, yaml.MappingNode):
        refuse(root, "must be a mapping with the key `patterns`")
        return (), tuple(problems)
    for key, value in root.value:
        if key.value != "patterns":
            refuse(key, "is not known here; only `patterns` is", str(key.value))
            continue
        if not isinstance(value, yaml.SequenceNode):
            refuse(value, "must be a list of expressions", "patterns")
            continue
        for item in value.value:
            if not isinstance(item, yaml.ScalarNode):
                refuse(item, "is no text", "patterns")
                continue
            try:
                compiled.append(MetricPattern(item.value))
            except UserError as error:
                refuse(item, error.message, "patterns", error.hint)
    return tuple(compiled), tuple(problems)
