"""The `rankdeck` command: a lazy group, and the one place where errors become exit codes.

Importing this module loads click and nothing else of weight; each command imports what it needs.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click

from rankdeck import __version__
from rankdeck.errors import ExitCode, UserError

_COMMANDS: dict[str, tuple[str, str]] = {
    "attach": ("rankdeck.cli.attach", "Open the terminal interface on a run."),
    "check": ("rankdeck.cli.check", "Check a job and its nodes without starting it."),
    "commands": ("rankdeck.cli.commands", "Show what Rankdeck has executed."),
    "completion": ("rankdeck.cli.completion", "Print the shell completion script."),
    "config": ("rankdeck.cli.config", "Show and check your settings and keys."),
    "demo": ("rankdeck.cli.demo", "Train a small GPT on this machine and show it."),
    "doctor": ("rankdeck.cli.doctor", "Check this machine and say what to mend."),
    "export": ("rankdeck.cli.export", "Print a run or job as a script to run by hand."),
    "import": ("rankdeck.cli.importing", "Make a job of a pasted command or batch script."),
    "init": ("rankdeck.cli.init", "Make a project folder that trains at once."),
    "kill": ("rankdeck.cli.stop", "End runs now, without grace."),
    "logs": ("rankdeck.cli.logs", "Print or follow the logs of a run's ranks."),
    "ls": ("rankdeck.cli.ls", "List runs, newest first."),
    "metrics": ("rankdeck.cli.metrics", "Print the numbers that a run's logs tell."),
    "nodes": ("rankdeck.cli.nodes", "List the nodes a run would get."),
    "rerun": ("rankdeck.cli.rerun", "Start a run again, with changes if wanted."),
    "rm": ("rankdeck.cli.rm", "Delete finished runs and their logs."),
    "run": ("rankdeck.cli.run", "Start a training run."),
    "show": ("rankdeck.cli.show", "Show everything known about a run."),
    "signal": ("rankdeck.cli.signal", "Send a signal to the ranks of a run."),
    "stacks": ("rankdeck.cli.stacks", "Show where the ranks of a run are in their program."),
    "stop": ("rankdeck.cli.stop", "Stop runs: TERM, the grace, KILL."),
    "sweep": ("rankdeck.cli.sweep", "Find and end what ended runs have left behind."),
    "template": ("rankdeck.cli.template", "Keep jobs under a name, and start them again."),
    "wait": ("rankdeck.cli.wait", "Wait for a run and exit with its code."),
    "why": ("rankdeck.cli.why", "Say which rank failed first, and why."),
    "workspace": ("rankdeck.cli.workspace", "Keep nodes and limits that new jobs begin from."),
}


class LazyGroup(click.Group):
    """Finds commands by name and imports only the one that is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command's name, sorted."""
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now."""
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(_COMMANDS[cmd_name][0])
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name][1]) for name in self.list_commands(ctx)])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve the command; an unknown one is told with its nearest name."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            close = get_close_matches(args[0], _COMMANDS, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise click.UsageError(f"{error.message}{hint}", ctx) from None


def _spell(token: str) -> str:
    # `colossalai run` and torchrun users write --nproc_per_node
    return token.replace("_", "-")


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "token_normalize_func": _spell,
        "max_content_width": 100,
    },
)
@click.option("--read-only", is_flag=True, help="Open the interface so that it changes nothing.")
@click.version_option(__version__, prog_name="rankdeck", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context, read_only: bool) -> None:
    """Launch distributed training, watch every rank, and learn which one failed first and why.

    Without a command, on a terminal, the interface opens.
    """
    if ctx.invoked_subcommand is not None:
        if read_only and ctx.invoked_subcommand != "attach":
            hint = f"leave it out: rankdeck {ctx.invoked_subcommand}"
            raise UserError("--read-only is for the interface", hint)
        ctx.obj = {"read_only": read_only}
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UserError(
            "the interface needs a terminal", "give a command; `rankdeck --help` lists them"
        )
    from rankdeck.cli.deck import open_deck

    open_deck(None, read_only=read_only)


def main(argv: list[str] | None = None) -> None:
    """Run the command line and exit with the codes of `rankdeck.errors.ExitCode`."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        cli.main(args=arguments, prog_name="rankdeck", standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.Abort:
        sys.exit(ExitCode.STOPPED)
    except click.ClickException as error:
        error.show()
        sys.exit(ExitCode.USAGE)
    except UserError as error:
        tell(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(ExitCode.STOPPED)
    except BrokenPipeError:
        # the reader of our output has gone (`| head`); Python would complain once more at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(141)
    except Exception as error:
        if os.environ.get("RANKDECK_DEBUG"):
            raise
        from rankdeck.cli.crash import record_crash

        tell(record_crash(error))
        sys.exit(70)
    sys.exit(0)


def tell(error: UserError) -> None:
    """Write an error to stderr: what happened, and what to do."""
    for line in error.message.splitlines() or [""]:
        click.echo(f"rankdeck: {line}", err=True)
    for line in error.hint.splitlines():
        click.echo(f"  {line}", err=True)


if __name__ == "__main__":
    main()
