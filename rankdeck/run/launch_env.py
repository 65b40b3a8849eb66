"""`launch-env.json`: the submitting shell's environment, kept private until the run has ended."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from rankdeck.run.process import host_name
from rankdeck.run.spawn import IDENTITY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rankdeck.run.layout import RunDir


class LaunchEnv(msgspec.Struct, frozen=True, kw_only=True):
    """Who started a run, where, and with which environment."""

    user: str
    cwd: str
    umask: int
    """What the ranks' files are made with; ours are always private."""
    environ: dict[str, str]
    """Each byte is one character (latin-1): an environment need not be text."""

    @classmethod
    def of(cls, cwd: Path, environ: Mapping[str, str]) -> LaunchEnv:
        """Record this environment, without the marks of a run it may itself be inside of."""
        return cls(
            user=f"{_user_name()}@{host_name()}",
            cwd=str(cwd).encode(errors="replace").decode(),
            umask=_umask(),
            environ={
                _to_bytes(name): _to_bytes(value)
                for name, value in environ.items()
                if name not in IDENTITY
            },
        )

    def variables(self) -> dict[str, str]:
        """The environment as `os.environ` would have it."""
        return {_to_text(name): _to_text(value) for name, value in self.environ.items()}


def write_launch_env(run: RunDir, launch_env: LaunchEnv) -> None:
    """Write it, readable by the user only.

    Raises:
        OSError: It cannot be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with open(os.open(run.launch_env, flags, 0o600), "wb") as stream:
        stream.write(msgspec.json.encode(launch_env))


def read_launch_env(run: RunDir) -> LaunchEnv | None:
    """Read it; None when it is gone or unreadable."""
    try:
        return msgspec.json.decode(run.launch_env.read_bytes(), type=LaunchEnv)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def remove_launch_env(run: RunDir) -> None:
    """Remove it: it may hold secrets, and nothing needs it when the run has ended."""
    with suppress(OSError):
        os.unlink(run.launch_env)


def _user_name() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _umask() -> int:
    # asking the kernel by setting it would change it for the other threads for a moment
    with open("/proc/self/status") as status:
        return next((int(line[6:], 8) for line in status if line.startswith("Umask:")), 0o077)


def _to_bytes(text: str) -> str:
    return os.fsencode(text).decode("latin-1")


def _to_text(text: str) -> str:
    return os.fsdecode(text.encode("latin-1"))
