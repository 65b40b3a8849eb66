"""One walk through the ssh_config files for one host: which lines apply; the first value counts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from backends.ssh.config_files import ConfigFiles, Line, included
from backends.ssh.link import LinkError, LinkFault
from backends.ssh.patterns import matches_any

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_DEPTH = 16
_LISTS = frozenset({"identityfile", "certificatefile"})
_FINAL_CRITERIA = frozenset({"final", "canonical"})


class Here(msgspec.Struct, frozen=True):
    """Who asks, and where; the same for all hosts."""

    user: str
    home: Path
    host: str


@dataclass(slots=True)
class Reading:
    """One walk through the files for one host."""

    original: str
    files: ConfigFiles
    here: Here
    values: dict[str, Line] = field(default_factory=dict)
    """What counts, by option."""
    lists: dict[str, list[str]] = field(default_factory=dict)
    """Options whose values add up."""
    final: bool = False
    """This is the second walk, for `Match final`."""
    wants_final: bool = False
    openssh_only: str = ""
    """A condition that only the ssh program can evaluate, and where it stands."""

    def first(self, keyword: str, default: str = "") -> str:
        """The first argument of an option."""
        line = self.values.get(keyword)
        return line.args[0] if line else default

    def all(self, keyword: str) -> tuple[str, ...]:
        """Every argument of an option."""
        line = self.values.get(keyword)
        return line.args if line else ()

    def host_name(self) -> str:
        """What to connect to, as far as is known: HostName, in which %h is the name asked for."""
        return expand(self.first("hostname"), {"h": self.original}) or self.original

    def walk(self, path: Path, base: Path, *, own: bool, active: bool, depth: int = 0) -> bool:
        """Take what applies from one file; False if there is no such file."""
        lines = self.files.lines(path, check_owner=own)
        if lines is None:
            return False
        if depth > _MAX_DEPTH:
            raise LinkError(LinkFault.CONFIG, f"{path}: Include goes too deep, or in a circle")
        enclosing = active
        for line in lines:
            if not line.args or (line.args == ("",) and line.keyword != "bindinterface"):
                raise LinkError(LinkFault.CONFIG, f"{line.where}: {line.keyword} has no value")
            if line.keyword == "host":
                active = enclosing and matches_any(self.original, line.args)
            elif line.keyword == "match":
                active = enclosing and self._matches(line)
            elif line.keyword == "include":
                for found in included(line.args, base):
                    self.walk(found, base, own=own, active=active, depth=depth + 1)
            elif active:
                self._take(line)
        return True

    def _take(self, line: Line) -> None:
        if line.keyword in _LISTS:
            entries = self.lists.setdefault(line.keyword, [])
            if line.args[0] not in entries:
                entries.append(line.args[0])
            return
        self.values.setdefault(line.keyword, line)

    def _matches(self, line: Line) -> bool:
        criteria = list(line.args)
        applies = True
        while criteria:
            word = criteria.pop(0)
            negated, name = word.startswith("!"), word.lstrip("!").lower()
            name, _, argument = name.partition("=")
            if name == "all":
                continue
            if name in _FINAL_CRITERIA:
                self.wants_final = self.wants_final or name == "final"
                holds = self.final
            else:
                if not argument:
                    if not criteria:
                        raise LinkError(LinkFault.CONFIG, f"{line.where}: Match {name} of what?")
                    argument = criteria.pop(0)
                if not applies:
                    continue
                holds = self._holds(name, argument, line)
            applies = applies and holds != negated
        return applies

    def _holds(self, name: str, argument: str, line: Line) -> bool:
        subject = {
            "host": lambda: self.host_name().lower(),
            "originalhost": lambda: self.original.lower(),
            "user": lambda: self.first("user") or self.here.user,
            "localuser": lambda: self.here.user,
        }.get(name)
        if subject is None:
            self.openssh_only = self.openssh_only or f"Match {name} ({line.where})"
            return False
        return matches_any(subject(), argument.split(","))


def expand(text: str, tokens: Mapping[str, str]) -> str:
    """Replace `%x` by the token's value, and `%%` by a percent sign; others stay as they are."""
    if "%" not in text:
        return text
    known = {"%": "%", **tokens}
    return re.sub("%(.)", lambda found: known.get(found[1], found[0]), text)
