"""`rankdeck check`: whether a job could start now: the job itself, and every node it would use."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from rankdeck.cli.common import json_option, print_json
from rankdeck.cli.job_options import JobCommand, draft_from, job_options
from rankdeck.cli.library import template_option, workspace_option
from rankdeck.cli.text import paint, shown, size, table
from rankdeck.errors import ExitCode, UserError
from rankdeck.text import mentions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rankdeck.probe.verdict import NodeCheck

_COLOURS = {"ok": "green", "warning": "yellow", "fails": "red", "unknown": "yellow"}
_NAMES = 5
_HEAD = ("NODE", "RESULT", "HOST", "PYTHON", "TORCH", "CPUS", "GPUS", "FREE", "")


@click.command("check", cls=JobCommand)
@click.argument("target", metavar="[PROJECT|JOB.yaml|SCRIPT]", required=False)
@job_options
@template_option
@workspace_option
@json_option
def check_command(
    target: str | None,
    template: str | None,
    workspace: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Check a job without starting it: its options, its nodes, and what is on each of them.

    Every node is asked once for its interpreter, torch, clock, free space and the job's files;
    nodes that differ from the others are named. Exits with 2 for an invalid job, with 3 if a node
    cannot be used; warnings exit with 0.
    """
    from rankdeck.backend import load_backend
    from rankdeck.cli.asking import terminal_ask
    from rankdeck.cli.run import Beginning, resolve
    from rankdeck.plan.build import build_plan
    from rankdeck.probe.checking import NodeCheckup

    begin = Beginning(template=template, workspace=workspace)
    spec = resolve(target, draft_from(options), begin)
    backend = load_backend(spec.backend)
    nodes = backend.nodes(spec)
    plan = build_plan(spec, nodes)
    secrets: Mapping[str, str] = {}
    refused = None
    try:
        secrets = backend.prepare(spec, nodes, terminal_ask())
    except UserError as error:
        # told, but no reason not to look at the nodes that can be reached
        refused = error
    checkup = NodeCheckup(backend, spec, nodes, plan)
    checks = checkup.judge(() if checkup.impossible else tuple(checkup.ask(secrets)))
    if as_json:
        problem = None if refused is None else refused.message
        print_json({"backend": spec.backend, "problem": problem, "nodes": checks})
    else:
        click.echo(table([_HEAD, *map(_row, checks)], right=frozenset({5, 6, 7})))
        for line in _remarks(checks):
            click.echo(line)
    if refused is not None:
        raise refused
    if any(check.result == "fails" for check in checks):
        sys.exit(ExitCode.UNUSABLE)


def _row(check: NodeCheck) -> tuple[str, ...]:
    result = paint(check.result, _COLOURS[check.result])
    facts = check.facts
    if facts is None:
        return (shown(check.node, 40), result, "–", "–", "–", "–", "–", "–", "")
    return (
        shown(check.node, 40),
        result,
        shown(facts.host, 40),
        shown(facts.version, 20),
        shown(facts.torch or "–", 24),
        str(facts.cpus),
        str(facts.gpus) if facts.gpus else "–",
        size(facts.free),
        "",
    )


def _remarks(checks: Sequence[NodeCheck]) -> list[str]:
    """What was found, each thing once, with the nodes that have it."""
    where: dict[tuple[str, str, str], list[str]] = {}
    for check in checks:
        for text in check.failures:
            where.setdefault((text, "red", check.hint), []).append(check.node)
        for text in check.warnings:
            where.setdefault((text, "yellow", ""), []).append(check.node)
    lines = []
    for (text, colour, hint), nodes in where.items():
        # a backend's own sentence names its node already
        said = len(nodes) == 1 and mentions(text, nodes[0])
        lines.append(paint(shown(text) if said else f"{_names(nodes)}: {shown(text)}", colour))
        if hint:
            lines.append(f"  try: {shown(hint)}")
    return lines


def _names(nodes: Sequence[str]) -> str:
    more = f" and {len(nodes) - _NAMES} more" if len(nodes) > _NAMES else ""
    return ", ".join(map(shown, nodes[:_NAMES])) + more
