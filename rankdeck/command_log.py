"""What Rankdeck has executed on the user's behalf, one record a line, so that it can be read again.

A supervisor keeps it in its run's folder, everything else in the state directory. Files are only
appended to, bounded in size, and hold no secrets; where one cannot be written nothing else suffers.
"""

from __future__ import annotations

import os
import re
import threading
import time
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from rankdeck.run.layout import RunDir

FILE = "commands.jsonl"
_MOST_BYTES = 1 << 20
"""A file that has grown beyond this becomes `commands.jsonl.1`, in place of the one before."""
_MOST_TEXT = 4096
"""Characters of one command that are kept."""
_SAME_SECONDS = 600.0
"""A command that is repeated in this time with the same outcome is only counted."""
_MOST_REMEMBERED = 512
_SPACE = re.compile(r"(\s+)")
_ASSIGNED = re.compile(r"([\"']?)([A-Za-z_][A-Za-z0-9_]*)=(.+)", re.DOTALL)


class Executed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One command that was executed."""

    t: float
    """When it was started."""
    argv: tuple[str, ...]
    """Its words; secrets are replaced by `<hidden>`."""
    why: str
    """What for, in a few words."""
    host: str = ""
    """Where, if not on the machine that keeps the record."""
    seconds: float | None = None
    """How long it took; null: it was not waited for."""
    exit_code: int | None = None
    """What it exited with; null: it was not waited for, or gave no answer."""
    times: int = 1
    """How often, where the same was done again and again since the last record of it."""


class _Log:
    """The file that this process writes, and what it need not write again."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self.lock = threading.Lock()
        self.seen: dict[tuple[object, ...], tuple[float, int]] = {}

    def write(self, record: Executed) -> None:
        with self.lock:
            key = (record.argv, record.why, record.host, record.exit_code)
            last, skipped = self.seen.get(key, (0.0, 0))
            if record.t - last < _SAME_SECONDS:
                self.seen[key] = (last, skipped + 1)
                return
            if len(self.seen) >= _MOST_REMEMBERED:
                self.seen.clear()
            self.seen[key] = (record.t, 0)
            if skipped:
                record = msgspec.structs.replace(record, times=skipped + 1)
            path = self.path or _default_path()
            _append(path, msgspec.json.encode(record) + b"\n")


_log = _Log()


def keep_in(folder: Path | None) -> None:
    """Keep what this process executes in that folder; None: in the state directory."""
    with _log.lock:
        _log.path = folder / FILE if folder else None
        _log.seen.clear()


def executed(
    argv: Sequence[str],
    *,
    why: str,
    host: str = "",
    seconds: float | None = None,
    exit_code: int | None = None,
) -> None:
    """Record a command that was executed, now or `seconds` ago. Never raises.

    Args:
        argv: Its words, exactly as they were given; secrets are taken out here.
        why: What for, in a few words.
        host: Where, if not here.
        seconds: How long it took; None: it goes on.
        exit_code: What it exited with.
    """
    try:
        _log.write(
            Executed(
                t=round(time.time() - (seconds or 0.0), 3),
                argv=without_secrets(argv),
                why=why,
                host=host,
                seconds=None if seconds is None else round(seconds, 3),
                exit_code=exit_code,
            )
        )
    except (OSError, ValueError, TypeError):
        # a full disk or a foreign state directory must not keep anything from running
        return


def without_secrets(argv: Sequence[str]) -> tuple[str, ...]:
    """The words with everything taken out that looks like a secret, and no longer than is useful.

    Hidden are values of options and variables with a secret's name, also inside a word that is a
    command line of its own, and texts of the form of a known token.
    """
    words: list[str] = []
    room, previous = _MOST_TEXT, ""
    for word in argv:
        parts = _SPACE.split(os.fsdecode(word)[: room + 1])
        shown = []
        for part in parts:
            if part and not part.isspace():
                part, previous = _hide(part, previous), part
            shown.append(part)
        text = "".join(shown)
        words.append(text if len(text) <= room else text[:room] + "…")
        room -= len(text)
        if room <= 0:
            words[-1] += "" if words[-1].endswith("…") else " …"
            break
    return tuple(words)


def _hide(word: str, previous: str) -> str:
    from rankdeck.plan.redact import hidden_part
    from rankdeck.project.secrets import HIDDEN, is_secret

    found = _ASSIGNED.fullmatch(word)
    if found and is_secret(found[2], found[3]):
        return f"{found[1]}{found[2]}={HIDDEN}"
    kept = hidden_part(word, previous)
    return word if kept is None else kept + HIDDEN


def read_commands(paths: Iterable[Path]) -> tuple[Executed, ...]:
    """The records of these files, oldest first; what cannot be read is left out."""
    records: list[Executed] = []
    decoder = msgspec.json.Decoder(Executed)
    for path in paths:
        for name in (f"{path.name}.1", path.name):
            try:
                lines = path.with_name(name).read_bytes().splitlines()
            except OSError:
                continue
            for line in lines:
                try:
                    records.append(decoder.decode(line))
                except msgspec.DecodeError:
                    # a torn line, or of a later version
                    continue
    return tuple(sorted(records, key=lambda record: record.t))


def _quoted(word: str) -> str:
    """A word for a shell; one with control characters as `$'…'`, so that none can act."""
    import shlex

    if word.isprintable():
        return shlex.quote(word)
    escaped = "".join(
        char
        if char.isprintable() and char not in "\\'"
        else "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))
        for char in word
    )
    return f"$'{escaped}'"


class Logged(msgspec.Struct, frozen=True, kw_only=True):
    """A command, and whose it is."""

    run: str
    """Id of the run whose supervisor executed it; empty: a command or the deck did."""
    command: Executed

    @property
    def line(self) -> str:
        """The command as bash takes it, in printable characters."""
        # one that went over a connection is a shell's line already
        argv = self.command.argv
        if len(argv) == 1 and " " in argv[0] and argv[0].isprintable():
            return argv[0]
        return " ".join(map(_quoted, argv))


def read_logs(home: Path, runs: Iterable[RunDir]) -> tuple[Logged, ...]:
    """What was executed by commands, the deck and the supervisors of these runs, oldest first."""
    found = [Logged(run="", command=one) for one in read_commands([log_of_clients(home)])]
    for run in runs:
        found += [Logged(run=run.id, command=one) for one in read_commands([log_of(run)])]
    return tuple(sorted(found, key=lambda logged: logged.command.t))


def log_of(run: RunDir) -> Path:
    """Where a run's supervisors keep theirs."""
    return run.path / FILE


def log_of_clients(home: Path) -> Path:
    """Where commands and the deck keep theirs."""
    return home / FILE


def _default_path() -> Path:
    from rankdeck.run.layout import rankdeck_home

    return log_of_clients(rankdeck_home())


def _append(path: Path, line: bytes) -> None:
    # a state directory that nothing has made yet is not made for this
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600)
    try:
        os.write(descriptor, line)
        size = os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)
    if size > _MOST_BYTES:
        os.replace(path, path.with_name(f"{path.name}.1"))
