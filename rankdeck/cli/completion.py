"""`rankdeck completion`: the script that teaches a shell to complete our commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> None:
    """Print the completion script for SHELL.

    For bash: `rankdeck completion bash > ~/.local/share/bash-completion/completions/rankdeck`
    """
    from rankdeck.cli.main import cli

    found = get_completion_class(shell)
    assert found is not None, shell
    click.echo(found(cli, {}, "rankdeck", "_RANKDECK_COMPLETE").source())
