"""`rankdeck check`: whether a job could start now: the job itself, and every node it would use."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from rankdeck.cli.common import json_option, print_json
from rankdeck.cli.job_options import JobCommand, draft_from, job_options
from rankdeck.cli.text import paint, shown, size, table
from rankdeck.errors import ExitCode, UserError
from rankdeck.text import mentions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rankdeck.backend import Backend
    from rankdeck.job.spec import JobSpec
    from rankdeck.nodes.node import Node
    from rankdeck.plan.records import LaunchPlan
    from rankdeck.probe.verdict import NodeCheck

_COLOURS = {"ok": "green", "warning": "yellow", "fails": "red", "unknown": "yellow"}
_NAMES = 5
_HEAD = ("NODE", "RESULT", "HOST", "PYTHON", "TORCH", "CPUS", "GPUS", "FREE", "")


@click.command("check", cls=JobCommand)
@click.argument("target", metavar="[PROJECT|JOB.yaml|SCRIPT]", required=False)
@job_options
@json_option
def check_command(target: str | None, as_json: bool, **options: Any) -> None:
    """Check a job without starting it: its options, its nodes, and what is on each of them.

    Every node is asked once for its interpreter, torch, clock, free space and the job's files;
    nodes that differ from the others are named. Exits with 2 for an invalid job, with 3 if a node
    cannot be used; warnings exit with 0.
    """
    from rankdeck.backend import load_backend
    from rankdeck.cli.asking import terminal_ask
    from rankdeck.cli.run import resolve
    from rankdeck.plan.build import build_plan

    spec = resolve(target, draft_from(options))
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
    checks = _check_nodes(backend, spec, nodes, plan, secrets)
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


def _check_nodes(
    backend: Backend,
    spec: JobSpec,
    nodes: Sequence[Node],
    plan: LaunchPlan,
    secrets: Mapping[str, str],
) -> tuple[NodeCheck, ...]:
    """The nodes' results, in rank order."""
    from rankdeck.backend_reach import ReachesNodes
    from rankdeck.probe.script import probe_command, probe_input
    from rankdeck.probe.verdict import NodeCheck, Wanted, judge

    if any(node.placeholder for node in nodes):
        why = "the scheduler has not chosen it yet"
        return tuple(_not_looked_at(node, why) for node in nodes)
    if not isinstance(backend, ReachesNodes):
        why = f"the {backend.name} backend reaches its nodes only while a job runs"
        return tuple(_not_looked_at(node, why) for node in nodes)
    first = plan.nodes[0]
    arguments = {"folder": _node_folder(backend, spec), "paths": _needed_paths(nodes, plan)}
    answers = {
        answer.node: answer
        for answer in backend.run_on_nodes(
            spec, nodes, secrets, probe_command(first.python), probe_input("facts", arguments)
        )
    }
    module = (plan.requires_module or "").partition(".")[0] or None
    checks = judge(
        [answers[node.name] for node in nodes if node.name in answers],
        Wanted(python=first.python, module=module),
    )
    found = {check.node: check for check in checks}
    missing = NodeCheck(node="", result="fails", failures=("no answer came",))
    return tuple(found.get(node.name, missing) for node in nodes)


def _not_looked_at(node: Node, why: str) -> NodeCheck:
    from rankdeck.probe.verdict import NodeCheck

    return NodeCheck(node=node.name, result="unknown", warnings=(why,))


def _node_folder(backend: Backend, spec: JobSpec) -> str:
    """Where a run's files go on the nodes: the backend's own choice, else the state directory."""
    from rankdeck.run.layout import rankdeck_home

    default = next((o.default for o in backend.options if o.name == "node_dir"), None)
    folder = spec.backend_options.get("node_dir", default)
    return str(folder) if folder else str(rankdeck_home())


def _needed_paths(nodes: Sequence[Node], plan: LaunchPlan) -> list[str]:
    """The files that must be there; a project that is copied there need not be."""
    if any(node.project for node in nodes):
        return []
    first = plan.nodes[0]
    return [path for path in dict.fromkeys((first.cwd, first.entry)) if path]


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
