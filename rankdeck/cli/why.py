"""`rankdeck why`: which rank failed first, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rankdeck.cli.common import find_run, json_option, print_json, run_argument
from rankdeck.cli.text import paint, shown
from rankdeck.text import CERTAINTIES, other_problems, problem_text, ranges

if TYPE_CHECKING:
    from rankdeck.run.state import Failure, RunState


@click.command("why")
@run_argument()
@json_option
def why_command(ref: str, as_json: bool) -> None:
    """Say which rank of RUN failed first, with its evidence."""
    run = find_run(ref)
    from rankdeck.run.view import RunReader

    state = RunReader(run).snapshot().run
    if as_json:
        print_json({"id": run.id, "state": state.state, "failure": state.failure})
    else:
        click.echo(explain(state))


def explain(state: RunState) -> str:
    """The failure card as text; one sentence where there is nothing to explain."""
    failure = state.failure
    if failure is None:
        reason = f": {shown(state.reason)}" if state.reason else ""
        told = f"{state.id} is {state.state.value}{reason}; no rank has failed"
        return "\n".join((told, *_other_lines(state)))
    return "\n".join((*card(failure), *_other_lines(state)))


def card(failure: Failure) -> list[str]:
    """The lines of the failure card."""
    lines = [paint(shown(failure.summary), "red", bold=True)]
    where = [f"rank {failure.rank}"] if failure.rank is not None else []
    where += [f"node {shown(failure.node)}"] if failure.node else []
    sure = CERTAINTIES.get(
        failure.certainty, "not certain: the cause is not in what the ranks left behind"
    )
    lines.append(f"  {', '.join(where) or 'the run'} · {failure.category} · {sure}")
    if failure.evidence:
        lines.append("")
        lines += [f"  │ {shown(line)}" for line in failure.evidence]
        lines.append("")
    if failure.collateral_ranks:
        several = "s" if len(failure.collateral_ranks) > 1 else ""
        lines.append(f"  ended because of it: rank{several} {ranges(failure.collateral_ranks)}")
    if failure.hint:
        lines.append(f"  try: {shown(failure.hint)}")
    return lines


def _other_lines(state: RunState) -> list[str]:
    """What else went wrong on nodes, beside the failure itself."""
    lines = []
    for node in other_problems(state):
        lines.append(f"  also: {problem_text(node)}")
        if node.problem_hint:
            lines.append(f"    try: {shown(node.problem_hint)}")
    return lines
