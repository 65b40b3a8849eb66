"""The options that describe a job, made from tables: its fields and the backends' own options.

Shared by run, rerun, export and nodes. What a flag of a backend says goes into the draft's
`backend_options`; whether the chosen backend has it is the job's validation's matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rankdeck.cli.backend_flags import backend_flags, flag_spelling
from rankdeck.errors import InvalidJobError, Problem
from rankdeck.job.draft import JobDraft, Source
from rankdeck.job.fields import FIELDS, FieldKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rankdeck.backend import BackendOption
    from rankdeck.cli.backend_flags import BackendFlag
    from rankdeck.job.fields import Field

_METAVARS = {"str": "TEXT", "int": "N", "float": "X"}
_FLAG_PREFIX = "backend_option_"
# as `colossalai run` spells it
_SHORT = {"host": "-H"}
# a project, an entry and arguments are what is run, not options of how
_POSITIONAL = frozenset({"project", "entry", "args"})


def job_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command one option for every field of a job, and one for every backend's option."""
    for flag in reversed(backend_flags()):
        command = _backend_option(flag)(command)
    return field_options(*(field.name for field in FIELDS))(command)


def field_options(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command one option for each of these fields that is one."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for field in reversed(FIELDS):
            if field.name in names and field.name not in _POSITIONAL:
                command = _option(field)(command)
        return command

    return decorate


class JobCommand(click.Command):
    """A command with job options; its help has a heading for every backend's."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the options of each backend apart."""
        own: list[tuple[str, str]] = []
        others: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is None or isinstance(param, click.Argument):
                continue
            names = param.backends if isinstance(param, _BackendOption) else ()
            if names:
                others.setdefault(" and ".join(names), []).append(record)
            else:
                own.append(record)
        with formatter.section("Options"):
            formatter.write_dl(own)
        for name, records in others.items():
            with formatter.section(f"Options of the {name} backend{'s' * (' and ' in name)}"):
                formatter.write_dl(records)


class _BackendOption(click.Option):
    """A backend's option as a flag."""

    def __init__(self, *args: Any, backends: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.backends = backends


def _backend_option(flag: BackendFlag) -> Callable[[Any], Any]:
    option = flag.option
    names = [flag.spelling, _FLAG_PREFIX + option.name]
    more: dict[str, Any] = {"help": _help(option), "cls": _BackendOption}
    if option.type == "bool":
        names[0] = f"{flag.spelling}/--no-{flag.spelling.removeprefix('--')}"
        return click.option(*names, default=None, backends=flag.backends, **more)
    return click.option(
        *names,
        backends=flag.backends,
        multiple=option.repeatable,
        metavar=option.metavar or _METAVARS[option.type],
        shell_complete=_choices(option),
        **more,
    )


def _help(option: BackendOption) -> str:
    notes = []
    if option.choices:
        notes.append(", ".join(option.choices))
    if option.default not in (None, "", False):
        notes.append(f"default: {'on' if option.default is True else option.default}")
    if option.repeatable:
        notes.append("repeatable")
    return f"{option.help} ({'; '.join(notes)})" if notes else option.help


def _choices(option: BackendOption) -> Callable[..., list[Any]]:
    def complete(ctx: click.Context, param: click.Parameter, typed: str) -> list[Any]:
        return [choice for choice in option.choices if choice.startswith(typed)]

    return complete


def _option(field: Field) -> Callable[[Any], Any]:
    if field.kind is FieldKind.SWITCH:
        spelling = f"{field.option}/--no-{field.option.removeprefix('--')}"
        return click.option(spelling, field.name, default=None, help=field.help)
    names = [field.option, *([_SHORT[field.name]] if field.name in _SHORT else [])]
    return click.option(
        *names,
        field.name,
        multiple=field.repeatable,
        metavar=field.metavar or None,
        help=field.help,
        shell_complete=_completion(field),
    )


def _completion(field: Field) -> Callable[..., list[Any]] | None:
    from click.shell_completion import CompletionItem

    def complete(ctx: click.Context, param: click.Parameter, typed: str) -> list[Any]:
        if field.kind is FieldKind.DIRECTORY:
            return [CompletionItem(typed, type="dir")]
        if field.kind in {FieldKind.FILE, FieldKind.PROGRAM}:
            return [CompletionItem(typed, type="file")]
        known = list(field.choices)
        if field.name == "backend":
            from rankdeck.backend import backend_names

            known = list(backend_names())
        elif field.name == "launcher":
            from rankdeck.launchers.base import launcher_names

            known = list(launcher_names())
        return [name for name in known if name.startswith(typed)]

    return complete


def draft_from(options: dict[str, Any], args: Sequence[str] = ()) -> JobDraft:
    """A draft of what the options say.

    Raises:
        InvalidJobError: A `NAME=VALUE` has no `=`; all of them are told.
    """
    given: dict[str, Any] = {}
    problems: list[Problem] = []
    sources: dict[str, Source] = {}
    for field in FIELDS:
        value = options.get(field.name)
        if value is None or value == ():
            continue
        if field.repeatable:
            given[field.name], wrong = _mapping(field, value)
            problems += wrong
        else:
            given[field.name] = value
    flags = _given_flags(options)
    named = given.get("backend_options", {})
    for name in flags:
        spelling = flag_spelling(name)
        sources[f"backend_options.{name}"] = Source(key=spelling)
        if name in named:
            problems.append(Problem(f"is also given by --backend-option {name}", key=spelling))
    if problems:
        raise InvalidJobError(tuple(problems))
    if flags:
        given["backend_options"] = {**named, **flags}
    return JobDraft(**given, args=tuple(args) or None, sources=sources)


def _given_flags(options: dict[str, Any]) -> dict[str, Any]:
    """What flags of backends say, by option; several values of one are lines."""
    return {
        name.removeprefix(_FLAG_PREFIX): "\n".join(value) if isinstance(value, tuple) else value
        for name, value in options.items()
        if name.startswith(_FLAG_PREFIX) and value is not None and value != ()
    }


def _mapping(field: Field, items: Sequence[str]) -> tuple[dict[str, str], list[Problem]]:
    pairs: dict[str, str] = {}
    problems: list[Problem] = []
    for item in items:
        name, equals, value = item.partition("=")
        if not equals:
            problems.append(Problem(f"needs NAME=VALUE (got {item!r})", key=field.option))
        pairs[name] = value
    return pairs, problems


def split_at_target(command: click.Command, args: list[str]) -> list[str]:
    """Put `--` behind a target that is a script, as torchrun and `colossalai run` read it.

    `rankdeck run [options] train.py --lr 1` passes `--lr 1` to the script; behind a project
    folder or a job file the options are still ours. `--` without a target stands for the project
    in the current directory.
    """
    index = _first_word(command, args)
    if index is None:
        return args
    if args[index] == "--":
        return [*args[:index], ".", *args[index:]]
    if not _is_script(args[index]):
        return args
    rest = args[index + 1 :]
    if rest[:1] == ["--"]:
        return args
    _tell_misplaced(command, rest)
    return [*args[: index + 1], "--", *rest]


def _first_word(command: click.Command, args: list[str]) -> int | None:
    takes_value = {
        name: not (isinstance(param, click.Option) and (param.is_flag or param.count))
        for param in command.params
        for name in (*param.opts, *param.secondary_opts)
    }
    index = 0
    while index < len(args):
        word = args[index]
        if not word.startswith("-") or word in ("-", "--"):
            return index
        name = word.replace("_", "-") if word.startswith("--") else word[:2]
        has_value = "=" in word if word.startswith("--") else len(word) > 2
        wants = takes_value.get(name.partition("=")[0], False)
        index += 1 if has_value or not wants else 2
    return None


def _is_script(target: str) -> bool:
    from pathlib import Path

    return not target.endswith((".yaml", ".yml")) and not Path(target).is_dir()


def _tell_misplaced(command: click.Command, rest: Sequence[str]) -> None:
    ours = {name for param in command.params for name in param.opts if name.startswith("--")}
    for word in rest:
        name = word.partition("=")[0].replace("_", "-")
        if name in ours:
            click.echo(
                f"rankdeck: note: {word.partition('=')[0]} stands behind the script and is passed"
                " to it; options of rankdeck come first",
                err=True,
            )
            return
