"""The job's setup lines: a shell runs them once per node, and everything gets what they export.

The text is a file, not an argument, so that no other user of the node can read it.
"""

from __future__ import annotations

import os
import signal
import time

from rankdeck.agent.inbox import FreshDirectory
from rankdeck.agent.problem import ProblemError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from typing import IO, Callable

    from rankdeck.agent.order import Order

SETUP_SECONDS = 120.0
_POLL = 0.05
_SHELLS = ("/bin/bash", "/usr/bin/bash", "/usr/local/bin/bash", "/bin/sh")
# what the shell that ran the lines says of itself
_OWN = ("_", "SHLVL", "PWD", "OLDPWD", "BASH_EXECUTION_STRING")
_LAST_LINES, _LAST_BYTES = 3, 2000
# a shell that is no login shell does not know the command that most setups consist of
_MODULES = """\
if ! command -v module >/dev/null 2>&1; then
    for _rankdeck_init in /etc/profile.d/modules.sh /etc/profile.d/z00_lmod.sh \\
        /etc/profile.d/lmod.sh "${MODULESHOME:-/usr/share/modules}/init/bash"; do
        if [ -r "$_rankdeck_init" ]; then set +e; . "$_rankdeck_init"; break; fi
    done
    unset _rankdeck_init
fi
"""


class InterruptedSetupError(Exception):
    """The node was told to stop while its setup ran."""


def run_setup(
    order: Order, environ: dict[str, str], log: str, told: Callable[[], bool]
) -> dict[str, str]:
    """Run the order's setup lines; what the environment is behind them.

    They stop at the first command that fails. Their output goes to `log`. `told`: whether a signal
    has asked for a stop, before or since, or the agent's guardian is gone.

    Raises:
        ProblemError: They failed, or took too long.
        InterruptedSetupError: A stop came in between.
        OSError: The node's directory cannot be written.
    """
    import tempfile

    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    with tempfile.TemporaryFile() as answer, open(os.open(log, flags, 0o600), "ab") as output:
        start = output.tell()
        process = _start(order, environ, answer, output)
        code = _wait(order, process, told)
        answer.seek(0)
        entries = answer.read().split(b"\0")[:-1]
    if code == 0 and entries:
        return _merged(entries, environ)
    if code is None:
        ended = f"took longer than {SETUP_SECONDS:.0f} s"
    elif code < 0:
        ended = f"were ended by {signal.Signals(-code).name}"
    elif code == 0:
        ended = "ended the shell they ran in"
    else:
        ended = f"failed with exit code {code}"
    said = _last_lines(log, start)
    raise ProblemError(
        "setup",
        f"the setup lines {ended} on {order.node}{f': {said}' if said else ''}",
        "the first command that fails ends them (`|| true` behind it allows it);"
        " their whole output is in launcher.log",
    )


def _start(
    order: Order, environ: dict[str, str], answer: IO[bytes], output: IO[bytes]
) -> subprocess.Popen[bytes]:
    import subprocess

    script = f"{order.attempt_dir}/setup.sh"
    os.makedirs(order.attempt_dir, exist_ok=True)
    with open(os.open(script, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(_script(order.setup, answer.fileno()))
    shell = next((path for path in _SHELLS if os.access(path, os.X_OK)), "sh")
    try:
        return subprocess.Popen(
            [shell, script],
            env=environ,
            cwd=order.cwd if os.path.isdir(order.cwd) else "/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=(answer.fileno(),),
            start_new_session=True,
        )
    except OSError as error:
        raise ProblemError("setup", f"{shell} cannot be run on {order.node}: {error}") from error


def _script(lines: str, descriptor: int) -> str:
    modules = _MODULES if "module" in lines else ""
    # `env` by its path: the lines may have left no usable $PATH
    return f"{modules}set -e\n{lines}\nset +e\n/usr/bin/env -0 >/dev/fd/{descriptor}\n"


def _wait(order: Order, process: subprocess.Popen[bytes], told: Callable[[], bool]) -> int | None:
    """The exit code as subprocess tells it; None: it took too long."""
    inbox = FreshDirectory(f"{order.node_dir}/control")
    deadline = time.monotonic() + SETUP_SECONDS
    try:
        while process.poll() is None:
            # without its guardian an agent ends everything; its loop does that
            if told() or _stop_waits(inbox):
                raise InterruptedSetupError
            if time.monotonic() > deadline:
                return None
            time.sleep(_POLL)
        return process.returncode
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _stop_waits(inbox: FreshDirectory) -> bool:
    inbox.refresh()
    try:
        return any(name.endswith(("-stop.json", "-kill.json")) for name in os.listdir(inbox.path))
    except OSError:
        return False


def _merged(entries: list[bytes], before: dict[str, str]) -> dict[str, str]:
    pairs = (os.fsdecode(entry).partition("=") for entry in entries)
    after = {name: value for name, _, value in pairs if name not in _OWN}
    after.update({name: before[name] for name in _OWN if name in before})
    return after


def _last_lines(log: str, start: int) -> str:
    with open(log, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(start, size - _LAST_BYTES))
        lines = [line.strip() for line in file.read().splitlines()]
    said = [line.decode("utf-8", "replace") for line in lines if line]
    return " | ".join(said[-_LAST_LINES:])
