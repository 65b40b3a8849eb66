"""The options of this backend, as data: reading them loads nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rankdeck.backend import BackendOption

if TYPE_CHECKING:
    from collections.abc import Mapping

OPTIONS: tuple[BackendOption, ...] = (
    BackendOption(
        name="transport",
        type="str",
        label="SSH client",
        help="What connects: the paramiko library, or the ssh program",
        default="paramiko",
        choices=("paramiko", "openssh"),
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
        help="Seconds for one connection, login included",
        default=10.0,
        metavar="SECONDS",
    ),
    BackendOption(
        name="node_dir",
        type="str",
        label="Folder on the nodes",
        help="A folder on each node's own disk; rankdeck-USER is made in it",
        default="/tmp",
        metavar="DIR",
    ),
    BackendOption(
        name="sync",
        type="bool",
        label="Copy the project",
        help="Copy the project to every node before the run, what .gitignore names left out",
        default=False,
    ),
    BackendOption(
        name="carry_rate",
        type="float",
        label="Log rate",
        help="Megabytes of logs a second that each node may send home at most",
        default=32.0,
        metavar="MB",
    ),
    BackendOption(
        name="unreachable_after",
        type="float",
        label="Unreachable after",
        help="Seconds after which a node that cannot be heard counts as lost",
        default=90.0,
        metavar="SECONDS",
    ),
)


class SshOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The same options, typed."""

    transport: str = "paramiko"
    ssh_config: str = ""
    connect_timeout: float | None = None
    """None: what SSH's own configuration says, or 10 s."""
    node_dir: str = "/tmp"
    sync: bool = False
    carry_rate: float = 32.0
    unreachable_after: float = 90.0


def ssh_options(given: Mapping[str, str | int | float | bool]) -> SshOptions:
    """From a job's or a plan's backend options.

    Raises:
        UserError: A value is of the wrong type.
    """
    from rankdeck.errors import UserError

    try:
        return msgspec.convert(dict(given), SshOptions, strict=False)
    except msgspec.ValidationError as error:
        raise UserError(f"the options of the SSH backend: {error}") from error
