"""What can be known to fail before anything starts. Each check raises a ProblemError."""

from __future__ import annotations

import errno
import os
import stat
import sys

from rankdeck.agent.problem import ProblemError
from rankdeck.agent.reserve import is_full

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rankdeck.agent.order import Order


_SAME_PATH = "the project must be at the same path on every node; over SSH, --sync copies it there"


def check_order(order: Order, environ: dict[str, str]) -> str:
    """Run every check of an order except the port's.

    Returns the package that its launcher needs, with its version as far as files tell it.

    Raises:
        ProblemError: The first thing found wrong.
    """
    if not os.path.isdir(order.cwd):
        raise ProblemError(
            "entry",
            f"the project folder {order.cwd} does not exist on {order.node}",
            _SAME_PATH,
        )
    if order.entry is not None:
        _check_entry(order, order.entry)
    module = ""
    if order.requires_module is not None:
        module = _check_module(order, order.requires_module, environ)
    if order.output_dir is not None:
        _make_output(order, order.output_dir)
    return module


def _check_entry(order: Order, entry: str) -> None:
    path = os.path.join(order.cwd, entry)
    try:
        with open(path, "rb") as file:
            head = file.read(65536)
    except OSError as error:
        if error.errno == errno.ENOENT:
            reason, hint = "does not exist", _SAME_PATH
        else:
            reason, hint = f"cannot be read: {error}", ""
        raise ProblemError("entry", f"{path} {reason} on {order.node}", hint) from error
    is_shell = not path.endswith(".py") and order.launcher == "script"
    if b"\r\n" in (head if is_shell else head[: head.find(b"\n") + 1]) and (
        is_shell or (head.startswith(b"#!") and _is_program(order, path))
    ):
        raise ProblemError(
            "entry",
            f"{path} has Windows line endings (CRLF), which a shell cannot run",
            f"convert it: sed -i 's/\\r$//' {path}",
        )
    if _is_program(order, path) and not os.access(path, os.X_OK):
        raise ProblemError("entry", f"{path} is not executable", f"allow it: chmod +x {path}")


def _is_program(order: Order, path: str) -> bool:
    return os.path.join(order.cwd, order.argv[0]) == path


def _check_module(order: Order, module: str, environ: dict[str, str]) -> str:
    top = module.partition(".")[0]
    relative = module.replace(".", "/")
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    prefix = os.path.dirname(os.path.dirname(order.python))
    places = [
        f"{prefix}/lib/{version}/site-packages",
        *filter(None, environ.get("PYTHONPATH", "").split(":")),
        *sys.path,
    ]
    for place in places:
        base = f"{place}/{relative}"
        if os.path.exists(f"{base}.py") or os.path.exists(f"{base}/__init__.py"):
            return _with_version(top, place)
    if _interpreter_finds(order, module, environ):
        return top
    category = "no-torchrun" if top == "torch" else "no-module"
    what = "torchrun (package torch)" if top == "torch" else module
    raise ProblemError(
        category,
        f"{order.python} on {order.node} has no {what}",
        f"install {top} there, or choose another interpreter with --python",
    )


def _with_version(package: str, place: str) -> str:
    # importing a package only to ask it may take seconds
    try:
        with open(f"{place}/{package}/version.py", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("__version__"):
                    return f"{package} {line.partition('=')[2].strip()[1:-1][:40]}"
    except OSError:
        pass  # many have no such file
    return package


def _interpreter_finds(order: Order, module: str, environ: dict[str, str]) -> bool:
    # the file is not where packages usually are: only the interpreter itself knows its finders
    import subprocess

    code = (
        "import importlib.util, os, sys\n"
        "names = sys.argv[1].split('.')\n"
        "spec = importlib.util.find_spec(names[0])\n"
        "places = list(spec.submodule_search_locations or ()) if spec else []\n"
        "found = bool(spec) and (len(names) == 1 or any(os.path.exists(base + end)\n"
        "    for base in (os.path.join(p, *names[1:]) for p in places)\n"
        "    for end in ('.py', '/__init__.py')))\n"
        "sys.exit(not found)\n"
    )
    try:
        done = subprocess.run(
            [order.python, "-c", code, module],
            env=environ,
            cwd=order.cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ProblemError(
            "spawn", f"{order.python} on {order.node} cannot be run: {error}"
        ) from error
    return done.returncode == 0


def _make_output(order: Order, directory: str) -> None:
    # agents of other nodes do the same in the same folder, and their pids may be alike
    probe = f"{directory}/.rankdeck-{order.node}-{os.getpid()}"
    try:
        for name in ("tensorboard", "checkpoint"):
            os.makedirs(f"{directory}/{name}", exist_ok=True)
        # permission bits tell little about network file systems: only writing tells
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR))
        os.unlink(probe)
    except OSError as error:
        if is_full(error):
            raise disk_full(directory) from error
        reason = os.strerror(error.errno or 0)
        raise ProblemError(
            "output-dir",
            f"the output directory {directory} is not writable on {order.node}: {reason}",
            "choose another with --output-dir",
        ) from error


def disk_full(path: str) -> ProblemError:
    """The problem that a file system has no room left."""
    return ProblemError(
        "disk-full",
        f"no space left on the file system of {path}",
        "free some space or raise the quota, then run again",
    )
