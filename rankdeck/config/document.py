"""A small YAML file of keys and values, read with the line of each and edited without losing more.

What is wrong is told and left out; the rest counts. Only words and lists of words are values.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rankdeck.errors import Problem, UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_LARGEST = 1 << 20
_NULL = "tag:yaml.org,2002:null"

Value = str | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One key and what it is set to."""

    key: str
    line: int
    value: Value
    """Words as they are written; None where nothing is."""
    span: tuple[int, int] = (0, 0)
    """Where key and value stand in the text."""


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says, and what is wrong with how it says it."""

    file: str
    text: str = ""
    entries: tuple[Entry, ...] = ()
    problems: tuple[Problem, ...] = ()


def read_document(path: Path) -> Document:
    """The entries of a file; one that is not there has none. Never raises."""
    file = str(path)
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return Document(file)
    except OSError as error:
        return Document(file, problems=(Problem(f"cannot be read: {error.strerror}", file=file),))
    if len(raw) > _LARGEST:
        return Document(file, problems=(Problem("is too large", file=file),))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return Document(file, problems=(Problem("is not valid UTF-8", file=file, line=line),))
    return parse_document(text, file)


def parse_document(text: str, file: str) -> Document:
    """The entries of `text`."""
    # a deck without files of its own must not pay for it
    import yaml

    try:
        root: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = f"is not valid YAML: {error.problem or error.context}"
        line = mark.line + 1 if mark else 0
        return Document(file, text, problems=(Problem(message, file=file, line=line),))
    except (yaml.YAMLError, RecursionError) as error:
        message = f"is not valid YAML: {str(error).splitlines()[0]}"
        return Document(file, text, problems=(Problem(message, file=file),))
    if root is None:
        return Document(file, text)
    if root.id != "mapping":
        problem = Problem("must be keys and values", file=file, line=root.start_mark.line + 1)
        return Document(file, text, problems=(problem,))
    entries: dict[str, Entry] = {}
    problems: list[Problem] = []
    for key, node in root.value:
        line = key.start_mark.line + 1
        if key.id != "scalar":
            problems.append(Problem("a key must be a word", file=file, line=line))
        elif key.value in entries:
            message = f"is given twice, first on line {entries[key.value].line}"
            problems.append(Problem(message, file=file, line=line, key=key.value))
        elif node.id == "mapping" or any(
            part.id != "scalar" for part in (node.value if node.id == "sequence" else ())
        ):
            message = "must be a word or a list of words"
            problems.append(Problem(message, file=file, line=line, key=key.value))
        else:
            # a block's own end lies behind the comments that follow it
            block = node.id == "sequence" and not node.flow_style and node.value
            last = node.value[-1] if block else node
            span = (key.start_mark.index, last.end_mark.index)
            entries[key.value] = Entry(key.value, line, _value(node), span)
    return Document(file, text, tuple(entries.values()), tuple(problems))


def _value(node: Any) -> Value:
    if node.id == "sequence":
        return tuple(part.value for part in node.value)
    if node.tag == _NULL:
        return None
    value: str = node.value
    return value


def nearest(word: str, known: Iterable[str]) -> str:
    """`did you mean …?`, or nothing."""
    from difflib import get_close_matches

    near = get_close_matches(word, sorted(known), 1)
    return f"did you mean {near[0]}?" if near else ""


def change_document(path: Path, changes: Mapping[str, object]) -> None:
    """Set some keys of a file and leave everything else in it as it stands, comments too.

    Args:
        path: The file; it, and its folder, are made where they are missing.
        changes: Texts, booleans or lists of texts; None removes a key.

    Raises:
        UserError: It is not valid, so that it cannot be edited safely, or cannot be written.
    """
    document = read_document(path)
    if document.problems:
        raise UserError(f"{document.problems[0]}", "mend the file first; nothing was saved")
    text = document.text
    known = {entry.key: entry for entry in document.entries}
    added = ""
    # from the end, so that earlier places stay where they are
    for key in sorted(changes, key=lambda key: known[key].span[0] if key in known else -1)[::-1]:
        value = changes[key]
        if key in known:
            begin, end = known[key].span
            # the value of an empty key, or of a block, ends at the next line's beginning
            while end > begin and text[end - 1] in "\n\r":
                end -= 1
            text = text[:begin] + ("" if value is None else _written(key, value)) + text[end:]
        elif value is not None:
            added = _written(key, value) + "\n" + added
    if added and text and not text.endswith("\n"):
        text += "\n"
    text += added
    if parse_document(text, str(path)).problems:
        raise UserError(f"{path}: cannot be changed safely", "edit it by hand; nothing was saved")
    _replace(path, text)


def _replace(path: Path, text: str) -> None:
    from rankdeck.run.files import write_atomic

    # a file that is a link into somebody's dotfiles stays one
    target = path.resolve()
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o600
        write_atomic(target, text.encode())
        if mode != 0o600:
            os.chmod(target, mode)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from error


def _written(key: str, value: object) -> str:
    import json

    if isinstance(value, bool):
        return f"{key}: {'true' if value else 'false'}"
    if isinstance(value, (tuple, list)):
        # JSON is YAML, and its strings need no thought about quoting
        return f"{key}: {json.dumps(list(value), ensure_ascii=False)}"
    return f"{key}: {json.dumps(str(value), ensure_ascii=False)}"
