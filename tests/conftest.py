"""Keeps the developer's own machine out of every test, and every test off the machine.

Each test gets an empty home and state directory and an environment without a terminal
multiplexer, an SSH session, a scheduler, a locale of its own or a launcher's variables. At the
end of the session no process that a test started may be left.
"""

from __future__ import annotations

import os
import signal
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_SESSION_VARIABLE = "RANKDECK_TEST_SESSION"
_AT_A_TERMINAL = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGQUIT: signal.SIG_DFL,
    signal.SIGHUP: signal.SIG_DFL,
}
# in the background of a script, or behind nohup, they are ignored, and would be in all that is
# started here
for _number, _handler in _AT_A_TERMINAL.items():
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)

_FOREIGN_PREFIXES = (
    "COLORTERM",
    "CONDA_",
    "FORCE_COLOR",
    "LC_",
    "MASTER_",
    "NO_COLOR",
    "OMPI_",
    "PET_",
    "PMI",
    "RANKDECK_",
    "SLURM_",
    "SSH_",
    "TEXTUAL_",
    "TMUX",
    "TORCHELASTIC_",
    "XDG_",
)
_FOREIGN_NAMES = frozenset(
    {
        "COLUMNS",
        "DATASET_DIR",
        "GROUP_RANK",
        "LANGUAGE",
        "LINES",
        "LOCAL_RANK",
        "LOCAL_WORLD_SIZE",
        "MODEL_DIR",
        "NNODES",
        "NODE_RANK",
        "NPROC_PER_NODE",
        "OMP_NUM_THREADS",
        "OUTPUT_DIR",
        "PROJECT_DIR",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONFAULTHANDLER",
        "PYTHONPATH",
        "PYTHONUNBUFFERED",
        "PYTHON_EXEC",
        "RANK",
        "SCRIPT_DIR",
        "VIRTUAL_ENV",
        "WORLD_SIZE",
    }
)


def _foreign(name: str) -> bool:
    if name.startswith("TEXTUAL_SNAPSHOT_"):
        # the snapshot plugin of this very session
        return False
    return name in _FOREIGN_NAMES or name.startswith(_FOREIGN_PREFIXES)


def _processes_of(session: str) -> dict[int, str]:
    """Living processes that inherited this test session's mark, with their command lines."""
    mark = f"{_SESSION_VARIABLE}={session}".encode()
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # a zombie has an empty environment here, so it is never found
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(entry.name)] = words.decode(errors="replace").strip()
        except OSError:
            continue
    return found


@pytest.fixture(scope="session", autouse=True)
def no_process_is_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Mark everything the tests start; fail at the end if any of it still runs."""
    session = uuid.uuid4().hex
    with pytest.MonkeyPatch.context() as environment:
        for name in filter(_foreign, tuple(os.environ)):
            environment.delenv(name)
        home = tmp_path_factory.mktemp("session-home")
        environment.setenv("HOME", str(home))
        environment.setenv("RANKDECK_HOME", str(home / "rankdeck"))
        environment.setenv("LANG", "C.UTF-8")
        environment.setenv("TERM", "xterm-256color")
        environment.setenv(_SESSION_VARIABLE, session)
        yield
    deadline = time.monotonic() + 60.0
    while (left := _processes_of(session)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if left:
        listing = "\n".join(f"  {pid}: {command}" for pid, command in left.items())
        pytest.fail(f"the tests left these processes running:\n{listing}", pytrace=False)


@pytest.fixture(autouse=True)
def private_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home of this test's own; `$RANKDECK_HOME` lies in it and does not exist yet."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("RANKDECK_HOME", str(home / "rankdeck"))
    return home
