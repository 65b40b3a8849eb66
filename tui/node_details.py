"""The details of a node as lines: its facts, what is noted, what our runs met there. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.nodes.notes import note_text
from rankdeck.text import age, size
from tui.looks import Line, Piece, counted, safe, state_piece, wrap
from tui.node_rows import STATES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rankdeck.probe.verdict import NodeFacts
    from tui.node_choice import NodeChoice
    from tui.node_rows import NodeRow
    from tui.node_survey import NodeSurvey

_RUNS = 8
_TOLD_AT_MOST = 4
"""Lines of what keeps nodes from being listed."""


def node_lines(row: NodeRow, now: float) -> tuple[Line, ...]:
    """Everything that is known of a node."""
    mark, style = STATES[row.state]
    lines: list[Line] = [
        ((f"{mark} {row.state}", style), (f"  {safe(row.name)}", "bold"), _chosen(row)),
        _line("address", safe(row.address)),
        _line("named in", safe(row.origin) or "–"),
    ]
    if row.scheduler:
        lines.append(_line("scheduler", safe(row.scheduler)))
    if row.labels:
        lines.append(_line("labels", safe(", ".join(row.labels))))
    lines.append(_line("slots", "not said" if row.slots is None else str(len(row.slots))))
    if row.trouble:
        lines += [(), ((safe(row.trouble), "error" if row.bad else "warning"),)]
        if row.hint:
            lines.append((("try: ", "key"), (safe(row.hint), "")))
    if row.facts is not None:
        lines += [(), *_fact_lines(row.facts)]
    else:
        busy = "" if row.load is None else f"load {row.load:.2f}, {size(row.memory_free)} free"
        lines += [_line("busy", busy)] if busy else []
        lines += [(), (("It has not been asked what it has (p asks).", "dim"),)]
    if row.note is not None:
        told = safe(note_text(row.note, now))
        written = f"  (noted {age(now - row.note.written)} ago)" if row.note.written else ""
        lines += [(), (("note     ", "dim"), (told, "warning"), (written, "dim"))]
    return (*lines, *_run_lines(row, now))


def remark_line(row: NodeRow, now: float) -> Line:
    """What is wrong with a node, what is noted, and what can be done, in one line."""
    pieces: list[Piece] = []
    if row.trouble:
        pieces.append((f" {safe(row.trouble)}", "error" if row.bad else "warning"))
    if row.note is not None:
        pieces.append((f"  note: {safe(note_text(row.note, now))}", "warning"))
    if row.trouble and row.hint:
        pieces.append((f"  try: {safe(row.hint)}", "dim"))
    return tuple(pieces)


def source_lines(survey: NodeSurvey, width: int) -> tuple[Line, ...]:
    """Where the nodes are named, and what keeps them from being shown or asked; as wide as that."""
    told = wrap(_source_line(survey), width)
    trouble = survey.trouble
    if trouble is None:
        return tuple(told)
    if trouble.hint and "--" not in trouble.hint:
        # an option of the command line is none here
        told += wrap(((" ", ""), (safe(trouble.hint), "dim")), width)
    elsewhere = " looks elsewhere: local, ssh hostfile=/path, host=a,b[1-4], slurm"
    return (*told[:_TOLD_AT_MOST], ((" b", "key"), (elsewhere, "")))


def _source_line(survey: NodeSurvey) -> Line:
    census, trouble = survey.census, survey.trouble
    if trouble is not None:
        return ((" ", ""), (safe(trouble.message), "error"))
    if census is None:
        return ((" looking for nodes …", "dim"),)
    source = safe(census.source) or "this machine"
    pieces: list[Piece] = [(f" {safe(census.backend)}", "bold"), (f" · {source}", "dim")]
    if survey.remark:
        pieces.append((f" · {safe(survey.remark)}", "warning"))
    return tuple(pieces)


def counts_text(survey: NodeSurvey, rows: Sequence[NodeRow], chosen: int) -> str:
    """How many nodes there are, are chosen, are bad, and have answered."""
    if survey.census is None:
        return "" if survey.trouble else "looking …"
    parts = [counted(len(rows), "node"), f"{chosen} chosen"]
    if bad := sum(row.bad for row in rows):
        parts.append(f"{bad} bad")
    if survey.asking:
        parts.append(f"asked {survey.asked}/{len(rows)}")
    return " · ".join(parts)


def expression_line(survey: NodeSurvey, choice: NodeChoice) -> Line:
    """What is chosen, as a job says it."""
    if survey.census is None:
        return ()
    expression, slots = choice.expression, choice.slot_count
    if expression is None:
        return ((" nothing is chosen: ", "error"), ("+ chooses a node, a all of them", "dim"))
    room = "" if slots is None else f", {slots} slots"
    count = f" {len(choice.selection)} of {len(choice.names)}{room}: "
    flags = expression.flags or "every node"
    return ((count, "dim"), (safe(flags), "accent" if expression.flags else "good"))


def _line(name: str, text: str) -> Line:
    return ((f"{name:<10}", "dim"), (text, ""))


def _chosen(row: NodeRow) -> tuple[str, str]:
    if row.chosen is None:
        return ("  not chosen", "dim")
    slots = f", slots {', '.join(map(str, row.chosen))}" if row.chosen else ""
    return (f"  chosen{slots}", "good")


def _fact_lines(facts: NodeFacts) -> list[Line]:
    gpus = str(facts.gpus) if facts.gpus else "none"
    if facts.gpu_names:
        gpus += f"  {safe(', '.join(dict.fromkeys(facts.gpu_names)))}"
    if facts.busy_gpus is not None:
        gpus += f"  ({facts.busy_gpus} in use)"
    load = "" if facts.load is None else f"  load {facts.load:.2f}"
    memory = "–"
    if facts.memory is not None:
        memory = f"{size(facts.memory_free)} of {size(facts.memory)} free"
    return [
        _line("host", safe(facts.host)),
        _line("GPUs", gpus),
        _line("CPUs", f"{facts.cpus}{load}"),
        _line("memory", memory),
        _line("python", f"{safe(facts.version)}  {safe(facts.python)}"),
        _line("torch", safe(facts.torch or "not there")),
        _line("disk", f"{size(facts.free)} free for a run's files"),
    ]


def _run_lines(row: NodeRow, now: float) -> list[Line]:
    lines: list[Line] = [(), (("runs of ours here now", "title"),)]
    lines += [
        (("  ", ""), state_piece(run.state), (f"  {safe(run.name)}  ", "bold"), (run.id, "dim"))
        for run in row.use.living[:_RUNS]
    ] or [(("  none", "dim"),)]
    lines += [(), (("failures that began here", "title"),)]
    for run in row.use.blamed[:_RUNS]:
        when = age(now - (run.ended or run.created))
        lines.append(((f"  {when:>4} ago  ", "dim"), (safe(run.failure_summary), "error")))
        lines.append(((f"            {safe(run.name)}  {run.id}", "dim"),))
    if len(row.use.blamed) > _RUNS:
        lines.append(((f"  and {len(row.use.blamed) - _RUNS} more", "dim"),))
    if not row.use.blamed:
        lines.append((("  none", "dim"),))
    return lines
