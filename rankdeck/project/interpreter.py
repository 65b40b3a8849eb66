"""Which Python runs the ranks. Looks at files only; never starts an interpreter."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rankdeck.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_VERSION = re.compile(r"^__version__\s*(?::\s*\w+\s*)?=\s*['\"]([^'\"]+)['\"]", re.MULTILINE)


def find_interpreter(
    explicit: str | None,
    environ: Mapping[str, str],
    cwd: Path | None = None,
    *,
    elsewhere: bool = False,
) -> str:
    """The interpreter of the ranks: `explicit`, else the likeliest one that has torch.

    Tried in order: the active virtual environment, the active conda environment, the Python that
    runs Rankdeck, `python3` on `$PATH`. If none has torch, the first that exists.

    Args:
        explicit: What the user named.
        environ: Where the active environments and `$PATH` are looked up.
        cwd: What a relative `explicit` is relative to.
        elsewhere: The ranks run on other machines: a full path that is not here may be there.

    Raises:
        UserError: `explicit` is not there or cannot be executed, or there is no Python at all.
    """
    if explicit is not None:
        if elsewhere and os.path.isabs(explicit) and not os.path.lexists(explicit):
            return os.path.normpath(explicit)
        return _explicit(explicit, environ, cwd or Path.cwd())
    found = list(dict.fromkeys(_candidates(environ)))
    for path in found:
        if _torch_file(path) is not None:
            return path
    if not found:
        raise UserError("no Python interpreter was found", "choose one with --python")
    return found[0]


def torch_version(python: str) -> str | None:
    """The version of torch that this interpreter would import; None when it has none."""
    version_file = _torch_file(python)
    if version_file is None:
        return None
    try:
        match = _VERSION.search(version_file.read_text(errors="replace"))
    except OSError:
        return None
    return match.group(1) if match else "of unknown version"


def package_version(python: str, name: str) -> str | None:
    """The version of a package that this interpreter would import; None when it has none."""
    for folder in _site_folders(Path(python)):
        for place in folder.glob(f"{name}-*.dist-info"):
            return place.name[len(name) + 1 :].removesuffix(".dist-info")
    return None


def _explicit(given: str, environ: Mapping[str, str], cwd: Path) -> str:
    if "/" in given:
        path = os.path.abspath(os.path.join(cwd, os.path.expanduser(given)))
        if os.path.isdir(path):
            raise UserError(f"{path} is a directory, not a Python interpreter")
        if not os.path.exists(path):
            raise UserError(f"there is no Python interpreter at {path}")
        if not os.access(path, os.X_OK):
            raise UserError(f"{path} cannot be executed", f"chmod +x {path}")
        return path
    from shutil import which

    found = which(given, path=environ.get("PATH"))
    if found is None:
        raise UserError(f"there is no {given!r} on PATH", "give the interpreter's full path")
    return os.path.abspath(found)


def _candidates(environ: Mapping[str, str]) -> Iterator[str]:
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        prefix = environ.get(variable)
        if prefix and os.access(path := os.path.join(prefix, "bin", "python"), os.X_OK):
            yield path
    if sys.executable:
        yield sys.executable
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        if folder and os.access(path := os.path.join(folder, "python3"), os.X_OK):
            yield os.path.abspath(path)
            return


def _torch_file(python: str) -> Path | None:
    for folder in _site_folders(Path(python)):
        version_file = folder / "torch" / "version.py"
        if version_file.is_file():
            return version_file
    return None


def _site_folders(python: Path) -> Iterator[Path]:
    prefix = python.parent.parent
    config = prefix / "pyvenv.cfg"
    own_only = False
    if config.is_file():
        settings = _settings(config)
        own_only = settings.get("include-system-site-packages", "false").lower() != "true"
        yield from prefix.glob("lib/python3*/site-packages")
        prefix = Path(settings.get("home", str(prefix / "bin"))).parent
    else:
        prefix = Path(os.path.realpath(python)).parent.parent
    if own_only:
        return
    yield from Path("~/.local").expanduser().glob("lib/python3*/site-packages")
    yield from prefix.glob("lib/python3*/site-packages")
    if str(prefix) == "/usr":
        yield from Path("/usr/local").glob("lib/python3*/dist-packages")
        yield Path("/usr/lib/python3/dist-packages")


def _settings(config: Path) -> dict[str, str]:
    try:
        lines = config.read_text(errors="replace").splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines)
    return {key.strip().lower(): value.strip() for key, _, value in pairs}
