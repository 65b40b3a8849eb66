"""`scaffold`: a project directory that trains at once, copied from a template."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from rankdeck.errors import UserError

_TEMPLATES = {
    "ddp": "a small GPT, trained by DistributedDataParallel under torchrun",
    "script": "a train.sh that calls torchrun itself (the project contract of the platforms)",
    "direct": "any program, started once per rank; needs no torch",
    "accelerate": "a small network, trained with Accelerate under accelerate launch",
    "deepspeed": "a small network, trained with DeepSpeed under its own launcher",
    "msrun": "a small network, trained with MindSpore under msrun",
}
_LEFT_OUT = ("output", "__pycache__", "*.pyc", ".*")


def template_names() -> tuple[str, ...]:
    """The templates there are, the default first."""
    return tuple(_TEMPLATES)


def template_title(name: str) -> str:
    """One line about a template. Raises KeyError when there is none of that name."""
    return _TEMPLATES[name]


def scaffold(directory: Path, template: str) -> tuple[Path, ...]:
    """Copy a template into `directory` and return the files made, relative to it.

    Raises:
        UserError: No such template, the directory holds something already, or it cannot be
            written.
    """
    if template not in _TEMPLATES:
        names = ", ".join(_TEMPLATES)
        raise UserError(f"there is no project template {template!r}", f"templates: {names}")
    source = _source(template)
    if os.path.lexists(directory) and not directory.is_dir():
        raise UserError(f"{directory} is not a directory")
    try:
        if directory.is_dir() and any(directory.iterdir()):
            raise UserError(f"{directory} is not empty", "name a new directory")
        directory.mkdir(parents=True, exist_ok=True)
        shutil.copytree(
            source,
            directory,
            dirs_exist_ok=True,
            copy_function=_copy,
            ignore=shutil.ignore_patterns(*_LEFT_OUT),
        )
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"{directory} cannot be written: {reason}") from error
    made = (path for path in directory.rglob("*") if path.is_file())
    return tuple(sorted(path.relative_to(directory) for path in made))


def _source(template: str) -> Path:
    """Templates lie in the package; in a checkout, `ddp` is the example it is built from."""
    packaged = Path(__file__).parent / "templates" / template
    if packaged.is_dir():
        return packaged
    checkout = Path(__file__).parents[2] / "examples" / "gpt"
    if template == "ddp" and checkout.is_dir():
        return checkout
    raise UserError(f"the project template {template!r} is missing from this installation")


def _copy(source: str, target: str) -> None:
    # an installed file may be read-only; the copy is the user's own
    shutil.copyfile(source, target)
    mode = 0o755 if os.access(source, os.X_OK) or target.endswith(".sh") else 0o644
    umask = os.umask(0)
    os.umask(umask)
    os.chmod(target, mode & ~umask)
