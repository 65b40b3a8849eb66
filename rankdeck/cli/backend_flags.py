"""The shipped backends' options as flags of their own: which there are, and how they are spelled.

Only the option tables are read. Backends from other packages have no flags: finding those costs
more than starting a local run, so their options are given by `--backend-option`.
"""

from __future__ import annotations

import msgspec

from rankdeck.backend import BackendOption, backend_options, shipped_backends
from rankdeck.job.fields import FIELDS

_TAKEN = frozenset({"--detach", "--dry-run", "--json", "--help", "--script", "--node", "--version"})
"""What the commands have themselves."""


class BackendFlag(msgspec.Struct, frozen=True, kw_only=True):
    """One flag; backends that have an option of the same name share it."""

    spelling: str
    option: BackendOption
    backends: tuple[str, ...]


def backend_flags() -> tuple[BackendFlag, ...]:
    """Every flag, by backend.

    An option that is spelled like a field of the job has none: `--backend-option` reaches it.
    """
    taken = _TAKEN | {field.option for field in FIELDS}
    flags: dict[str, BackendFlag] = {}
    for backend in shipped_backends():
        for option in backend_options(backend):
            spelling = flag_spelling(option.name)
            if spelling in taken:
                continue
            earlier = flags.get(option.name)
            backends = (*(earlier.backends if earlier else ()), backend)
            first = earlier.option if earlier else option
            flags[option.name] = BackendFlag(spelling=spelling, option=first, backends=backends)
    return tuple(flags.values())


def flag_spelling(name: str) -> str:
    """`cpus_per_task` as a flag: `--cpus-per-task`."""
    return "--" + name.replace("_", "-")
