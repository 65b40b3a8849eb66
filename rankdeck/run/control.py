"""The run's inbox: a command is a file dropped into `control/`; the supervisor answers by event."""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING

import msgspec

from rankdeck.errors import ExitCode, UserError
from rankdeck.run.files import read_regular, write_all

if TYPE_CHECKING:
    from rankdeck.run.layout import RunDir

SIGNALS = (
    *("SIGHUP", "SIGINT", "SIGQUIT", "SIGABRT", "SIGTERM", "SIGKILL"),
    *("SIGUSR1", "SIGUSR2", "SIGALRM", "SIGSTOP", "SIGCONT"),
)
"""What ranks can be sent."""
STACKS = "SIGSTACKS"
"""No signal of the kernel's: ranks that can are asked to write down their stacks."""
_MAX_COMMAND_BYTES = 64 * 1024
_MAX_GRACE = 86_400.0


class RunCommandKind(str, Enum):
    """What can be asked of a run's supervisor."""

    STOP = "stop"
    """TERM to every rank, the grace, KILL, verify."""
    KILL = "kill"
    """KILL at once, verify."""
    SIGNAL = "signal"
    """Send `signal` to ranks, and to nothing else."""


class RunCommand(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file in a run's `control/`."""

    command: RunCommandKind
    grace: float | None = None
    signal: str = ""
    """`SIGUSR1` and the like, with SIGNAL."""
    ranks: tuple[int, ...] = ()
    """With SIGNAL: to these; none: to every rank."""
    reason: str = ""
    by: str = ""
    """`user@host` of whoever asked."""
    time: float = 0.0


def send_command(run: RunDir, command: RunCommand) -> None:
    """Drop a command into the run's inbox; complete or not at all.

    Raises:
        UserError: The inbox cannot be written to.
    """
    # names sort in the order in which commands were given
    name = f"{time.time_ns():020d}-{os.getpid()}-{command.command.value}.json"
    temporary = run.control / f".{name}.tmp"
    try:
        run.control.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            write_all(descriptor, msgspec.json.encode(command))
        except OSError as error:
            # on a full disk an empty file still fits; its name says what is wanted
            if error.errno != errno.ENOSPC:
                raise
            os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)
        temporary.rename(run.control / name)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise UserError(
            f"{run.control}: the command could not be left there: {error.strerror}",
            exit_code=ExitCode.UNUSABLE,
        ) from error


_DECODER = msgspec.json.Decoder(RunCommand)


class InboxItem(msgspec.Struct, frozen=True):
    """One file found in an inbox."""

    file: str
    command: RunCommand | None
    fault: str = ""
    """Why it is not a command."""


def read_inbox(run: RunDir) -> list[InboxItem]:
    """Every command waiting, oldest first. Whatever lies there, this does not fail."""
    try:
        names = sorted(name for name in os.listdir(run.control) if not name.startswith("."))
    except OSError:
        return []
    return [_read_item(run, name) for name in names]


def discard(run: RunDir, file: str) -> None:
    """Remove a file from the inbox; what cannot be removed stays, and is answered only once."""
    with suppress(OSError):
        os.unlink(run.control / file)


def _command_by_name(name: str) -> RunCommand:
    kind = name.removesuffix(".json").rpartition("-")[2]
    return msgspec.convert({"command": kind}, RunCommand)


def _read_item(run: RunDir, name: str) -> InboxItem:
    try:
        content = read_regular(run.control / name, limit=_MAX_COMMAND_BYTES)
        command = _DECODER.decode(content) if content else _command_by_name(name)
    except OSError as error:
        return InboxItem(name, None, error.strerror or str(error))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return InboxItem(name, None, f"not a command: {error}")
    if command.command is RunCommandKind.SIGNAL and command.signal not in (*SIGNALS, STACKS):
        return InboxItem(name, None, f"{command.signal!r} is none of {', '.join(SIGNALS)}")
    if command.grace is not None and not 0 <= command.grace <= _MAX_GRACE:
        return InboxItem(name, None, f"a grace of {command.grace:g} s is not possible")
    return InboxItem(name, command)
