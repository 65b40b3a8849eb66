"""`rankdeck config`: where the user's own settings and keys are, what they say, what is wrong."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from rankdeck.cli.common import json_option, print_json
from rankdeck.cli.text import paint, shown, table
from rankdeck.config.folder import config_folder
from rankdeck.errors import ExitCode

if TYPE_CHECKING:
    from rankdeck.config.settings import LoadedSettings
    from rankdeck.errors import Problem


@click.group("config")
def config_command() -> None:
    """Your own settings and keys: config.yaml and keymap.yaml."""


@config_command.command("path")
def path_command() -> None:
    """Print the folder of your settings, keys, templates and workspaces."""
    click.echo(config_folder())


@config_command.command("show")
@json_option
def show_command(as_json: bool) -> None:
    """Show every setting as it holds now."""
    import msgspec

    loaded = _load()
    values = msgspec.structs.asdict(loaded.settings)
    if as_json:
        print_json({"folder": str(config_folder()), "settings": values})
        return
    rows = []
    for name, value in values.items():
        text = "\n".join(value) if isinstance(value, tuple) else _word(value)
        by = f"  (by ${loaded.overruled[name]})" if name in loaded.overruled else ""
        rows.append((name, shown(text) + by))
    click.echo(table(rows))
    _tell(loaded.problems)


@config_command.command("check")
@json_option
def check_command(as_json: bool) -> None:
    """Say what in config.yaml and keymap.yaml does not count, with its line; exits with 2."""
    from rankdeck.cli.deck import keymap_problems

    problems = (*_load().problems, *keymap_problems(config_folder()))
    if as_json:
        print_json({"folder": str(config_folder()), "problems": problems})
    elif not problems:
        click.echo(f"{config_folder()}: nothing is wrong")
    else:
        _tell(problems)
    if problems:
        sys.exit(ExitCode.USAGE)


@config_command.command("keys")
@json_option
def keys_command(as_json: bool) -> None:
    """List every key of the interface by the name it has in keymap.yaml."""
    from rankdeck.cli.deck import key_rows

    rows = key_rows(config_folder())
    if as_json:
        print_json({"keys": [{"id": i, "keys": keys, "help": text} for i, keys, text in rows]})
        return
    click.echo(table([(i, keys, text) for i, keys, text in rows]))


def _load() -> LoadedSettings:
    from rankdeck.config.settings import load_settings

    return load_settings(config_folder(), os.environ)


def _tell(problems: tuple[Problem, ...]) -> None:
    for problem in problems:
        click.echo(paint(shown(str(problem)), "yellow"), err=True)
        if problem.hint:
            click.echo(f"  {shown(problem.hint)}", err=True)


def _word(value: object) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value) or "-"
