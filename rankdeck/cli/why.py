"""`rankdeck why`: which rank failed first, and why; what holds a run up that makes no progress."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from rankdeck.cli.common import find_run, json_option, print_json, run_argument
from rankdeck.cli.text import paint, shown
from rankdeck.text import CERTAINTIES, HANGS, UNSURE, other_problems, problem_text, ranks_text

if TYPE_CHECKING:
    from rankdeck.diagnose.hang import Hang
    from rankdeck.run.state import Failure, RunState


@click.command("why")
@run_argument()
@click.option("--stacks", is_flag=True, help="Of a living run: ask every rank where it is, too.")
@json_option
def why_command(ref: str, stacks: bool, as_json: bool) -> None:
    """Say which rank of RUN failed first, with its evidence.

    For a run that makes no progress, or made none when it was ended, say which ranks hold it up.
    """
    run = find_run(ref)
    from rankdeck.diagnose.hang_report import find_hang
    from rankdeck.run.view import RunReader

    snapshot = RunReader(run).snapshot()
    state = snapshot.run
    hang = find_hang(snapshot, run, time.time())
    found: dict[str, object] = {
        "id": run.id,
        "state": state.state,
        "failure": state.failure,
        "hang": hang,
    }
    if not as_json:
        click.echo(explain(state, hang))
    if stacks:
        from rankdeck.cli.stacks import ask_stacks, told

        answers = ask_stacks(run, snapshot)
        found["stacks"] = answers
        if not as_json:
            click.echo("\n".join(("", *told(answers.groups, answers.missing))).rstrip())
    if as_json:
        print_json(found)


def explain(state: RunState, hang: Hang | None = None) -> str:
    """The failure card as text; one sentence where there is nothing to explain."""
    failure = state.failure
    if failure is not None:
        lines = card(failure)
    else:
        reason = f": {shown(state.reason)}" if state.reason else ""
        lines = [f"{state.id} is {state.state.value}{reason}; no rank has failed"]
    if hang is not None:
        lines += hang_card(hang, over=state.state.final)
    return "\n".join((*lines, *_other_lines(state)))


def hang_card(hang: Hang, *, over: bool) -> list[str]:
    """The lines of the card of a hang; `over`: that of a run that has ended since."""
    word = HANGS[hang.state.value][over]
    lines = [paint(f"{word}: {shown(hang.summary)}", "yellow", bold=True)]
    if hang.suspects:
        lines.append(f"  whom the others wait for: {CERTAINTIES.get(hang.certainty, UNSURE)}")
    lines += [f"  · {shown(fact)}" for fact in hang.facts]
    lines += [f"  try: {shown(hint)}" for hint in hang.hints]
    return lines


def card(failure: Failure) -> list[str]:
    """The lines of the failure card."""
    lines = [paint(shown(failure.summary), "red", bold=True)]
    where = [f"rank {failure.rank}"] if failure.rank is not None else []
    where += [f"node {shown(failure.node)}"] if failure.node else []
    sure = CERTAINTIES.get(failure.certainty, UNSURE)
    lines.append(f"  {', '.join(where) or 'the run'} · {failure.category} · {sure}")
    lines += [f"  · {shown(fact)}" for fact in failure.facts]
    if failure.evidence:
        lines.append("")
        lines += [f"  │ {shown(line)}" for line in failure.evidence]
        lines.append("")
    if failure.collateral_ranks:
        lines.append(f"  ended because of it: {ranks_text(failure.collateral_ranks)}")
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
