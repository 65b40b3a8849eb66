"""The options of this backend, as data: reading them loads nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rankdeck.backend import BackendOption

if TYPE_CHECKING:
    from collections.abc import Mapping

OPTIONS: tuple[BackendOption, ...] = (
    BackendOption(
        name="mpirun",
        type="str",
        label="mpirun",
        help="The mpirun to use, of Open MPI or of MPICH (default: the one on $PATH)",
        metavar="PROGRAM",
    ),
    BackendOption(
        name="mpirun_arg",
        type="str",
        label="More arguments",
        help="Further arguments of mpirun, as `--prefix /opt/openmpi`",
        metavar="ARGUMENTS",
        repeatable=True,
    ),
    BackendOption(
        name="per_rank",
        type="bool",
        label="One process a rank",
        help="Let mpirun start every rank itself, for programs that use MPI",
        default=False,
    ),
    BackendOption(
        name="ssh_config",
        type="str",
        label="SSH configuration",
        help="Read this file instead of ~/.ssh/config",
        metavar="FILE",
    ),
    BackendOption(
        name="connect_timeout",
        type="float",
        label="Connect timeout",
        help="Seconds for mpirun's connection to a node (0: what the SSH configuration says)",
        default=8.0,
        metavar="SECONDS",
    ),
    BackendOption(
        name="start_timeout",
        type="float",
        label="Start timeout",
        help="Seconds by which mpirun must have started an agent on every node",
        default=60.0,
        metavar="SECONDS",
    ),
)


class MpiOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The same options, typed."""

    mpirun: str = ""
    mpirun_arg: str = ""
    """Line by line."""
    per_rank: bool = False
    ssh_config: str = ""
    connect_timeout: float = 8.0
    start_timeout: float = 60.0


def mpi_options(given: Mapping[str, str | int | float | bool]) -> MpiOptions:
    """From a job's or a plan's backend options.

    Raises:
        UserError: A value is of the wrong type.
    """
    from rankdeck.errors import UserError

    try:
        return msgspec.convert(dict(given), MpiOptions, strict=False)
    except msgspec.ValidationError as error:
        raise UserError(f"the options of the MPI backend: {error}") from error
