"""Hostfiles: one host a line, in rank order, with the forms that other launchers' files use.

A line is a host (see `rankdeck.nodes.host_entry`), then words: `slots=N` (also `cpu=`, `count=`),
`max_slots=N`, `user=NAME` (also `username=`), `port=N`. `#` begins a comment anywhere.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rankdeck.errors import InvalidJobError, Problem
from rankdeck.job.values import quoted
from rankdeck.nodes.host_entry import check_user_name, parse_host, read_port

if TYPE_CHECKING:
    from rankdeck.nodes.node import Node

_LARGEST_FILE = 4 << 20
_ROUND_EQUALS = re.compile(r"[ \t]*=[ \t]*")
_WORDS = {
    "slots": "slots", "cpu": "slots", "cpus": "slots", "count": "slots",
    "max_slots": "max_slots", "max-slots": "max_slots",
    "slots_max": "max_slots", "slots-max": "max_slots",
    "user": "user", "username": "user", "user_name": "user", "user-name": "user",
    "port": "port",
}  # fmt: skip


def read_hostfile(path: Path | str) -> tuple[Node, ...]:
    """The nodes that a file lists, in its order.

    Raises:
        InvalidJobError: The file cannot be read or has mistakes; with every one of them.
    """
    try:
        raw = _read(Path(path))
    except OSError as error:
        raise _refused(path, f"the hostfile cannot be read: {error.strerror}") from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _refused(path, "the hostfile is not valid UTF-8", line) from error
    return parse_hostfile(text, str(path))


def parse_hostfile(text: str, name: str) -> tuple[Node, ...]:
    """The nodes in `text`; `name` is the file's, for messages and for `Node.origin`.

    Raises:
        InvalidJobError: With every mistake, each with its line.
    """
    nodes: list[Node] = []
    problems: list[Problem] = []
    lines: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        try:
            found = _line(line.partition("#")[0].strip(), f"{name}:{number}")
        except ValueError as error:
            problems.append(Problem(str(error), file=name, line=number, field="hostfile"))
            continue
        for node in found:
            if node.name in lines:
                problems.append(_repeated(node, name, number, lines[node.name]))
                continue
            lines[node.name] = number
            nodes.append(node)
    if not nodes and not problems:
        raise _refused(name, "the hostfile names no host")
    if problems:
        raise InvalidJobError(tuple(problems))
    return tuple(nodes)


def _read(path: Path) -> bytes:
    # asked before it is opened: opening a pipe that nobody writes to would never return
    if not stat.S_ISREG(path.stat().st_mode):
        what = "a directory" if path.is_dir() else "not a regular file"
        raise _refused(path, f"the hostfile is {what}")
    with open(path, "rb") as stream:
        raw = stream.read(_LARGEST_FILE + 1)
    if len(raw) > _LARGEST_FILE:
        raise _refused(path, "is too large for a hostfile")
    return raw


def _refused(path: Path | str, message: str, line: int = 0) -> InvalidJobError:
    return InvalidJobError((Problem(message, file=str(path), line=line, field="hostfile"),))


def _repeated(node: Node, file: str, line: int, first: int) -> Problem:
    where = "twice on this line" if first == line else f"a second time, first on line {first}"
    return Problem(
        f"host {node.name} is named {where}",
        file=file,
        line=line,
        hint="for several ranks on one host write slots=N",
        field="hostfile",
    )


def _line(line: str, origin: str) -> tuple[Node, ...]:
    if not line:
        return ()
    word, *settings = _ROUND_EQUALS.sub("=", line).split()
    if "=" in word:
        raise ValueError(f"begins with {quoted(word)} where a host belongs")
    try:
        entry = parse_host(word)
    except ValueError as error:
        raise ValueError(f"{quoted(word)} {error}{_advice(word)}") from None
    given = _settings(settings)
    slots = _positive(given.get("slots"), "slots")
    most = _positive(given.get("max_slots"), "max_slots")
    if slots is not None and most is not None and most < slots:
        raise ValueError(f"max_slots={most} is less than slots={slots}")
    if "user" in given:
        check_user_name(given["user"])
        entry = msgspec.structs.replace(entry, user=given["user"])
    if "port" in given:
        entry = msgspec.structs.replace(entry, port=read_port(given["port"]))
    return entry.nodes(slots=slots, origin=origin)


def _settings(words: list[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        meaning = _WORDS.get(name)
        if meaning is None:
            hint = f"did you mean {name.lower()}?" if name.lower() in _WORDS else "one host a line"
            raise ValueError(f"{quoted(word)} is not understood ({hint})")
        if not equals or not value:
            raise ValueError(f"{name} has no value")
        if meaning in given:
            raise ValueError(f"{name} is given twice")
        given[meaning] = value
    return given


def _positive(text: str | None, name: str) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,6}", text) or int(text) == 0:
        raise ValueError(f"{name} must be a whole number of at least 1 (got {quoted(text)})")
    return int(text)


def _advice(word: str) -> str:
    if "," in re.sub(r"\[[^\]]*\]", "", word):
        return " (a hostfile has one host a line)"
    return " (comments begin with #)" if word.startswith((";", "//")) else ""
