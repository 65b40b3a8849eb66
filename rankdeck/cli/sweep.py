"""`rankdeck sweep`: find what ended runs have left behind, on this machine or on nodes; end it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rankdeck.cli.common import complete_run, json_option, open_store, print_json
from rankdeck.cli.job_options import draft_from, field_options
from rankdeck.cli.text import shown, table
from rankdeck.errors import ExitCode, UserError
from rankdeck.probe.leftover_policy import UNKNOWN

if TYPE_CHECKING:
    from rankdeck.probe.leftover_policy import Leftover
    from rankdeck.probe.sweeping import Place
    from rankdeck.run.layout import RunDir
    from rankdeck.run.store import RunStore

_HEAD = ("NODE", "PID", "RUN", "STATE", "COMMAND")
_FIELDS = ("backend", "nnodes", "hostfile", "host", "include", "exclude", "backend_options")


@click.command("sweep")
@click.argument("refs", metavar="[RUN]...", nargs=-1, shell_complete=complete_run)
@field_options(*_FIELDS)
@click.option("--unknown", is_flag=True, help="End those of runs that are not known here, too.")
@click.option("-y", "--yes", is_flag=True, help="End what is found without asking.")
@json_option
def sweep_command(
    refs: tuple[str, ...], unknown: bool, yes: bool, as_json: bool, **options: Any
) -> None:
    """Find processes of runs that have ended, and end them after asking.

    Looks on this machine; with --backend, --host or --hostfile on those nodes; with RUN on the
    nodes of that run, for its processes only. A run that is not known here may be one of another
    state directory: what belongs to it is shown only when its agent is gone too, and ended only
    with --unknown. Exits with 3 if a node could not be searched, or something cannot be ended.
    """
    from rankdeck.probe import sweeping

    store = open_store()
    places = _places(store, refs, options)
    only = frozenset(store.find(ref).id for ref in refs) or None
    found, troubles = sweeping.search(places, store, only)
    if found and not as_json:
        click.echo(table([_HEAD, *map(_row, found)], right=frozenset({1})))
    for trouble in troubles:
        _complain(trouble)
    for place in places:
        if place.reach is None:
            blind = _end_unseen(place, yes=yes, as_json=as_json)
            for trouble in blind:
                _complain(trouble)
            troubles = (*troubles, *blind)
    left: tuple[Leftover, ...] = ()
    wanted = tuple(one for one in found if unknown or one.why != UNKNOWN)
    ended = bool(wanted) and (yes or _confirmed(f"End {_count(wanted)} now?", as_json=as_json))
    if ended:
        left, more = sweeping.end(places, wanted)
        for trouble in more:
            _complain(trouble)
        troubles = (*troubles, *more)
    gone = tuple(one for one in wanted if one not in left) if ended else ()
    if as_json:
        _print_document(found, gone, troubles)
    else:
        _tell(found, wanted, gone, left, quiet=bool(troubles))
    if troubles or left:
        sys.exit(ExitCode.UNUSABLE)


def _places(store: RunStore, refs: tuple[str, ...], options: dict[str, Any]) -> tuple[Place, ...]:
    from rankdeck.cli.asking import terminal_ask
    from rankdeck.probe import sweeping

    draft = draft_from(options)
    named = any(options.get(name) not in (None, ()) for name in _FIELDS)
    if refs and named:
        raise click.UsageError("RUN and options that name nodes exclude each other")
    ask = terminal_ask()
    if refs:
        return tuple(sweeping.place_of_run(_ended(store, ref), ask) for ref in refs)
    if not named:
        return (sweeping.here(),)
    from rankdeck.job.resolve import resolve_inventory

    spec, _ = resolve_inventory(None, draft, Path.cwd())
    return (sweeping.place_of_nodes(spec, ask),)


def _ended(store: RunStore, ref: str) -> RunDir:
    from rankdeck.run.stored import read_state

    run = store.find(ref)
    if not read_state(run).state.final:
        raise UserError(
            f"{run.id} has not ended: its own agents look after its processes",
            f"`rankdeck stop {run.id}` ends it",
        )
    return run


def _end_unseen(place: Place, *, yes: bool, as_json: bool) -> tuple[UserError, ...]:
    """Nodes that only the run's own backend can get to: what is there cannot be listed first."""
    from rankdeck.probe import sweeping

    names = ", ".join(shown(node.name) for node in place.nodes[:8])
    more = f" and {len(place.nodes) - 8} more" if len(place.nodes) > 8 else ""
    run = place.run.id if place.run else ""
    if yes or _confirmed(f"End whatever {run} has left on {names}{more}?", as_json=as_json):
        return sweeping.end_by_session(place)
    return (
        UserError(f"{names}{more}: not searched; what {run} has left there cannot be listed first"),
    )


def _confirmed(question: str, *, as_json: bool) -> bool:
    from rankdeck.cli.asking import terminal_ask

    if as_json:
        return False
    try:
        return terminal_ask().confirm(question, "")
    except UserError:
        return False


def _print_document(
    found: tuple[Leftover, ...], gone: tuple[Leftover, ...], troubles: tuple[UserError, ...]
) -> None:
    rows = [
        {
            "node": one.host,
            "pid": one.process.pid,
            "run": one.process.run,
            "state": one.why,
            "command": one.process.command,
            "ended": one in gone,
        }
        for one in found
    ]
    print_json({"leftovers": rows, "troubles": [error.message for error in troubles]})


def _tell(
    found: tuple[Leftover, ...],
    wanted: tuple[Leftover, ...],
    gone: tuple[Leftover, ...],
    left: tuple[Leftover, ...],
    *,
    quiet: bool,
) -> None:
    for one in left:
        _complain(UserError(f"{one.host}: process {one.process.pid} could not be ended"))
    if gone:
        click.echo(f"ended {_count(gone)}")
    elif wanted and not left:
        click.echo("nothing was ended; --yes ends it without asking")
    elif not found and not quiet:
        click.echo("nothing is left")
    if others := tuple(one for one in found if one not in wanted):
        click.echo(f"{_count(others)} of runs that are not known here; --unknown ends those too")


def _row(one: Leftover) -> tuple[str, ...]:
    process = one.process
    command = shown(process.command, 60)
    return (shown(one.host, 40), str(process.pid), shown(process.run, 50), one.why, command)


def _count(found: tuple[Leftover, ...]) -> str:
    return f"{len(found)} process{'' if len(found) == 1 else 'es'}"


def _complain(error: UserError) -> None:
    click.echo(f"rankdeck: {shown(error.message)}", err=True)
    if error.hint:
        click.echo(f"  {shown(error.hint)}", err=True)
