"""The preview's rows: problems and findings first, then differences, then the plan. Pure.

A node after the first shows only what differs from it, unless all are to be shown in full.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rankdeck.plan.render import node_lines, plan_facts
from rankdeck.probe.preflight import Level
from tui.form.words import in_labels, label_of, problem_text
from tui.looks import Line, safe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rankdeck.errors import Problem
    from rankdeck.plan.records import LaunchPlan
    from rankdeck.probe.preflight import Finding
    from tui.backend_form import BackendForm
    from tui.preview import JobPreview

_IN_FULL = 4
"""So many nodes are always shown in full."""
MARKS = {Level.OK: ("✔", "good"), Level.WARNING: ("!", "warning"), Level.ERROR: ("✖", "error")}


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One line of the preview, and what it is about."""

    line: Line
    field: str = ""
    """The field that it concerns; enter goes there."""
    node: int = -1
    """The node whose part it belongs to; -1: none."""


_EMPTY = PlanRow(())


def preview_rows(preview: JobPreview, findings: Sequence[Finding] = ()) -> tuple[PlanRow, ...]:
    """Everything that is wrong, what was found, what is different, and the plan."""
    rows: list[PlanRow] = []
    if preview.problems:
        rows += [PlanRow(((("Not ready yet:"), "title"),)), _EMPTY]
        for problem in preview.problems:
            rows += _problem_rows(problem, "✖", "error", preview.backend)
        rows.append(_EMPTY)
    for problem in preview.warnings:
        rows += _problem_rows(problem, "!", "warning", preview.backend)
    found = all_findings(preview, findings)
    rows += _finding_rows([each for each in found if each.level is not Level.OK], preview.backend)
    if preview.changes and preview.last is not None:
        last = safe(preview.last.name)
        rows += [PlanRow(((f"Different from the run before ({last}):", "title"),))]
        for field, old, new in preview.changes:
            name = safe(label_of(field, preview.backend))
            told: Line = ((f"  {name}: ", "bold"), (f"{safe(old)} → {safe(new)}", ""))
            rows.append(PlanRow(told, field))
        rows.append(_EMPTY)
    rows += _finding_rows([each for each in found if each.level is Level.OK], preview.backend)
    rows += preview.rows
    if preview.batch:
        rows += [_EMPTY, PlanRow((("The script that the scheduler is given:", "title"),)), _EMPTY]
        rows += [PlanRow(((f"  {safe(line)}", ""),)) for line in preview.batch.splitlines()]
    return tuple(rows)


def all_findings(preview: JobPreview, asked: Sequence[Finding]) -> tuple[Finding, ...]:
    """What was found on the nodes, then what this machine alone says and they did not."""
    told = {finding.field for finding in asked}
    quick = [f for f in preview.findings if f.level is not Level.OK or f.field not in told]
    return (*asked, *quick)


def plan_rows(plan: LaunchPlan, *, in_full: bool = False) -> tuple[PlanRow, ...]:
    """The plan, node by node; of hundreds of nodes this takes longer than a key may."""
    rows = [
        PlanRow(((f"{label + ':':<12}", "accent"), (safe(value), "")))
        for label, value in plan_facts(plan)
    ]
    seen: set[str] = set()
    in_full = in_full or len(plan.nodes) <= _IN_FULL
    for number, node in enumerate(plan.nodes):
        head, *told_lines = node_lines(plan, node)
        # the command first: it is what people look for
        lines = [told_lines[-1], *told_lines[:-1]]
        rows += [_EMPTY, PlanRow(((safe(head), "bold"),), node=number)]
        shown = lines if in_full or not number else [line for line in lines if line not in seen]
        for line in shown:
            label, space, rest = line.strip().partition(" ")
            told: Line = ((f"  {label}", "accent"), (space + safe(rest), ""))
            rows.append(PlanRow(told, node=number))
        if len(shown) < len(lines):
            same: Line = (("  the rest as node 0 · z shows all of it", "dim"),)
            rows.append(PlanRow(same, node=number))
        if not number:
            seen.update(lines)
    return tuple(rows)


def _problem_rows(
    problem: Problem, mark: str, style: str, backend: BackendForm | None
) -> list[PlanRow]:
    told: Line = ((f"  {mark} ", style), (safe(problem_text(problem, backend)), style))
    rows = [PlanRow(told, problem.field)]
    if problem.hint:
        hint = safe(in_labels(problem.hint))
        rows.append(PlanRow((("    ", ""), (hint, "dim")), problem.field))
    return rows


def _finding_rows(findings: Sequence[Finding], backend: BackendForm | None) -> list[PlanRow]:
    order = (Level.ERROR, Level.WARNING, Level.OK)
    rows: list[PlanRow] = []
    for finding in sorted(findings, key=lambda found: order.index(found.level)):
        mark, style = MARKS[finding.level]
        subject = f"{safe(label_of(finding.field, backend))}: " if finding.field else ""
        told: Line = ((f"  {mark} ", style), (subject, "bold"), (safe(finding.text), ""))
        rows.append(PlanRow(told, finding.field))
        if finding.hint:
            hint = safe(in_labels(finding.hint))
            rows.append(PlanRow((("    ", ""), (hint, "dim")), finding.field))
    return [*rows, _EMPTY] if rows else rows
