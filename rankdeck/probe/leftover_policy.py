"""Which processes of runs are leftovers, and of which runs. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

UNKNOWN = "unknown"


class FoundProcess(msgspec.Struct, frozen=True):
    """A process that carries a run's id."""

    pid: int
    start: int
    """When it started, in ticks since the machine's boot; with the pid it names the process."""
    run: str
    node: str
    """What the run calls the node."""
    agent: bool
    """Whether it is a run's agent."""
    command: str
    """Hostile text: sanitise before showing."""


class Found(msgspec.Struct, frozen=True):
    """What a probe of leftovers prints."""

    found: tuple[FoundProcess, ...]
    left: tuple[int, ...]
    """Of those that were to be ended, the pids that stay."""


class Leftover(msgspec.Struct, frozen=True, kw_only=True):
    """One process that nothing looks after any more."""

    host: str
    process: FoundProcess
    why: str
    """The state in which its run ended, or `UNKNOWN`: it is not among the runs here."""


def leftovers(
    host: str,
    found: Sequence[FoundProcess],
    ended: Mapping[str, str],
    living: Collection[str],
    only: Collection[str] | None = None,
) -> tuple[Leftover, ...]:
    """The processes on a host that should be gone.

    Args:
        host: Where they were found.
        found: Every process there that carries a run's id.
        ended: Runs here that have ended, and their state.
        living: Runs here that have not ended: what belongs to them stays.
        only: Only these runs; None: all.

    A run that is not known here may belong to another state directory, or another login node: as
    long as its agent lives, that looks after its processes.
    """
    guarded = {process.run for process in found if process.agent and process.run not in ended}
    return tuple(
        Leftover(host=host, process=process, why=ended.get(process.run, UNKNOWN))
        for process in found
        if process.run not in living
        and process.run not in guarded
        and (only is None or process.run in only)
    )


def read_found(output: bytes) -> Found | None:
    """What a probe has printed; None: nothing that can be understood."""
    for line in reversed(output.splitlines()):
        try:
            return msgspec.json.decode(line, type=Found)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    return None
