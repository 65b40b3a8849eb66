"""A plan as text: for people (`--dry-run`), and as scripts that do the same by hand.

Values of secrets appear in neither. Pure.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from rankdeck.job.values import duration_text
from rankdeck.plan.records import Spawn
from rankdeck.plan.redact import argv_words
from rankdeck.project.secrets import HIDDEN

if TYPE_CHECKING:
    from rankdeck.plan.records import LaunchPlan, NodePlan
    from rankdeck.plan.redact import Word

_HAND_PORT = "29500"


def render_plan(plan: LaunchPlan) -> str:
    """Exactly what would be executed, node by node; text for a terminal, not for a shell."""
    lines = [f"{label + ':':<12}{_printable(value)}" for label, value in plan_facts(plan)]
    for node in plan.nodes:
        lines += ["", *node_lines(plan, node)]
    return "\n".join(lines)


def plan_facts(plan: LaunchPlan) -> tuple[tuple[str, str], ...]:
    """What holds for the whole run: a label and a text each."""
    port = str(plan.master_port) if plan.master_port else "a free port, chosen at start"
    return (
        ("run", plan.name),
        ("backend", plan.backend),
        ("launcher", plan.launcher),
        ("ranks", f"{plan.world_size} on {_count(len(plan.nodes), 'node')}"),
        *_open_choice(plan),
        ("master", f"{_master(plan)}, {port}"),
        ("output", plan.output_dir),
        ("time limit", duration_text(plan.time_limit) if plan.time_limit else "none"),
        ("restarts", str(plan.max_restarts)),
        ("grace", duration_text(plan.grace)),
    )


def command_scripts(plan: LaunchPlan) -> dict[str, str]:
    """One bash script per node, by file name, that runs the node's part by hand.

    Secrets must be in the environment of whoever runs them; a port that was to be chosen at start
    is `$MASTER_PORT`, else 29500.
    """
    return {script_name(node): _script(plan, node) for node in plan.nodes}


def script_name(node: NodePlan) -> str:
    """The file name of a node's script in `commands/`."""
    return f"node-{node.node_rank}.sh"


def _open_choice(plan: LaunchPlan) -> list[tuple[str, str]]:
    count = sum(node.placeholder for node in plan.nodes)
    if not count:
        return []
    return [("nodes", f"the scheduler chooses {_count(count, 'node')} when it starts the job")]


def _master(plan: LaunchPlan) -> str:
    first = plan.nodes[0]
    if first.placeholder and plan.master_addr == first.address:
        return "the first node that the scheduler chooses"
    return plan.master_addr


def _where(node: NodePlan) -> str:
    """The node as people know it, and how it is reached where that is not the same."""
    if node.placeholder:
        return f"{node.name}, to be chosen by the scheduler"
    how = node.address if node.address != node.name else ""
    if node.user:
        how = f"{node.user}@{node.address}"
    if node.port:
        how = f"{how or node.address}, port {node.port}"
    return f"{node.name}, reached as {how}" if how else node.name


def node_lines(plan: LaunchPlan, node: NodePlan) -> list[str]:
    """Exactly what one node would execute: who it is, where, with what, and the command."""
    last = node.first_rank + node.nproc - 1
    ranks = f"rank {last}" if node.nproc == 1 else f"ranks {node.first_rank}-{last}"
    words = [
        shlex.quote(word.text) if not word.secret else word.text + HIDDEN
        for word in argv_words(plan, node)
    ]
    lines = [f"node {node.node_rank}: {_printable(_where(node))} ({ranks})"]
    lines.append(f"  cwd   {_printable(node.cwd)}")
    for name, value in node.env.items():
        shown = HIDDEN if name in plan.redacted else shlex.quote(value)
        lines.append(f"  env   {name}={_printable(shown)}")
    if not plan.master_port:
        lines.append("  env   MASTER_PORT=<chosen at start>")
    times = f"  (x{node.nproc}, once per rank)" if plan.spawn is Spawn.RANKS else ""
    lines.append(f"  run   {_printable(' '.join(words))}{times}")
    return lines


def _script(plan: LaunchPlan, node: NodePlan) -> str:
    title = f"Node {node.node_rank} of {len(plan.nodes)} of run {plan.run_id}"
    lines = ["#!/usr/bin/env bash", f"# {_printable(title)}: {_printable(node.name)}", "set -eu"]
    shown = {name: value for name, value in node.env.items() if name not in plan.redacted}
    words = argv_words(plan, node)
    for name in dict.fromkeys((*plan.redacted, *(word.secret for word in words if word.secret))):
        lines.append(f': "${{{name}?its value is not kept here: set it first}}"')
        if name in node.env:
            lines.append(f"export {name}")
    lines += [f"export {name}={shlex.quote(value)}" for name, value in shown.items()]
    if not plan.master_port:
        lines.append(f'export MASTER_PORT="${{MASTER_PORT:-{_HAND_PORT}}}"')
        lines.append('export PET_MASTER_PORT="$MASTER_PORT"')
    lines.append("export PYTHONUNBUFFERED=1")
    lines.append(f"cd -- {shlex.quote(node.cwd)}")
    command = " ".join(_script_word(word) for word in words)
    if plan.spawn is Spawn.LAUNCHER:
        lines.append(f"exec {command}")
    else:
        lines += _rank_loop(plan, node, command)
    return "\n".join(lines) + "\n"


def _rank_loop(plan: LaunchPlan, node: NodePlan, command: str) -> list[str]:
    return [
        f"export WORLD_SIZE={plan.world_size} LOCAL_WORLD_SIZE={node.nproc}"
        f" GROUP_RANK={node.node_rank}",
        "pids=()",
        f"for ((LOCAL_RANK = 0; LOCAL_RANK < {node.nproc}; LOCAL_RANK++)); do",
        f"  RANK=$(({node.first_rank} + LOCAL_RANK)) LOCAL_RANK=$LOCAL_RANK {command} &",
        "  pids+=($!)",
        "done",
        "trap 'kill \"${pids[@]}\" 2>/dev/null' INT TERM",
        "code=0",
        'for pid in "${pids[@]}"; do wait "$pid" || code=$?; done',
        'exit "$code"',
    ]


def _script_word(word: Word) -> str:
    if not word.secret:
        return shlex.quote(word.text)
    return (shlex.quote(word.text) if word.text else "") + f'"${word.secret}"'


def _printable(text: str) -> str:
    """Control characters as escapes: values are data and must not steer a terminal."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode()


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
