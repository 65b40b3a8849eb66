"""`rankdeck init`: a project folder that trains at once."""

from __future__ import annotations

from pathlib import Path

import click

from rankdeck.cli.text import shown


def _templates(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from rankdeck.project.scaffold import template_names

    return [name for name in template_names() if name.startswith(incomplete)]


@click.command("init")
@click.argument("directory", metavar="DIR")
@click.option(
    "--template",
    default="ddp",
    shell_complete=_templates,
    help="ddp (a small GPT under torchrun), script (a train.sh), direct (any program), accelerate,"
    " deepspeed, msrun.",
)
def init_command(directory: str, template: str) -> None:
    """Make a project in DIR, which must not hold anything yet."""
    from rankdeck.project.scaffold import scaffold, template_title

    target = Path(directory).absolute()
    files = scaffold(target, template)
    click.echo(f"made {shown(str(target))}: {template_title(template)}")
    click.echo(f"  {', '.join(sorted(str(file) for file in files))}")
    click.echo(f"start it with: rankdeck run {shown(directory)}")
