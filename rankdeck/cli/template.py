"""`rankdeck template`: jobs kept under a name: list, save, show, edit, copy, remove."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rankdeck.cli.common import json_option, print_json
from rankdeck.cli.library import (
    add_file_commands,
    document,
    draft_of_source,
    name_argument,
    print_kept,
    saving_options,
    secret_choice,
    told,
)
from rankdeck.cli.text import shown, table
from rankdeck.library.templates import template_store

if TYPE_CHECKING:
    from rankdeck.library.templates import Template

_HEAD = ("NAME", "BACKEND", "NODES", "RANKS", "RUNS", "DESCRIPTION")


@click.group("template")
def template_command() -> None:
    """Jobs kept under a name; `rankdeck run --template NAME` starts one."""


@template_command.command("ls")
@click.argument("words", nargs=-1, metavar="[WORDS]")
@json_option
def list_templates(words: tuple[str, ...], as_json: bool) -> None:
    """List templates; WORDS choose some, as `llama backend:slurm !broken:yes`.

    Files that cannot be used are listed too, with the line that is wrong.
    """
    from rankdeck.library.search import search

    found = search(template_store().list(), " ".join(words))
    if as_json:
        print_json({"templates": [document(template) for template in found]})
    elif not found:
        click.echo("no such templates" if words else "no templates yet; save one from a run")
    else:
        click.echo(table([_HEAD, *map(_row, found)]))


def _row(template: Template) -> tuple[str, ...]:
    draft = template.draft
    return (
        shown(template.name, 40),
        shown(draft.backend or "–", 12),
        shown(str(draft.nnodes or "–"), 8),
        shown(str(draft.nproc_per_node or "–"), 8),
        shown(draft.entry or "–", 40),
        told(template) or shown(template.description, 90),
    )


@template_command.command("save")
@click.argument("name")
@click.argument("source", metavar="RUN|JOB.yaml|PROJECT")
@saving_options
def save_template(
    name: str, source: str, description: str, force: bool, secrets: str | None
) -> None:
    """Keep the job of a run, a job file or a project as NAME.

    Values that look like secrets are told and nothing is saved, unless you say what to do.
    """
    path = template_store().save(
        name,
        draft_of_source(source),
        description,
        overwrite=force,
        secrets=secret_choice(secrets),
    )
    click.echo(f"saved {shown(str(path))}")
    click.echo(f"start it with: rankdeck run --template {name}")


@template_command.command("show")
@name_argument(template_store)
@json_option
def show_template(name: str, as_json: bool) -> None:
    """Print a template as it is written; what is wrong with it goes to stderr."""
    store = template_store()
    print_kept(store.get(name), store.text(name), as_json=as_json)


add_file_commands(template_command, template_store, "template")
