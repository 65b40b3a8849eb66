"""JobSpec: what to run, as the user described it. Immutable; knows nothing of nodes or runs."""

from __future__ import annotations

from enum import Enum

import msgspec


class PassAs(str, Enum):
    """How hyperparameters reach the entry."""

    ENV = "env"
    """As environment variables of their own name (the platform's contract)."""
    ARGS = "args"
    """As `--name value` arguments after the entry's own arguments."""
    BOTH = "both"


class JobSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One training job, resolved against its project but not against nodes.

    Paths are absolute. Every field has the name of its `job.yaml` key and, with `-` for `_`,
    of its command-line option.
    """

    name: str
    entry: str
    """The file to run (`train.py`, `train.sh`), or the program for the direct launcher."""
    project: str
    """Directory that is the working directory of every rank; also `$PROJECT_DIR`."""
    args: tuple[str, ...] = ()
    launcher: str = "torchrun"
    launcher_args: tuple[str, ...] = ()
    """Options of the launcher itself, passed on as they are (`--mixed_precision bf16`)."""
    backend: str = "local"
    python: str | None = None
    """Interpreter of the ranks; None: found by `rankdeck.project.interpreter`."""

    nnodes: int | None = None
    """None: every node the inventory gives."""
    nproc_per_node: int | str = 1
    """A number, or `auto`, `gpu` or `cpu` as torchrun means them."""
    hostfile: str | None = None
    host: tuple[str, ...] = ()
    include: str | None = None
    exclude: str | None = None
    master_addr: str | None = None
    master_port: int | None = None
    """None: a free port chosen on the master node when the run starts."""

    hyperparameters: dict[str, str] = msgspec.field(default_factory=dict)
    """Name to canonical text value, already validated against `HyperParameters.json`."""
    pass_as: PassAs = PassAs.ENV
    env: dict[str, str] = msgspec.field(default_factory=dict)

    setup: str | None = None
    """Shell lines run on every node before anything else (`module load cuda`); what they export,
    the launcher and the ranks get."""

    dataset_dir: str | None = None
    model_dir: str | None = None
    output_dir: str | None = None
    """None: `<project>/output/<run id>`."""

    time_limit: float | None = None
    """Seconds of wall-clock time for the whole run, restarts included."""
    max_restarts: int = 0
    grace: float = 10.0
    """Seconds between TERM and KILL when the run is stopped."""
    hooks: bool = True
    """Load Rankdeck's traceback recorder into Python ranks (a `sitecustomize` that chains)."""
    backend_options: dict[str, str | int | float | bool] = msgspec.field(default_factory=dict)
    """Options of the chosen backend, by the names its self-description gives."""
