"""ssh_config files as lines of keyword and arguments, each file read once.

Only reading and splitting; which lines apply to a host is for `config` to find out.
"""

from __future__ import annotations

import glob
import os
import stat
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backends.ssh.link import LinkError, LinkFault

if TYPE_CHECKING:
    from collections.abc import Iterator

_RAW = frozenset({"proxycommand", "localcommand", "remotecommand", "knownhostscommand"})
"""Keywords whose value is the rest of the line, quotes and all."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line that says something."""

    keyword: str
    args: tuple[str, ...]
    where: str
    """`FILE:LINE`."""


class ConfigFiles:
    """Lines by path; files are read when first asked for, and once."""

    def __init__(self) -> None:
        self._lines: dict[Path, tuple[Line, ...] | None] = {}
        self._lock = threading.Lock()

    def lines(self, path: Path, *, check_owner: bool = False) -> tuple[Line, ...] | None:
        """The lines of one file, None if it cannot be read.

        Raises:
            LinkError: It is badly written, or others may write it and `check_owner` is set.
        """
        with self._lock:
            if path not in self._lines:
                self._lines[path] = _read(path, check_owner)
            return self._lines[path]


def included(patterns: tuple[str, ...], base: Path) -> Iterator[Path]:
    """The files that an Include names, in order; relative names lie below `base`."""
    for pattern in patterns:
        full = os.path.join(base, os.path.expanduser(pattern))
        yield from (Path(found) for found in sorted(glob.glob(full)))


def _read(path: Path, check_owner: bool) -> tuple[Line, ...] | None:
    try:
        with path.open(encoding="utf-8", errors="surrogateescape") as file:
            if check_owner:
                _insist_on_owner(path, os.fstat(file.fileno()))
            return tuple(_split(path, file.read()))
    except OSError:
        return None


def _insist_on_owner(path: Path, status: os.stat_result) -> None:
    if status.st_uid not in (0, os.getuid()) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise LinkError(
            LinkFault.CONFIG,
            f"{path} belongs to somebody else, or others may write it; ssh refuses it too",
            f"chown $USER {path}; chmod go-w {path}",
        )


def _split(path: Path, text: str) -> Iterator[Line]:
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip(" \t\r\f")
        if not line or line.startswith("#"):
            continue
        where = f"{path}:{number}"
        end = next((at for at, letter in enumerate(line) if letter in " \t="), len(line))
        keyword = line[:end].strip('"').lower()
        rest = line[end:].lstrip(" \t")
        if rest.startswith("="):
            rest = rest[1:].lstrip(" \t")
        yield Line(keyword, (rest,) if keyword in _RAW else words(rest, where), where)


def words(text: str, where: str) -> tuple[str, ...]:
    """Split like ssh: quotes of both kinds, backslash escapes, and `#` begins a comment.

    Raises:
        LinkError: A quotation is not closed.
    """
    found: list[str] = []
    at = 0
    while at < len(text):
        if text[at] in " \t":
            at += 1
        elif text[at] == "#":
            break
        else:
            word, at = _word(text, at, where)
            found.append(word)
    return tuple(found)


def _word(text: str, at: int, where: str) -> tuple[str, int]:
    word, quote = "", ""
    while at < len(text) and (quote or text[at] not in " \t"):
        letter = text[at]
        escaped = text[at + 1 : at + 2]
        if letter == "\\" and (escaped in ("'", '"', "\\") or (not quote and escaped == " ")):
            word += escaped
            at += 1
        elif not quote and letter in "'\"":
            quote = letter
        elif quote and letter == quote:
            quote = ""
        else:
            word += letter
        at += 1
    if quote:
        raise LinkError(LinkFault.CONFIG, f"{where}: a quotation is not closed")
    return word, at
