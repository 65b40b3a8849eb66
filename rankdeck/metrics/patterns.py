r"""Expressions for logs that say numbers in a way of their own: the user's and the project's.

A project's are in `metrics.yaml` beside its code, so that job.yaml stays what describes the job:

    patterns:
      - 'score after round (?P<step>\d+) was (?P<score>[\d.]+)'

Each has groups named after metrics; a group `step` tells the step.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rankdeck.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PROJECT_FILE = "metrics.yaml"
_LARGEST = 1 << 20


def compile_patterns(
    texts: Iterable[str], source: str = "metric_patterns"
) -> tuple[tuple[re.Pattern[str], ...], tuple[Problem, ...]]:
    """The expressions that can be used, and what is wrong with the others."""
    compiled, problems = [], []
    for number, text in enumerate(texts, 1):
        pattern = _compile(text)
        if isinstance(pattern, str):
            problems.append(Problem(pattern, key=f"{source}[{number}]", hint=_HINT))
        else:
            compiled.append(pattern)
    return tuple(compiled), tuple(problems)


def project_patterns(folder: Path) -> tuple[tuple[re.Pattern[str], ...], tuple[Problem, ...]]:
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
) -> tuple[tuple[re.Pattern[str], ...], tuple[Problem, ...]]:
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
    compiled: list[re.Pattern[str]] = []
    problems: list[Problem] = []

    def refuse(node: Any, message: str, key: str = "") -> None:
        line = node.start_mark.line + 1
        problems.append(Problem(message, file=file, line=line, key=key, hint=_HINT))

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
            pattern = _compile(item.value) if isinstance(item, yaml.ScalarNode) else "is no text"
            if isinstance(pattern, str):
                refuse(item, pattern, "patterns")
            else:
                compiled.append(pattern)
    return tuple(compiled), tuple(problems)


_HINT = r"write a regular expression with named groups, like 'score (?P<score>[\d.]+)'"


def _compile(text: str) -> re.Pattern[str] | str:
    try:
        pattern = re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        return f"is no regular expression: {error}"
    if not pattern.groupindex:
        return "has no named group, so that it tells no metric"
    return pattern
