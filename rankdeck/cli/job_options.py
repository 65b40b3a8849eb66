"""The options that describe a job, made from the field table; shared by run, rerun and export."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rankdeck.errors import InvalidJobError, Problem
from rankdeck.job.draft import JobDraft
from rankdeck.job.fields import FIELDS, FieldKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rankdeck.job.fields import Field

# as `colossalai run` spells it
_SHORT = {"host": "-H"}
# a project, an entry and arguments are what is run, not options of how
_POSITIONAL = frozenset({"project", "entry", "args"})


def job_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command one option for every field of a job."""
    for field in reversed(FIELDS):
        if field.name not in _POSITIONAL:
            command = _option(field)(command)
    return command


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
    for field in FIELDS:
        value = options.get(field.name)
        if value is None or value == ():
            continue
        if field.repeatable:
            given[field.name], wrong = _mapping(field, value)
            problems += wrong
        else:
            given[field.name] = value
    if problems:
        raise InvalidJobError(tuple(problems))
    return JobDraft(**given, args=tuple(args) or None)


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
    folder or a job file the options are still ours.
    """
    index = _first_positional(command, args)
    if index is None or "--" in args[:index]:
        return args
    if not _is_script(args[index]):
        return args
    rest = args[index + 1 :]
    if rest[:1] == ["--"]:
        return args
    _tell_misplaced(command, rest)
    return [*args[: index + 1], "--", *rest]


def _first_positional(command: click.Command, args: list[str]) -> int | None:
    takes_value = {
        name: not (isinstance(param, click.Option) and (param.is_flag or param.count))
        for param in command.params
        for name in (*param.opts, *param.secondary_opts)
    }
    index = 0
    while index < len(args):
        word = args[index]
        if word == "--":
            return None
        if not word.startswith("-") or word == "-":
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
