"""The courier's first step on a node, sent as text: checks the node's folder, stores the bundle.

Runs before anything of Rankdeck is there, so it imports nothing of it. Speaks lines of JSON, then
becomes the courier. Everything comes over standard input, nothing over the command line.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MARK = b"\0rankdeck-courier\0"


class StageError(Exception):
    """This node cannot be used: category, what is wrong, what to do."""

    def __init__(self, category: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.fields = (category, message, hint)


def problem_of(error: OSError, path: str) -> StageError:
    """How an error of the file system is told."""
    reason = os.strerror(error.errno or 0)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StageError(
            "disk-full", f"no space left for {path}", "free some, or choose another --node-dir"
        )
    return StageError("node-dir", f"{path}: {reason}", "choose another folder with --node-dir")


def private_dir(path: str) -> str:
    """Make `path` if it is not there; nobody else may read, write or replace it.

    Raises:
        StageError: It belongs to somebody else, is a link, or cannot be made.
    """
    hint = "choose another folder with --node-dir"
    try:
        if not os.path.lexists(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            # another courier may be faster: what it made is checked like any other
            with contextlib.suppress(FileExistsError):
                os.mkdir(path, 0o700)
        facts = os.lstat(path)
        if not stat.S_ISDIR(facts.st_mode):
            kind = "a symbolic link" if stat.S_ISLNK(facts.st_mode) else "no folder"
            raise StageError("node-dir", f"{path} is {kind}", hint)
        if facts.st_uid != os.geteuid():
            raise StageError("node-dir", f"{path} belongs to user {_user(facts.st_uid)}", hint)
        if facts.st_mode & 0o077:
            os.chmod(path, 0o700)
        around = os.stat(os.path.dirname(path))
        if around.st_mode & 0o022 and not around.st_mode & stat.S_ISVTX:
            place = os.path.dirname(path)
            raise StageError(
                "node-dir", f"others could replace {path}: {place} is theirs too", hint
            )
    except OSError as error:
        raise problem_of(error, path) from error
    return path


def write_private(path: str, data: bytes) -> None:
    """Replace a file (0600) as one.

    Raises:
        OSError: It cannot be written; the old file is untouched.
    """
    temporary = f"{path}.{os.getpid()}"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
        os.rename(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


def _user(number: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _say(**fields: Any) -> None:
    sys.stdout.buffer.write(json.dumps(fields).encode() + b"\n")
    sys.stdout.buffer.flush()


def _prepare(asked: dict[str, Any]) -> tuple[str, str]:
    """The node's root and the bundle in it.

    Raises:
        StageError: They cannot be had.
    """
    import zlib

    root = private_dir(os.path.expanduser(asked["root"]))
    bundle = f"{private_dir(f'{root}/agent')}/{asked['bundle']}"
    try:
        facts = os.lstat(bundle)
        there = stat.S_ISREG(facts.st_mode) and facts.st_size == asked["size"]
    except FileNotFoundError:
        there = False
    _say(have=there)
    if not there:
        packed = sys.stdin.buffer.read(asked["packed"])
        if len(packed) != asked["packed"]:
            sys.exit(0)  # the connection is gone
        try:
            write_private(bundle, zlib.decompress(packed))
        except OSError as error:
            raise problem_of(error, bundle) from error
    return root, bundle


def run() -> None:
    """Prepare the node and become the courier; exits the process."""
    sys.stdout.buffer.write(_MARK)
    try:
        asked = json.loads(sys.stdin.buffer.readline())
        root, bundle = _prepare(asked)
    except StageError as error:
        _say(problem=error.fields)
        sys.exit(0)
    sys.path.insert(0, bundle)
    from rankdeck.agent.courier import serve

    sys.exit(serve(root, bundle))
