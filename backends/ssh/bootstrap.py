"""The beginning of a connection: from a login shell to a running courier, by one exec.

The command line holds nothing but the names of interpreters and one line of Python that reads
the rest from standard input. It works in any login shell: no quotes inside the single ones, no
line ends, no exclamation marks.
"""

from __future__ import annotations

import re
import zlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from backends.ssh.link import LinkError, LinkFault
from rankdeck.agent import courier_frames as wire
from rankdeck.errors import ExitCode, UserError

if TYPE_CHECKING:
    from backends.ssh.frames import CourierLine

_NO_PYTHON = 97
_SAFE = re.compile(r"[A-Za-z0-9_@%+=:,./ -]+")
_USUAL = (
    "python3",
    "python",
    "/usr/bin/python3",
    "/usr/local/bin/python3",
    "/opt/conda/bin/python3",
    "/usr/libexec/platform-python",
)
_CHECK = "import sys;sys.exit(sys.version_info<(3,8))"
_FIRST = "import sys;exec(sys.stdin.buffer.read(int(sys.stdin.buffer.readline())))"


class NodeError(UserError):
    """This node cannot be used, though it can be reached.

    Attributes:
        category: As in `NotPlaced`.
    """

    def __init__(self, category: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint, exit_code=ExitCode.UNUSABLE)
        self.category = category


class Hello(msgspec.Struct, frozen=True):
    """What a courier says of itself first."""

    version: int
    pid: int
    host: str
    boot: str
    python: str
    time: float


class PackedBundle(msgspec.Struct, frozen=True):
    """The agent as it is sent to nodes that have none."""

    name: str
    size: int
    data: bytes
    """Deflated."""


class _Answer(msgspec.Struct, frozen=True):
    have: bool | None = None
    problem: tuple[str, str, str] | None = None


def pack_bundle(path: Path) -> PackedBundle:
    """Read and deflate the bundle."""
    data = path.read_bytes()
    return PackedBundle(path.name, len(data), zlib.compress(data, 6))


def courier_command(python: str) -> str:
    """What the login shell is asked to run; `python` is tried first, unless its name is odd."""
    places = [f'"{python}"'] if _SAFE.fullmatch(python) else []
    # the name may be relative to the job's own search path: then the usual ones serve
    places += [name for name in _USUAL if name != python]
    run = '"$p" -I -S -c'
    return (
        f"exec /bin/sh -c 'for p in {' '.join(places)}; do "
        f'{run} "{_CHECK}" </dev/null >/dev/null 2>&1 && exec {run} "{_FIRST}"; '
        f"done; exit {_NO_PYTHON}'"
    )


def begin_courier(line: CourierLine, node: str, root: str, bundle: PackedBundle) -> Hello:
    """Talk to the first stage until the courier says hello.

    Raises:
        NodeError: The node cannot be used; with category and path.
        LinkError: The connection broke.
    """
    stage = _stage()
    asked = {
        "root": root,
        "bundle": bundle.name,
        "size": bundle.size,
        "packed": len(bundle.data),
    }
    # a shell that refuses may end before it is asked: what it said, and its status, tell more
    with suppress(LinkError):
        line.send(b"%d\n%s%s\n" % (len(stage), stage, msgspec.json.encode(asked)))
    noise = line.until(wire.MARK)
    if not _answer(line, node, noise).have:
        line.send(bundle.data)
    return _hello(line, node)


def _hello(line: CourierLine, node: str) -> Hello:
    # the stage answers once more when it could not store the bundle: that begins like JSON, and
    # no frame does
    told = line.until_frame(b"{")
    if told:
        raise _problem(node, told)
    while True:
        for kind, payload in line.frames():
            if kind != wire.HELLO:
                raise NodeError("ssh-login", f"{node}: the courier does not say hello")
            hello = msgspec.json.decode(payload, type=Hello)
            if hello.version != wire.VERSION:
                raise NodeError("ssh-login", f"{node}: a courier of version {hello.version}")
            return hello


def _answer(line: CourierLine, node: str, noise: bytes) -> _Answer:
    text = line.until(b"\n")
    if not text:
        raise _never_began(line, node, noise)
    return _checked(node, text)


def _checked(node: str, text: bytes) -> _Answer:
    try:
        answer = msgspec.json.decode(text, type=_Answer)
    except msgspec.DecodeError as error:
        raise NodeError("ssh-login", f"{node}: the first stage says {text[:200]!r}") from error
    if answer.problem is not None:
        category, message, hint = answer.problem
        raise NodeError(category, f"{node}: {message}", hint)
    return answer


def _problem(node: str, text: bytes) -> UserError:
    try:
        _checked(node, text)
    except NodeError as error:
        return error
    return NodeError("ssh-login", f"{node}: the first stage says {text[:200]!r}")


def _never_began(line: CourierLine, node: str, noise: bytes) -> UserError:
    status, words = line.end()
    if status == _NO_PYTHON:
        return NodeError(
            "no-python",
            f"{node} has no Python 3.8 or newer",
            "install one there, or say where it is with --python",
        )
    shown = words or noise[-2000:].decode("utf-8", "replace").strip().rpartition("\n")[2]
    if status is None:
        told = f": {shown[:200]}" if shown else ""
        return LinkError(LinkFault.LOST, f"{node}: the connection was closed at once{told}")
    return NodeError(
        "ssh-login",
        f"{node}: the login shell ended with status {status}"
        + (f", its last words: {shown[:200]}" if shown else ""),
        f"try: ssh {node} /bin/sh -c true",
    )


def _stage() -> bytes:
    import rankdeck.agent

    path = Path(rankdeck.agent.__file__).with_name("courier_stage.py")
    return path.read_bytes() + b"\nrun()\n"
