"""Every JobSpec field as data: how it is spelled, read, explained and grouped.

The command line's options and the form are both built from `FIELDS`; `check_field` is what
either calls as the user types. Pure.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

import msgspec

from rankdeck.errors import Problem
from rankdeck.job import values
from rankdeck.job.spec import PassAs

if TYPE_CHECKING:
    from collections.abc import Callable


class Section(str, Enum):
    """The step of the new-job form a field belongs to."""

    PROJECT = "Project"
    HYPERPARAMETERS = "Hyperparameters"
    NODES = "Nodes"
    RESOURCES = "Resources"


class FieldKind(str, Enum):
    """How a field's text is read."""

    NAME = "name"
    TEXT = "text"
    FILE = "file"
    """A path to a file; `~` and relative paths are resolved."""
    DIRECTORY = "directory"
    PROGRAM = "program"
    """A path to a program, or the name of one on `$PATH`."""
    WHOLE = "whole"
    NPROC = "nproc"
    DURATION = "duration"
    SWITCH = "switch"
    CHOICE = "choice"
    WORDS = "words"
    """Arguments; text is split as a shell would."""
    LIST = "list"
    """Comma-separated."""
    MAPPING = "mapping"
    """`NAME=VALUE`, repeatable."""


PATH_KINDS = frozenset({FieldKind.FILE, FieldKind.DIRECTORY})


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a job."""

    name: str
    """The JobSpec field and `job.yaml` key."""
    option: str
    """`--nproc-per-node`; empty for what is given by position: the target and its arguments."""
    label: str
    kind: FieldKind
    section: Section
    help: str
    metavar: str = ""
    choices: tuple[str, ...] = ()
    """For CHOICE: what is allowed."""
    low: int = 0
    high: int | None = None
    low_allowed: bool = True
    """For DURATION: whether exactly `low` is allowed."""

    @property
    def repeatable(self) -> bool:
        """Whether the option may be given several times."""
        return self.kind is FieldKind.MAPPING

    def read(self, value: object) -> object:
        """The typed value. Raises ValueError with the rest of a sentence."""
        return _READERS[self.kind](self, value)


def _field(
    name: str, label: str, kind: FieldKind, section: Section, text: str, **more: Any
) -> Field:
    option = more.pop("option", "--" + name.replace("_", "-"))
    return Field(
        name=name, option=option, label=label, kind=kind, section=section, help=text, **more
    )


_P, _H, _N, _R = Section.PROJECT, Section.HYPERPARAMETERS, Section.NODES, Section.RESOURCES
_K = FieldKind

FIELDS: tuple[Field, ...] = (
    _field("name", "Name", _K.NAME, _P, "Name of the run (default: the project's name)."),
    _field(
        "project",
        "Project",
        _K.DIRECTORY,
        _P,
        "Project directory: the working directory of every rank.",
        option="",
        metavar="DIR",
    ),
    _field(
        "entry",
        "Entry",
        _K.TEXT,
        _P,
        "What to run, relative to the project (default: train.sh, else train.py).",
        option="",
        metavar="FILE",
    ),
    _field(
        "args",
        "Arguments",
        _K.WORDS,
        _P,
        "Arguments of the entry: everything after `--`.",
        option="",
        metavar="ARGS",
    ),
    _field(
        "launcher",
        "Launcher",
        _K.TEXT,
        _P,
        "torchrun, accelerate or deepspeed (a Python file), script (a train.sh that calls torchrun"
        " itself), direct (any program, once per rank), or msrun (a MindSpore program).",
    ),
    _field(
        "launcher_args",
        "Launch options",
        _K.WORDS,
        _P,
        "Options of the launcher itself, as `--mixed_precision bf16` of accelerate.",
        metavar="OPTIONS",
    ),
    _field(
        "python",
        "Python",
        _K.PROGRAM,
        _P,
        "Interpreter of the ranks (default: the active environment's).",
        metavar="PATH",
    ),
    _field(
        "setup",
        "Setup",
        _K.TEXT,
        _P,
        "Shell line run on every node first, as `module load cuda`; the ranks get what it exports.",
        metavar="LINE",
    ),
    _field(
        "dataset_dir",
        "Dataset",
        _K.DIRECTORY,
        _P,
        "$DATASET_DIR (default: <project>/dataset).",
        metavar="DIR",
    ),
    _field(
        "model_dir",
        "Model",
        _K.DIRECTORY,
        _P,
        "$MODEL_DIR (default: <project>/model).",
        metavar="DIR",
    ),
    _field(
        "output_dir",
        "Output",
        _K.DIRECTORY,
        _P,
        "$OUTPUT_DIR (default: <project>/output/<run id>).",
        metavar="DIR",
    ),
    _field(
        "hyperparameters",
        "Hyperparameters",
        _K.MAPPING,
        _H,
        "Set a hyperparameter.",
        option="--set",
        metavar="NAME=VALUE",
    ),
    _field(
        "pass_as",
        "Pass as",
        _K.CHOICE,
        _H,
        "How hyperparameters reach the entry (as environment variables, as --name value"
        " arguments, or both).",
        choices=tuple(way.value for way in PassAs),
    ),
    _field(
        "env",
        "Environment",
        _K.MAPPING,
        _H,
        "Set an environment variable for every rank.",
        metavar="NAME=VALUE",
    ),
    _field(
        "backend",
        "Backend",
        _K.TEXT,
        _N,
        "How agents get onto the nodes: local, ssh, slurm or mpi.",
    ),
    _field(
        "nnodes",
        "Nodes",
        _K.WHOLE,
        _N,
        "Number of nodes (default: every node of the inventory).",
        low=1,
        metavar="N",
    ),
    _field(
        "hostfile",
        "Hostfile",
        _K.FILE,
        _N,
        "File that lists the nodes, one a line (default: <project>/hostfile, if it is there).",
        metavar="FILE",
    ),
    _field("host", "Hosts", _K.LIST, _N, "The nodes, in rank order: a,b[1-3].", metavar="NODES"),
    _field(
        "include",
        "Include",
        _K.TEXT,
        _N,
        "Use only these nodes, in this order (a,b[1-3]), or slots of them (a:0,1@b:2).",
        metavar="NODES",
    ),
    _field(
        "exclude",
        "Exclude",
        _K.TEXT,
        _N,
        "Leave out these nodes (a,b[1-3]), or slots of them (a:0,1@b:2).",
        metavar="NODES",
    ),
    _field(
        "master_addr",
        "Master address",
        _K.TEXT,
        _N,
        "Address of rank 0's node as the others reach it (default: the first node).",
        metavar="ADDR",
    ),
    _field(
        "master_port",
        "Master port",
        _K.WHOLE,
        _N,
        "Rendezvous port (default: a free one, chosen at start).",
        low=1,
        high=65535,
        metavar="PORT",
    ),
    _field(
        "nproc_per_node",
        "Ranks per node",
        _K.NPROC,
        _R,
        "Ranks on each node: a number, or auto, gpu or cpu (default: 1).",
        metavar="N",
    ),
    _field(
        "time_limit",
        "Time limit",
        _K.DURATION,
        _R,
        "End the run after this long: 90, 10m, 2h30m, 1:30:00.",
        low_allowed=False,
        metavar="TIME",
    ),
    _field(
        "max_restarts",
        "Restarts",
        _K.WHOLE,
        _R,
        "Start again this many times after a failure (default: 0).",
        metavar="N",
    ),
    _field(
        "grace",
        "Grace",
        _K.DURATION,
        _R,
        "Time between TERM and KILL when the run is stopped (default: 10s).",
        metavar="TIME",
    ),
    _field(
        "hooks",
        "Traceback recorder",
        _K.SWITCH,
        _R,
        "Record uncaught exceptions of Python ranks (default: on).",
    ),
    _field(
        "backend_options",
        "Backend options",
        _K.MAPPING,
        _R,
        "Set an option of the backend.",
        option="--backend-option",
        metavar="NAME=VALUE",
    ),
)

_READERS: dict[FieldKind, Callable[[Field, object], object]] = {
    FieldKind.NAME: lambda field, value: values.read_name(value),
    FieldKind.TEXT: lambda field, value: values.read_text(value),
    FieldKind.FILE: lambda field, value: values.read_text(value),
    FieldKind.DIRECTORY: lambda field, value: values.read_text(value),
    FieldKind.PROGRAM: lambda field, value: values.read_text(value),
    FieldKind.WHOLE: lambda field, value: values.read_whole(value, field.low, field.high),
    FieldKind.NPROC: lambda field, value: values.read_nproc(value),
    FieldKind.DURATION: lambda field, value: values.read_duration(
        value, field.low, low_allowed=field.low_allowed
    ),
    FieldKind.SWITCH: lambda field, value: values.read_switch(value),
    FieldKind.CHOICE: lambda field, value: values.read_choice(value, field.choices),
    FieldKind.WORDS: lambda field, value: values.read_words(value, None),
    FieldKind.LIST: lambda field, value: values.read_words(value, ","),
    FieldKind.MAPPING: lambda field, value: values.read_mapping(value),
}

_BY_NAME = {field.name: field for field in FIELDS}


def field_named(name: str) -> Field:
    """The field of that JobSpec name. Raises KeyError when there is none."""
    return _BY_NAME[name]


def fields_of(section: Section) -> tuple[Field, ...]:
    """The fields of one section, in the order they are shown."""
    return tuple(field for field in FIELDS if field.section is section)


def check_field(name: str, text: str) -> Problem | None:
    """What is wrong with `text` as the value of one field; None when nothing is.

    Empty text means "not given" and is never wrong. For a MAPPING field, `text` is one
    `NAME=VALUE` assignment.
    """
    field = _BY_NAME[name]
    if not text:
        return None
    try:
        field.read(text)
    except ValueError as error:
        return Problem(str(error), key=field.label, field=name)
    return None


def option_of(field: str) -> str:
    """How the command line spells a field: `--set lr` for `hyperparameters.lr`."""
    name, _, key = field.partition(".")
    spelled = _BY_NAME[name].option or name
    return f"{spelled} {key}" if key else spelled
