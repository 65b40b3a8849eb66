"""What reading a command line is made of: arguments, tables of options, and the job as it grows.

Every launcher's options are a table of `Opt`; each says what becomes of the option. An option that
has no equivalent is told in a note, or refused with what to do instead.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from rankdeck.errors import UserError
from rankdeck.job import values
from rankdeck.job.command_line_shell import refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LOCAL_ADDRESSES = frozenset({"127.0.0.1", "localhost", "::1", "0.0.0.0"})


class Arg(msgspec.Struct, frozen=True, kw_only=True):
    """One word of a command, as far as it is known."""

    text: str
    line: int = 0
    unknown: tuple[str, ...] = ()
    """Variables in it that only the environment knows."""
    computed: bool = False
    """Whether a part of it is worked out by a shell."""
    glob: bool = False
    option: str = ""
    """The option whose value it is, as written."""

    @property
    def known(self) -> bool:
        """Whether the text is what the program would get."""
        return not self.unknown and not self.computed


class Growing:
    """The job as read so far; refuses what contradicts itself."""

    def __init__(self, cwd: str) -> None:
        self.cwd = cwd
        self.fields: dict[str, Any] = {}
        self.said_by: dict[str, str] = {}
        self.options: dict[str, Any] = {}
        self.env: dict[str, str] = {}
        self.launcher_args: list[str] = []
        self.as_torchrun = False
        """Whether torchrun is wanted in place of accelerate and deepspeed."""
        self.setup: list[str] = []
        self.notes: list[str] = []
        self.tasks: int | None = None
        """All processes that srun or mpirun starts."""
        self.tasks_per_node: int | None = None
        self.starter = ""
        """srun or mpirun, where that is what starts the command."""
        self.batch = False
        """Whether it is a batch script (`#SBATCH`)."""
        self.cpus_per_task: int | None = None
        self.form = ""
        """`module` or `program` where the entry is no Python file (`-m`, `--no-python`)."""
        self.one_task_a_rank = False
        """Whether srun or mpirun starts the ranks themselves, not a launcher on each node."""
        self.later: list[Callable[[], None]] = []
        """What can be said only when the whole text has been read."""

    def note(self, text: str) -> None:
        """Tell something once."""
        if text not in self.notes:
            self.notes.append(text)

    def set(self, field: str, value: object, said: str, *, over: bool = False) -> None:
        """Give a field its value.

        Raises:
            UserError: It has another one already, from something else on the line.
        """
        before = self.fields.get(field)
        if before is not None and before != value and not over:
            raise UserError(
                f"{said} says {value}, but {self.said_by[field]} says {before}",
                "change one of them in the text",
            )
        self.fields[field] = value
        self.said_by[field] = said

    def whole(self, arg: Arg, low: int = 1, high: int | None = None) -> int:
        """The number an argument is. Raises UserError naming it."""
        text = self.known(arg, "put a number there").text
        try:
            return values.read_whole(text, low, high)
        except ValueError as error:
            raise UserError(f"line {arg.line}: {arg.option}: {error}") from None

    def known(self, arg: Arg, hint: str) -> Arg:
        """The argument, if its text is what it will be. Raises UserError naming what is missing."""
        if arg.computed:
            why = f"({arg.option}) would be worked out by a shell, and is not"
            raise refusal(arg.line, arg.text, why, hint)
        if arg.unknown:
            names = " and ".join(f"${name}" for name in arg.unknown)
            why = f"({arg.option}) depends on {names}, which is not known here"
            raise refusal(arg.line, arg.text, why, hint)
        return arg

    def path(self, text: str) -> str:
        """A path as it is from the directory of the command."""
        return os.path.normpath(os.path.join(self.cwd, os.path.expanduser(text)))


class Opt(msgspec.Struct, frozen=True):
    """One option of a launcher."""

    names: tuple[str, ...]
    """As it may be spelled, with `-` for `_`; `--fsdp-*` is every option that begins so."""
    do: Callable[[Growing, Arg], None]
    takes: int = 1
    """Words that follow; -1: a value only behind `=`."""


Table = dict[str, Opt]


def table(*options: Opt) -> Table:
    """By every spelling."""
    return {name: option for option in options for name in option.names}


# -- what options become --------------------------------------------------------------------


def opt(names: str, do: Callable[[Growing, Arg], None], takes: int = 1) -> Opt:
    """An option; `names` separated by spaces."""
    return Opt(tuple(names.split()), do, takes)


def whole(names: str, field: str, low: int = 1, high: int | None = None) -> Opt:
    """A number that is a field of the job."""
    return opt(names, lambda job, arg: job.set(field, job.whole(arg, low, high), arg.option))


def text(names: str, field: str) -> Opt:
    """A text that is a field of the job."""

    def do(job: Growing, arg: Arg) -> None:
        job.set(field, job.known(arg, "write it out").text, arg.option)

    return opt(names, do)


def flag(names: str) -> Opt:
    """A switch that changes nothing here."""
    return opt(names, lambda job, arg: None, 0)


def skip(names: str, takes: int = 1) -> Opt:
    """An option that Rankdeck sets itself, so that nothing need be said."""
    return opt(names, lambda job, arg: None, takes)


def noted(names: str, why: str, takes: int = 1) -> Opt:
    """An option that is left out; `why` is said."""
    return opt(names, lambda job, arg: job.note(f"{shown(arg)} is left out: {why}"), takes)


def refused(names: str, why: str, hint: str, takes: int = 1) -> Opt:
    """An option without which the job would be another one."""

    def do(job: Growing, arg: Arg) -> None:
        raise refusal(arg.line, arg.option, why, hint)

    return opt(names, do, takes)


def as_env(names: str, variable: str, value: str | None = None, takes: int = 1) -> Opt:
    """An option that is an environment variable of the ranks."""

    def do(job: Growing, arg: Arg) -> None:
        text = value if value is not None else job.known(arg, "write it out").text
        job.env[variable] = text
        job.note(f"{shown(arg)} becomes the variable {variable}={text}")

    return opt(names, do, takes)


def kept(names: str, takes: int = 1) -> Opt:
    """An option that is passed on to the launcher."""

    def do(job: Growing, arg: Arg) -> None:
        words = (arg.option, job.known(arg, "write it out").text) if takes else (arg.option,)
        job.launcher_args += words

    return opt(names, do, takes)


def shown(arg: Arg) -> str:
    """The option with its value, for a note."""
    return f"{arg.option} {arg.text}".strip() if arg.text != arg.option else arg.option


# -- reading --------------------------------------------------------------------------------


def read_options(
    job: Growing,
    args: Sequence[Arg],
    known: Table,
    *,
    program: str,
    abbreviated: bool = False,
    clustered: bool = False,
) -> list[Arg]:
    """Give every option its effect; returns what follows the options.

    Args:
        job: What grows.
        args: The words behind the program.
        known: Its options.
        program: Its name, for errors.
        abbreviated: Whether `--nproc` may stand for `--nproc-per-node` (argparse).
        clustered: Whether `-N4` is `-N 4`.

    Raises:
        UserError: An option is not known, or its value is missing or cannot be.
    """
    rest = list(args)
    while rest and rest[0].text.startswith("-") and rest[0].text != "-":
        word = rest.pop(0)
        if word.text == "--":
            break
        name, equals, value = word.text.partition("=")
        found = _find(name, known, abbreviated=abbreviated)
        given: Arg | None = msgspec.structs.replace(word, text=value) if equals else None
        if found is None and clustered and not name.startswith("--"):
            found = known.get(name[:2])
            if found is not None and found.takes:
                given = msgspec.structs.replace(word, text=word.text[2:].removeprefix("="))
                name = name[:2]
        if found is None:
            raise _unknown(word, name, known, program)
        _apply(job, found, name, word, given, rest)
    return rest


def for_torchrun(
    job: Growing, args: Sequence[Arg], known: Table, *, abbreviated: bool = False
) -> bool:
    """Whether a line becomes a job without its own launcher: it was asked for, or must be.

    The launchers start Python files: modules and other programs are started otherwise.
    """
    probe = Growing(job.cwd)
    read_options(probe, args, known, program="", abbreviated=abbreviated)
    return job.as_torchrun or bool(probe.form)


def _apply(
    job: Growing, found: Opt, name: str, word: Arg, given: Arg | None, rest: list[Arg]
) -> None:
    taken: list[Arg] = [] if given is None else [given]
    while len(taken) < found.takes:
        if not rest:
            raise refusal(word.line, name, "needs a value")
        taken.append(rest.pop(0))
    unknown = tuple(item for arg in taken for item in arg.unknown)
    joined = Arg(
        text=" ".join(arg.text for arg in taken),
        line=word.line,
        unknown=unknown,
        computed=any(arg.computed for arg in taken),
        option=name,
    )
    found.do(job, joined)


def _find(name: str, known: Table, *, abbreviated: bool) -> Opt | None:
    spelled = name.replace("_", "-") if name.startswith("--") else name
    if found := known.get(spelled) or known.get(name):
        return found
    families = (known[key] for key in known if key.endswith("*") and spelled.startswith(key[:-1]))
    if found := next(families, None):
        return found
    if abbreviated and spelled.startswith("--"):
        near = {id(known[other]): known[other] for other in known if other.startswith(spelled)}
        if len(near) == 1:
            return next(iter(near.values()))
    return None


def _unknown(word: Arg, name: str, known: Iterable[str], program: str) -> UserError:
    from difflib import get_close_matches

    near = get_close_matches(name.replace("_", "-"), list(known), 1)
    hint = f"did you mean {near[0]}?" if near else "leave it out of the text"
    return refusal(word.line, name, f"is no option of {program} that is known", hint)


def divided(total: int, parts: int, what: str) -> int:
    """`total / parts`. Raises UserError where that is no whole number."""
    if parts < 1 or total % parts:
        raise UserError(
            f"{what} are {total}, which is not the same number on each of {parts} nodes",
            "Rankdeck starts as many ranks on every node: change the numbers in the text",
        )
    return total // parts


def nodes_for(total: int, per_node: int, what: str) -> int:
    """How many nodes `total` ranks fill. Raises UserError where the last would not be full."""
    if per_node < 1 or total % per_node:
        raise UserError(
            f"{what} are {total}, which does not fill nodes of {per_node}",
            "Rankdeck starts as many ranks on every node: change the numbers in the text",
        )
    return total // per_node
