"""`rankdeck show`: everything known about one run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from rankdeck.cli.common import (
    find_run,
    json_option,
    keep_supervised,
    print_json,
    run_argument,
)
from rankdeck.cli.text import age, duration, paint, shown, size, state_label, table
from rankdeck.text import (
    attempt_text,
    event_columns,
    figure,
    other_problems,
    problem_text,
    silence_text,
    state_text,
)

if TYPE_CHECKING:
    from rankdeck.run.node_state import GpuDevice, GpuLoad
    from rankdeck.run.view import NodeView, RankView, RunSnapshot


@click.command("show")
@run_argument()
@click.option("--events", is_flag=True, help="The run's history instead of its present.")
@click.option("--plan", is_flag=True, help="The exact commands and environment of each node.")
@json_option
def show_command(ref: str, events: bool, plan: bool, as_json: bool) -> None:
    """Show state, nodes, ranks and failure of RUN (an id, a prefix, a name, or `last`)."""
    if events and plan:
        raise click.UsageError("--events and --plan exclude each other")
    run = find_run(ref)
    if plan:
        from rankdeck.plan.render import render_plan
        from rankdeck.run.stored import read_plan

        launch_plan = read_plan(run)
        if as_json:
            print_json(launch_plan)
        else:
            click.echo(render_plan(launch_plan))
        return
    if events:
        from rankdeck.run.eventlog import read_events

        history = read_events(run)
        if as_json:
            print_json({"id": run.id, "events": history})
        else:
            click.echo(table([event_columns(event) for event in history]))
        return
    from rankdeck.run.view import RunReader

    reader = RunReader(run)
    snapshot = reader.snapshot()
    if not snapshot.run.state.final:
        keep_supervised(run)
    if as_json:
        from rankdeck.run.document import show_document

        print_json(show_document(snapshot, run))
    else:
        click.echo(describe(snapshot, time.time()))


def describe(snapshot: RunSnapshot, now: float) -> str:
    """The run as a page of text."""
    run = snapshot.run
    elapsed = None if run.started is None else (run.ended or now) - run.started
    facts = [
        ("state", f"{state_label(run.state)}  {state_text(run, now)}".rstrip()),
        ("name", shown(run.name)),
        ("run", run.id),
        ("project", shown(run.project) or "–"),
        ("where", f"{run.backend}, {run.launcher}, {run.nnodes} node(s), {run.world_size} rank(s)"),
        ("elapsed", f"{duration(elapsed)}, created {age(now - run.created)} ago"),
    ]
    if snapshot.master_addr:
        port = f":{snapshot.master_port}" if snapshot.master_port else ", port not chosen yet"
        facts.append(("master", shown(snapshot.master_addr) + port))
    if run.max_restarts or run.requeues:
        facts.append(("attempt", attempt_text(run).removeprefix("attempt ")))
    if run.progress is not None and run.progress.step is not None:
        total = f"/{run.progress.total_steps}" if run.progress.total_steps else ""
        numbers = "  ".join(
            f"{shown(k)} {figure(v)}" for k, v in list(run.progress.metrics.items())[:6]
        )
        facts.append(("step", f"{run.progress.step}{total}  {numbers}".rstrip()))
    parts = [table([(paint(key, "cyan"), value) for key, value in facts])]
    if run.failure is not None:
        first = paint(f"first failure: {shown(run.failure.summary)}", "red", bold=True)
        parts.append(first + _hint(run.failure.hint))
    parts += [
        paint(problem_text(node), "red") + _hint(node.problem_hint) for node in other_problems(run)
    ]
    ended = run.state.final
    rows = [_node_row(node, now, ended=ended) for node in snapshot.nodes]
    parts.append(table([_NODE_HEAD, *rows]))
    gpus = [] if ended else [_gpu_row(node) for node in snapshot.nodes if _gpus_of(node)]
    if gpus:
        parts.append(table([_GPU_HEAD, *gpus]))
    parts.append(
        table(
            [_RANK_HEAD, *(_rank_row(rank, now, run.state.final) for rank in snapshot.ranks)],
            right=frozenset({0, 4}),
        )
    )
    return "\n\n".join(parts)


_NODE_HEAD = ("NODE", "ADDRESS", "STATE", "CPU", "MEMORY", "LOAD", "SEEN", "")
_GPU_HEAD = ("NODE", "GPUS", "BUSY", "LEAST", "FULLEST", "HOTTEST", "")
_RANK_HEAD = ("RANK", "NODE", "STATE", "EXIT", "PID", "STEP", "CPU", "MEMORY", "LAST OUTPUT", "")


def _hint(hint: str) -> str:
    return f"\n  try: {shown(hint)}" if hint else ""


def _node_row(node: NodeView, now: float, *, ended: bool) -> tuple[str, ...]:
    load = node.load
    cpu = f"{load.cpu_percent:.0f}%" if load and load.cpu_percent is not None else "–"
    memory = f"{size(load.mem_used)}/{size(load.mem_total)}" if load and load.mem_total else "–"
    load1 = f"{load.load1:.1f}" if load and load.load1 is not None else "–"
    seen = "–" if node.heartbeat is None else f"{age(now - node.heartbeat)} ago"
    remark = shown(node.problem.message) if node.problem else ""
    if node.placeholder:
        remark = "the scheduler has not chosen it yet"
    elif node.silent_since is not None and not ended and not remark:
        remark = silence_text(node, now)
    address = shown(node.address) or "–"
    return (shown(node.name), address, node.state, cpu, memory, load1, seen, remark)


def _gpus_of(node: NodeView) -> GpuLoad | None:
    return node.load.gpus if node.load else None


def _gpu_row(node: NodeView) -> tuple[str, ...]:
    from rankdeck.run.gpus import memory_part, summarise

    load = _gpus_of(node)
    assert load is not None
    summary = summarise(load)
    unknown = "?" if load.silent else "–"

    def told(device: GpuDevice | None, value: float | None, unit: str) -> str:
        return unknown if device is None or value is None else f"{value:.0f}{unit} #{device.index}"

    least, fullest, hottest = summary.least, summary.fullest, summary.hottest
    part = memory_part(fullest) if fullest else None
    return (
        shown(node.name),
        f"{len(load.devices)} × {shown(load.model) or shown(load.source)}",
        unknown if summary.mean is None else f"{summary.mean:.0f}%",
        told(least, least.util if least else None, "%"),
        told(fullest, None if part is None else 100 * part, "%"),
        told(hottest, hottest.temp if hottest else None, " °C"),
        shown("; ".join(fault.text for fault in summary.faults), 100),
    )


def _rank_row(rank: RankView, now: float, ended: bool) -> tuple[str, ...]:
    exit_text = "–"
    if rank.signal is not None:
        from rankdeck.run.signals import signal_name

        exit_text = signal_name(rank.signal)
    elif rank.exit_code is not None:
        exit_text = str(rank.exit_code)
    cpu = "–" if rank.cpu_percent is None or ended else f"{rank.cpu_percent:.0f}%"
    memory = "–" if ended else size(rank.rss_bytes)
    last = "–" if rank.last_output is None else f"{age(now - rank.last_output)} ago"
    return (
        str(rank.rank),
        shown(rank.node),
        rank.state.value,
        exit_text,
        str(rank.pid or "–"),
        "–" if rank.step is None else str(rank.step),
        cpu,
        memory,
        last,
        shown(rank.last_line, 60),
    )
