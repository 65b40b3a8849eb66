"""KnownHosts: what the user's known_hosts files say about host keys, read once for all hosts.

Plain names cost a dictionary lookup, however many hosts there are; only lines with patterns or
hashed names are searched. Nothing here connects.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from backends.ssh.patterns import matches_any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

DEFAULT_PORT = 22


@dataclass(frozen=True, slots=True)
class HostKey:
    """A public host key, as known_hosts writes it."""

    kind: str
    """`ssh-ed25519`, `ecdsa-sha2-nistp256`, `ssh-rsa`."""
    blob: bytes

    @property
    def base64(self) -> str:
        """The key as it stands in known_hosts."""
        return base64.b64encode(self.blob).decode()

    @property
    def fingerprint(self) -> str:
        """`SHA256:…`, as ssh shows it."""
        digest = base64.b64encode(hashlib.sha256(self.blob).digest()).decode()
        return f"SHA256:{digest.rstrip('=')}"


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key and the line it stands on."""

    key: HostKey
    file: str
    line: int
    marker: str = ""
    """`@revoked`, `@cert-authority`, or nothing."""

    @property
    def where(self) -> str:
        """`FILE:LINE`."""
        return f"{self.file}:{self.line}"


class Verdict(Enum):
    """What known_hosts says about a key that a host has shown."""

    KNOWN = "known"
    UNKNOWN = "unknown"
    CHANGED = "changed"
    """Other keys are recorded for this host, and this one is not among them."""
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict, with the lines it rests on."""

    verdict: Verdict
    because: tuple[KnownKey, ...] = ()


@dataclass(frozen=True, slots=True)
class HostEntries:
    """Every line about one host."""

    keys: tuple[KnownKey, ...] = ()
    revoked: tuple[KnownKey, ...] = ()
    authorities: tuple[KnownKey, ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """The key types recorded, in the order of the files."""
        return tuple(dict.fromkeys(known.key.kind for known in self.keys))

    def judge(self, key: HostKey) -> Judgement:
        """Whether this is one of the host's keys.

        A host whose other keys are recorded and that shows a key of another type counts as
        changed: somebody between us could do just that to look unknown.
        """
        revoked = tuple(known for known in self.revoked if known.key == key)
        if revoked:
            return Judgement(Verdict.REVOKED, revoked)
        same = tuple(known for known in self.keys if known.key == key)
        if same:
            return Judgement(Verdict.KNOWN, same)
        if not self.keys:
            return Judgement(Verdict.UNKNOWN)
        of_kind = tuple(known for known in self.keys if known.key.kind == key.kind)
        return Judgement(Verdict.CHANGED, of_kind or self.keys)


@dataclass(frozen=True, slots=True)
class _Hashed:
    salt: bytes
    digest: bytes
    known: KnownKey

    def names(self, name: str) -> bool:
        return hmac.compare_digest(hmac.digest(self.salt, name.encode(), "sha1"), self.digest)


def host_label(host: str, port: int) -> str:
    """How known_hosts names a host on a port."""
    name = host.lower()
    return name if port in (0, DEFAULT_PORT) else f"[{name}]:{port}"


class KnownHosts:
    """The lines of several known_hosts files.

    Unreadable files are left out, as ssh does; lines that cannot be understood are skipped.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self._plain: dict[str, list[KnownKey]] = {}
        self._patterns: list[tuple[tuple[str, ...], KnownKey]] = []
        self._hashed: list[_Hashed] = []
        self._found: dict[str, HostEntries] = {}
        for file in files:
            try:
                text = file.read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            self._add(str(file), text.splitlines())

    def entries(self, label: str) -> HostEntries:
        """What the files say about a host; `label` as `host_label` makes it."""
        if label not in self._found:
            self._found[label] = self._search(label)
        return self._found[label]

    def _search(self, label: str) -> HostEntries:
        found = [
            *self._plain.get(label, ()),
            *(known for patterns, known in self._patterns if matches_any(label, patterns)),
            *(hashed.known for hashed in self._hashed if hashed.names(label)),
        ]
        return HostEntries(
            keys=tuple(known for known in found if not known.marker),
            revoked=tuple(known for known in found if known.marker == "@revoked"),
            authorities=tuple(known for known in found if known.marker == "@cert-authority"),
        )

    def _add(self, file: str, lines: Iterable[str]) -> None:
        for number, line in enumerate(lines, 1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            marker = words.pop(0).lower() if words[0].startswith("@") else ""
            if len(words) < 3 or marker not in ("", "@revoked", "@cert-authority"):
                continue
            try:
                blob = base64.b64decode(words[2], validate=True)
            except binascii.Error:
                continue
            known = KnownKey(HostKey(words[1], blob), file, number, marker)
            self._file(words[0], known)

    def _file(self, names: str, known: KnownKey) -> None:
        if names.startswith("|1|"):
            try:
                salt, digest = (base64.b64decode(part) for part in names[3:].split("|", 1))
            except ValueError:
                return
            self._hashed.append(_Hashed(salt, digest, known))
            return
        patterns = tuple(names.lower().split(","))
        if any(set("*?!") & set(pattern) for pattern in patterns):
            self._patterns.append((patterns, known))
            return
        for name in patterns:
            self._plain.setdefault(name, []).append(known)
