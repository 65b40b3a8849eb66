"""The single checks of `rankdeck doctor`. Each looks, changes nothing, and never raises."""

from __future__ import annotations

import fcntl
import os
import platform
import resource
import shutil
import socket
import sys
import tempfile

from rankdeck import __version__
from rankdeck.cli.doctor import FAIL, OK, WARN, Finding
from rankdeck.cli.text import size
from rankdeck.errors import UserError
from rankdeck.run.layout import rankdeck_home
from rankdeck.run.store import RunStore

_GIB = 1024**3


def versions() -> Finding:
    """Which Rankdeck runs on which Python."""
    detail = f"rankdeck {__version__}, Python {platform.python_version()} ({sys.executable})"
    return Finding("versions", OK, detail)


def state_directory() -> Finding:
    """Whether the state directory is there, ours, private and writable."""
    home = rankdeck_home()
    try:
        RunStore(home).ensure()
        with tempfile.TemporaryFile(dir=home):
            pass
    except UserError as error:
        return Finding("state directory", FAIL, error.message, error.hint)
    except OSError as error:
        advice = "set RANKDECK_HOME to a directory you can write"
        return Finding("state directory", FAIL, f"{home}: {error.strerror}", advice)
    return Finding("state directory", OK, str(home))


def state_space() -> Finding:
    """Whether there is room for logs and records."""
    try:
        facts = os.statvfs(rankdeck_home())
    except OSError as error:
        return Finding("free space", WARN, f"cannot be told: {error.strerror}")
    free, inodes = facts.f_bavail * facts.f_frsize, facts.f_favail
    detail = f"{size(free)} and {inodes} inodes free for logs"
    if free < _GIB or (facts.f_files and inodes < 10_000):
        return Finding("free space", WARN, detail, "`rankdeck rm` deletes finished runs")
    return Finding("free space", OK, detail)


def file_locks() -> Finding:
    """Whether record locks work where the runs are (they keep supervisors apart)."""
    try:
        with tempfile.TemporaryFile(dir=rankdeck_home()) as probe:
            fcntl.lockf(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        advice = (
            "put RANKDECK_HOME on a file system with working locks (NFS needs its lock service)"
        )
        return Finding("file locks", FAIL, f"do not work: {error.strerror}", advice)
    return Finding("file locks", OK, "work")


def rank_interpreter(explicit: str | None) -> Finding:
    """Which Python the ranks would get."""
    from rankdeck.project.interpreter import find_interpreter

    try:
        path = find_interpreter(explicit, dict(os.environ))
    except UserError as error:
        return Finding("interpreter of the ranks", FAIL, error.message, error.hint)
    return Finding("interpreter of the ranks", OK, path)


def torchrun(explicit: str | None) -> Finding:
    """Whether that interpreter has torch; looked for on disk, not imported."""
    from rankdeck.project.interpreter import find_interpreter, torch_version

    try:
        path = find_interpreter(explicit, dict(os.environ))
    except UserError as error:
        return Finding("torchrun", WARN, f"not looked for: {error.message}")
    version = torch_version(path)
    if version is None:
        advice = "install torch there, or choose another interpreter with --python"
        return Finding("torchrun", WARN, f"no torch in {path}", advice)
    return Finding("torchrun", OK, f"torch {version}")


def other_launchers(explicit: str | None) -> Finding:
    """Which packages of other launchers that interpreter has; none is needed."""
    from rankdeck.launchers.base import launcher_names, load_launcher
    from rankdeck.project.interpreter import find_interpreter, package_version

    try:
        path = find_interpreter(explicit, dict(os.environ))
    except UserError as error:
        return Finding("other launchers", WARN, f"not looked for: {error.message}")
    needed = (load_launcher(name).requires_module for name in launcher_names())
    packages = [name for name in needed if name and "." not in name]
    found = {name: package_version(path, name) for name in packages}
    there = [f"{name} {version}" for name, version in found.items() if version]
    missing = [name for name, version in found.items() if not version]
    parts = [", ".join(there), f"not installed: {', '.join(missing)}" if missing else ""]
    return Finding("other launchers", OK, "; ".join(filter(None, parts)))


def shared_memory() -> Finding:
    """Size of /dev/shm: data loaders and gloo need it."""
    try:
        facts = os.statvfs("/dev/shm")
    except OSError as error:
        return Finding("/dev/shm", WARN, f"cannot be told: {error.strerror}")
    free = facts.f_bavail * facts.f_frsize
    if free < _GIB:
        advice = "data loader workers may die with a bus error; fewer workers, or a larger /dev/shm"
        return Finding("/dev/shm", WARN, f"{size(free)} free", advice)
    return Finding("/dev/shm", OK, f"{size(free)} free")


def open_files() -> Finding:
    """The limit on open files; each rank's log is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 1024:
        return Finding(
            "open files", WARN, f"limit {soft} (hard {hard})", "raise it: ulimit -n 4096"
        )
    return Finding("open files", OK, f"limit {soft}")


def loopback() -> Finding:
    """Whether this host's own name resolves and loopback works; local runs meet there."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname(), timeout=2).close()
    except OSError as error:
        return Finding("loopback", FAIL, f"127.0.0.1 does not work: {error.strerror}")
    try:
        address = socket.gethostbyname(socket.gethostname())
    except OSError:
        advice = "gloo warns and starts slowly; add the name to /etc/hosts"
        return Finding("loopback", WARN, f"{socket.gethostname()} does not resolve", advice)
    return Finding("loopback", OK, f"works; {socket.gethostname()} is {address}")


def kernel() -> Finding:
    """Whether exit statuses of ranks can be seen exactly."""
    if not sys.platform.startswith("linux"):
        return Finding("kernel", FAIL, f"{sys.platform}: the agent needs Linux")
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        advice = "exit codes of torchrun's ranks come from its report instead"
        return Finding("kernel", WARN, f"{platform.release()} has no pidfd", advice)
    return Finding("kernel", OK, f"Linux {platform.release()}")


def terminal() -> Finding:
    """Whether the interface would work here."""
    if not sys.stdout.isatty():
        return Finding("terminal", WARN, "stdout is not a terminal; the interface would not open")
    columns, rows = os.get_terminal_size(1)
    detail = f"{os.environ.get('TERM', 'unknown')}, {columns}×{rows}"
    if columns < 80 or rows < 24:
        return Finding("terminal", WARN, detail, "80×24 is the smallest comfortable size")
    if "utf" not in (sys.stdout.encoding or "").lower():
        return Finding("terminal", WARN, f"{detail}, {sys.stdout.encoding}", "use a UTF-8 locale")
    return Finding("terminal", OK, detail)


def clipboard() -> Finding:
    """How copying would reach the user's clipboard."""
    if os.environ.get("TMUX"):
        if shutil.which("tmux") is None:
            return Finding("clipboard", WARN, "inside tmux, but no tmux command on PATH")
        return Finding("clipboard", OK, "through tmux (load-buffer -w)")
    return Finding("clipboard", OK, "by OSC 52, if the terminal allows it")


def plugins() -> Finding:
    """Which backends and launchers are installed."""
    from importlib.util import find_spec

    from rankdeck.backend import backend_names
    from rankdeck.launchers.base import launcher_names

    detail = f"backends: {', '.join(backend_names())}; launchers: {', '.join(launcher_names())}"
    if find_spec("textual") is None:
        return Finding("plug-ins", FAIL, f"{detail}; textual is not installed", "install it again")
    return Finding("plug-ins", OK, detail)


def own_files() -> Finding:
    """Whether the user's settings and keys count in full."""
    from rankdeck.cli.deck import keymap_problems
    from rankdeck.config.folder import config_folder
    from rankdeck.config.settings import load_settings

    folder = config_folder()
    problems = (*load_settings(folder, os.environ).problems, *keymap_problems(folder))
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        advice = problems[0].hint or "`rankdeck config check` lists what does not count"
        return Finding("settings and keys", WARN, f"{problems[0]}{more}", advice)
    return Finding("settings and keys", OK, str(folder))
