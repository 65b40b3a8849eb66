"""`rankdeck import`: a pasted launch command, or a batch script, as a job.yaml."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from rankdeck.cli.common import json_option, print_json
from rankdeck.cli.library import secret_choice
from rankdeck.cli.text import shown
from rankdeck.errors import UserError

_LONGEST_NAME = 4096


@click.command("import")
@click.argument("source", metavar="LINE|FILE|-")
@click.option("--save", "name", metavar="NAME", help="Keep the job as a template.")
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(dir_okay=False), help="Write it to a file."
)
@click.option("--description", default="", metavar="TEXT", help="One line for lists of templates.")
@click.option("-f", "--force", is_flag=True, help="Overwrite what is there.")
@click.option(
    "--keep-secrets",
    "secrets",
    flag_value="keep",
    help="Save values that look like secrets as they are.",
)
@click.option(
    "--drop-secrets",
    "secrets",
    flag_value="drop",
    help="Leave values that look like secrets out.",
)
@click.option(
    "--torchrun",
    "as_torchrun",
    is_flag=True,
    help="Make a torchrun job of an accelerate or deepspeed line.",
)
@json_option
def import_command(
    source: str,
    name: str | None,
    output: str | None,
    description: str,
    force: bool,
    secrets: str | None,
    as_torchrun: bool,
    as_json: bool,
) -> None:
    """Print the job that a command line describes; nothing of it is executed.

    LINE is torchrun, python -m torch.distributed.run, colossalai run, deepspeed, msrun, mpirun,
    srun or accelerate launch, in quotes; FILE is a script with such a line, `#SBATCH` lines too;
    `-` reads stdin. What was left out is told on stderr.
    """
    from rankdeck.job.command_line import read_command
    from rankdeck.job.dump import draft_to_yaml
    from rankdeck.job.fields import FIELDS
    from rankdeck.library.secrets import without_secrets

    found = read_command(_text(source), Path.cwd(), as_torchrun=as_torchrun)
    for note in found.notes:
        click.echo(f"rankdeck: note: {shown(note)}", err=True)
    if as_json:
        job = {field.name: getattr(found.draft, field.name) for field in FIELDS}
        job = {name: value for name, value in job.items() if value is not None}
        print_json({"job": job, "yaml": draft_to_yaml(found.draft), "notes": found.notes})
        return
    if name is None and output is None:
        click.echo(draft_to_yaml(found.draft), nl=False)
        return
    if name is not None:
        from rankdeck.library.templates import template_store

        path = template_store().save(
            name, found.draft, description, overwrite=force, secrets=secret_choice(secrets)
        )
        click.echo(f"saved {shown(str(path))}")
    if output is not None:
        text = draft_to_yaml(without_secrets(found.draft, secret_choice(secrets)))
        _write(Path(output), text, force=force)
        click.echo(f"saved {shown(output)}")


def _text(source: str) -> str:
    if source == "-":
        return sys.stdin.read()
    path = Path(source)
    try:
        is_file = len(source) < _LONGEST_NAME and path.is_file()
    except OSError:
        is_file = False
    if not is_file:
        return source
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UserError(f"{source} cannot be read: {error.strerror}") from error


def _write(path: Path, text: str, *, force: bool) -> None:
    from rankdeck.run.files import write_atomic

    if path.exists() and not force:
        raise UserError(f"{path} is there already", "overwrite it with --force")
    try:
        write_atomic(path, text.encode())
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from error
