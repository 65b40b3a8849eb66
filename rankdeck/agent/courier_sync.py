"""Receiver: makes a node's copy of the project what home says it shall be.

Only what is missing or different is asked for. What was never copied from home (outputs, caches)
is left alone; nothing is ever written through a link; every file is replaced as one.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import shutil
import stat
import struct
import time
import zlib

from rankdeck.agent.courier_stage import StageError, private_dir, problem_of, write_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

BLOCK_HEAD = struct.Struct("!IB")
BLOCK_LAST, BLOCK_TOUCH, BLOCK_SKIP = 1, 2, 4
"""LAST: the file is complete; TOUCH: only its time differs; SKIP: it is gone at home."""
_SECOND = 1_000_000_000
_STEP = 0.05
_HASH_READ = 1 << 20


class Receiver:
    """One project on its way here."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._place = ""
        self._entries: list[list[Any]] = []
        self._old: list[list[Any]] = []
        self._digest = ""
        self._lock: int | None = None
        self._folders: set[str] = set()
        self._open: tuple[int, int, str] | None = None
        self._failed = False
        self._work: Iterator[dict[str, Any] | None] | None = None

    @property
    def working(self) -> bool:
        """Whether `turn` has something to do."""
        return self._work is not None

    def manifest(self, fields: dict[str, Any]) -> dict[str, Any] | None:
        """What the project shall be; the answer, or None when `turn` will find it."""
        try:
            if not self._begin(fields["name"]):
                return {"say": "busy"}
            packed = fields.get("entries")
            if packed is None:
                self._work = self._unchanged(fields["digest"])
            else:
                self._digest = fields["digest"]
                self._entries = json.loads(zlib.decompress(base64.b64decode(packed)))
                self._work = self._compare()
        except (StageError, OSError) as error:
            return self._problem(error)
        return None

    def turn(self) -> dict[str, Any] | None:
        """Go on comparing for a moment; the answer, once there is one."""
        deadline = time.monotonic() + _STEP
        try:
            while self._work is not None and time.monotonic() < deadline:
                answer = next(self._work)
                if answer is not None:
                    self._work = None
                    return answer
        except (StageError, OSError) as error:
            self._work = None
            return self._problem(error)
        return None

    def content(self, block: bytes) -> dict[str, Any] | None:
        """Take a piece of a file; the last, empty piece is answered."""
        if self._failed:
            return None
        try:
            if block:
                self._take(block)
                return None
            self._finish()
        except (StageError, OSError, zlib.error) as error:
            return self._problem(error)
        return {"say": "done"}

    def _begin(self, name: str) -> bool:
        if "/" in name or name.startswith("."):
            raise StageError("sync", f"{name!r} is no name of a project")
        projects = private_dir(f"{self._root}/projects")
        if self._lock is None:
            lock = os.open(
                f"{projects}/.{name}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600
            )
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                return False
            self._lock = lock
        self._place = private_dir(f"{projects}/{name}")
        self._record = f"{projects}/.{name}.manifest"
        self._failed = False
        return True

    def close(self) -> None:
        """Let others copy."""
        if self._open is not None:
            os.close(self._open[1])
            self._open = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # Comparing

    def _unchanged(self, digest: str) -> Iterator[dict[str, Any] | None]:
        recorded, entries = self._recorded()
        same = recorded == digest
        for number, entry in enumerate(entries if same else ()):
            if self._state_of(entry) != "same":
                same = False
                break
            if number % 64 == 0:
                yield None
        if same:
            self.close()
        yield {"say": "done" if same else "entries"}

    def _compare(self) -> Iterator[dict[str, Any] | None]:
        self._old = self._recorded()[1]
        wanted, hashes = [], {}
        for number, entry in enumerate(self._entries):
            _check(entry)
            if number % 64 == 0:
                yield None
            if entry[1] != "f":
                continue
            state = self._state_of(entry)
            if state == "doubt":
                digest = hashlib.sha256()
                with open(self._path(entry), "rb") as file:
                    while data := file.read(_HASH_READ):
                        digest.update(data)
                        yield None
                hashes[str(number)] = digest.hexdigest()
            elif state != "same":
                wanted.append(number)
        yield {"say": "send", "wanted": wanted, "hashes": hashes}

    def _recorded(self) -> tuple[str, list[list[Any]]]:
        try:
            with open(self._record, "rb") as file:
                document = json.loads(zlib.decompress(file.read()))
            return document["digest"], document["entries"]
        except (OSError, ValueError, KeyError, zlib.error):
            return "", []

    def _state_of(self, entry: list[Any]) -> str:
        """`same`, `doubt` (only the time differs) or `other`."""
        try:
            facts = os.lstat(self._path(entry))
        except OSError:
            return "other"
        if entry[1] == "d":
            return "same" if stat.S_ISDIR(facts.st_mode) else "other"
        if entry[1] == "l":
            is_it = stat.S_ISLNK(facts.st_mode) and os.readlink(self._path(entry)) == entry[2]
            return "same" if is_it else "other"
        if not stat.S_ISREG(facts.st_mode) or facts.st_size != entry[2]:
            return "other"
        there, wanted = facts.st_mtime_ns, entry[3]
        # some file systems keep whole seconds only
        same = there == wanted or (there % _SECOND == 0 and there // _SECOND == wanted // _SECOND)
        if not same:
            return "doubt"
        return "same" if stat.S_IMODE(facts.st_mode) == entry[4] else "doubt"

    def _path(self, entry: list[Any]) -> str:
        return f"{self._place}/{entry[0]}"

    # Writing

    def _take(self, block: bytes) -> None:
        number, flags = BLOCK_HEAD.unpack_from(block)
        entry = self._entries[number]
        if flags & BLOCK_SKIP:
            self._abandon()
            return
        path = self._path(entry)
        if flags & BLOCK_TOUCH:
            os.chmod(path, entry[4])
            os.utime(path, ns=(entry[3], entry[3]))
            return
        if self._open is None or self._open[0] != number:
            self._abandon()
            self._make_parents(entry[0])
            temporary = f"{path}.rankdeck-{os.getpid()}"
            flags_ = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
            self._open = (number, os.open(temporary, flags_, 0o600), temporary)
        _, fd, temporary = self._open
        view = memoryview(zlib.decompress(block[BLOCK_HEAD.size :]))
        while view:
            view = view[os.write(fd, view) :]
        if flags & BLOCK_LAST:
            os.fchmod(fd, entry[4])
            os.close(fd)
            self._open = None
            os.utime(temporary, ns=(entry[3], entry[3]))
            self._replace(temporary, path)

    def _abandon(self) -> None:
        if self._open is not None:
            os.close(self._open[1])
            os.unlink(self._open[2])
            self._open = None

    def _replace(self, temporary: str, path: str) -> None:
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        os.rename(temporary, path)

    def _make_parents(self, relative: str) -> None:
        folder = os.path.dirname(relative)
        if folder and folder not in self._folders:
            self._make_parents(folder)
            self._make_folder(folder)

    def _make_folder(self, relative: str) -> None:
        if relative in self._folders:
            return
        path = f"{self._place}/{relative}"
        try:
            os.mkdir(path)
        except FileExistsError:
            if not stat.S_ISDIR(os.lstat(path).st_mode):
                os.unlink(path)
                os.mkdir(path)
        self._folders.add(relative)

    def _finish(self) -> None:
        self._abandon()
        kept = {entry[0] for entry in self._entries}
        for entry in sorted(self._old, reverse=True):
            if entry[0] not in kept:
                _check(entry)
                self._remove(entry)
        for entry in self._entries:
            if entry[1] == "d":
                self._make_parents(entry[0])
                self._make_folder(entry[0])
            elif entry[1] == "l" and self._state_of(entry) != "same":
                self._make_parents(entry[0])
                temporary = f"{self._path(entry)}.rankdeck-{os.getpid()}"
                os.symlink(entry[2], temporary)
                self._replace(temporary, self._path(entry))
        document = {"digest": self._digest, "entries": self._entries}
        write_private(self._record, zlib.compress(json.dumps(document).encode(), 1))
        self.close()

    def _remove(self, entry: list[Any]) -> None:
        # an enclosing folder that is a link by now leads to somebody else's files
        parts = entry[0].split("/")
        for depth in range(1, len(parts)):
            if os.path.islink(f"{self._place}/{'/'.join(parts[:depth])}"):
                return
        try:
            if entry[1] == "d":
                os.rmdir(self._path(entry))
            else:
                os.unlink(self._path(entry))
        except OSError:
            return  # gone already, or there is something in it that is not home's

    def _problem(self, error: Exception) -> dict[str, Any]:
        self._failed = True
        if isinstance(error, OSError):
            error = problem_of(error, str(error.filename or self._place))
        elif not isinstance(error, StageError):
            error = StageError("sync", f"the project arrived broken: {error}")
        try:
            self._abandon()
        except OSError:
            self._open = None
        self.close()
        return {"say": "problem", "problem": error.fields}


def _check(entry: list[Any]) -> None:
    """Refuse what would lie outside of the copy."""
    parts = entry[0].split("/")
    if not all(parts) or ".." in parts or "." in parts or "\0" in entry[0]:
        raise StageError("sync", f"{entry[0]!r} is no path of a project")
