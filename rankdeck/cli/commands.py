"""`rankdeck commands`: what Rankdeck has executed."""

from __future__ import annotations

import time

import click

from rankdeck.cli.common import complete_run, json_option, open_store, print_json
from rankdeck.cli.text import paint, shown, terminal_width
from rankdeck.run.layout import RunDir

_RUNS = 30


@click.command("commands")
@click.argument("ref", metavar="[RUN]", required=False, shell_complete=complete_run)
@click.option("-n", "--limit", type=click.IntRange(min=1), default=50, help="How many (50).")
@click.option("--full", is_flag=True, help="Whole commands, not cut at the terminal's width.")
@json_option
def commands_command(ref: str | None, limit: int, full: bool, as_json: bool) -> None:
    """What Rankdeck has executed on your behalf, newest last; of RUN, or of everything.

    sbatch, squeue, mpirun, ssh, agents, supervisors, editors. Secrets are not kept.
    """
    from rankdeck.command_log import Logged, log_of, read_commands, read_logs

    store = open_store()
    if ref:
        run = store.find(ref)
        logged = tuple(Logged(run=run.id, command=one) for one in read_commands([log_of(run)]))
    else:
        runs = [RunDir(store.runs_dir / one.id) for one in store.list(_RUNS)]
        logged = read_logs(store.home, runs)
    logged = logged[-limit:]
    if as_json:
        commands = [{"run": one.run, **_fields(one.command)} for one in logged]
        print_json({"commands": commands})
        return
    room = 10_000_000 if full else terminal_width()
    for one in logged:
        command = one.command
        when = time.strftime("%m-%d %H:%M:%S", time.localtime(command.t))
        host = f" {shown(command.host)}:" if command.host else ""
        failed = command.exit_code not in (None, 0)
        end = f"  ✖ {command.exit_code}" if failed else ""
        head = f"{when}{host} "
        line = " ".join(one.line.split("\n")) if not full else one.line
        text = shown(line, max(20, room - len(head) - len(end)))
        click.echo(f"{paint(head, 'bright_black')}{text}{paint(end, 'red')}")


def _fields(record: object) -> dict[str, object]:
    import msgspec

    fields: dict[str, object] = msgspec.structs.asdict(record)  # type: ignore[arg-type]
    return fields
