"""`rankdeck workspace`: named nodes, limits and defaults that new jobs begin from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rankdeck.cli.common import json_option, print_json
from rankdeck.cli.job_options import JobCommand, draft_from, job_options
from rankdeck.cli.library import (
    add_file_commands,
    document,
    draft_of_source,
    print_kept,
    saving_options,
    secret_choice,
    told,
)
from rankdeck.cli.text import shown, table
from rankdeck.library.workspaces import nodes_text, workspace_store

if TYPE_CHECKING:
    from rankdeck.library.workspaces import Workspace

_HEAD = ("", "NAME", "BACKEND", "NODES", "LIMIT", "DESCRIPTION")


@click.group("workspace")
def workspace_command() -> None:
    """Named nodes, limits and defaults; new jobs begin from the current one."""


@workspace_command.command("ls")
@json_option
def list_workspaces(as_json: bool) -> None:
    """List workspaces; `*` marks the current one."""
    store = workspace_store()
    current, found = store.current, store.list()
    if as_json:
        print_json(
            {
                "current": current,
                "workspaces": [document(kept, current=kept.name == current) for kept in found],
            }
        )
    elif not found:
        click.echo("no workspaces yet; make one with: rankdeck workspace save NAME --hostfile …")
    else:
        click.echo(table([_HEAD, *(_row(kept, current) for kept in found)]))


def _row(workspace: Workspace, current: str) -> tuple[str, ...]:
    return (
        "*" if workspace.name == current else "",
        shown(workspace.name, 40),
        shown(workspace.draft.backend or "–", 12),
        shown(nodes_text(workspace) or "–", 40),
        shown(str(workspace.draft.time_limit or "–"), 12),
        told(workspace) or shown(workspace.description, 90),
    )


@workspace_command.command("use")
@click.argument("name", required=False)
@click.option("--none", "nothing", is_flag=True, help="Begin from no workspace.")
def use_workspace(name: str | None, nothing: bool) -> None:
    """Let new jobs begin from NAME, or with --none from nothing."""
    if nothing == (name is not None):
        raise click.UsageError("give the name of a workspace, or --none")
    workspace_store().use(None if nothing else name)
    click.echo(f"new jobs begin from {shown(name)}" if name else "new jobs begin from nothing")


@workspace_command.command("save", cls=JobCommand)
@click.argument("workspace_name", metavar="NAME")
@click.argument("source", metavar="[RUN|JOB.yaml|PROJECT]", required=False)
@job_options
@saving_options
def save_workspace(
    workspace_name: str,
    source: str | None,
    description: str,
    force: bool,
    secrets: str | None,
    **options: Any,
) -> None:
    """Keep nodes, limits and defaults as NAME: from the options, and from a run or job if given.

    What belongs to one job (its name, entry, arguments, hyperparameters) is left out.
    """
    draft = draft_from(options)
    if source is not None:
        below = draft_of_source(source)
        draft = below.merged(draft)
    path = workspace_store().save(
        workspace_name, draft, description, overwrite=force, secrets=secret_choice(secrets)
    )
    click.echo(f"saved {shown(str(path))}")
    click.echo(f"use it with: rankdeck workspace use {workspace_name}")


@workspace_command.command("show")
@click.argument("name", required=False)
@json_option
def show_workspace(name: str | None, as_json: bool) -> None:
    """Print a workspace as it is written, the current one without NAME."""
    store = workspace_store()
    wanted = name or store.current
    if not wanted:
        click.echo("there is no current workspace")
        return
    in_use = wanted == store.current
    print_kept(store.get(wanted), store.text(wanted), as_json=as_json, current=in_use)


add_file_commands(workspace_command, workspace_store, "workspace")
