"""`rankdeck metrics`: the numbers that a run's logs tell."""

from __future__ import annotations

import math
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rankdeck.cli.common import find_run, json_option, print_json, run_argument
from rankdeck.cli.text import paint, shown, table, terminal_width
from rankdeck.errors import ExitCode, UserError
from rankdeck.text import figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rankdeck.errors import Problem
    from rankdeck.metrics.alerts import Alert
    from rankdeck.metrics.joiner import RankMetrics
    from rankdeck.metrics.reader import MetricsReader
    from rankdeck.metrics.series import Series
    from rankdeck.run.layout import RunDir

_BUDGET = 4 << 20
_PLOT_CELLS = 40
_PATIENCE = 1.0


@click.command("metrics")
@run_argument()
@click.option("--key", "keys", metavar="K", multiple=True, help="Only this metric (repeatable).")
@click.option("--rank", "ranks", metavar="N,N-M", help="These ranks: 0,4-7, or all.")
@click.option(
    "--csv", "as_csv", is_flag=True, help="Every value as CSV: rank,metric,step,time,value."
)
@click.option("--alerts", "only_alerts", is_flag=True, help="NaN, spikes, divergence and stalls.")
@json_option
def metrics_command(
    ref: str,
    keys: tuple[str, ...],
    ranks: str | None,
    as_csv: bool,
    only_alerts: bool,
    as_json: bool,
) -> None:
    """Print the numbers that the logs of RUN tell: loss, lr, tok/s and whatever else.

    Without --rank they are those of the lowest rank that tells any. Expressions for numbers that
    are told in another way: `metric_patterns` in the settings, `metrics.yaml` in the project.
    """
    if as_csv and (as_json or only_alerts):
        raise click.UsageError("--csv goes neither with --json nor with --alerts")
    run = find_run(ref)
    reader, problems = _reader(run, ranks)
    for problem in problems:
        click.echo(f"rankdeck: warning: {shown(str(problem))}", err=True)
    _read_all(reader)
    told = reader.ranks()
    chosen = _chosen(told, keys)
    alerts = _alerts(run, told, keys)
    if as_json:
        print_json(_document(run, told, chosen, alerts, only_alerts=only_alerts))
    elif as_csv:
        _print_csv(chosen)
    elif only_alerts:
        click.echo(_alert_table(alerts) if alerts else "nothing is odd")
    else:
        click.echo(_overview(told, chosen, alerts))


def _read_all(reader: MetricsReader) -> None:
    """Read every log to its end; says how far it is where that takes long."""
    began, told = time.monotonic(), False
    while reader.read_some(_BUDGET):
        if sys.stderr.isatty() and time.monotonic() - began > _PATIENCE:
            click.echo(f"\rreading the logs: {reader.part:.0%} ", err=True, nl=False)
            told = True
    if told:
        click.echo("\r\x1b[K", err=True, nl=False)


def _reader(run: RunDir, ranks: str | None) -> tuple[MetricsReader, tuple[Problem, ...]]:
    from rankdeck.config.folder import config_folder
    from rankdeck.config.settings import load_settings
    from rankdeck.logs.ranks import parse_ranks
    from rankdeck.metrics.patterns import compile_patterns, project_patterns
    from rankdeck.metrics.reader import MetricsReader
    from rankdeck.run.stored import read_plan, read_state

    world_size = read_plan(run).world_size
    wanted: tuple[int, ...] = ()
    if ranks == "all":
        wanted = tuple(range(world_size))
    elif ranks is not None:
        wanted = parse_ranks(ranks, world_size)
    settings = load_settings(config_folder(os.environ), os.environ).settings
    patterns, problems = compile_patterns(settings.metric_patterns)
    project = read_state(run).project
    if project:
        more, wrong = project_patterns(Path(project))
        patterns, problems = patterns + more, problems + wrong
    return MetricsReader(run, patterns=patterns, ranks=wanted), problems


def _chosen(told: Sequence[RankMetrics], keys: Sequence[str]) -> list[tuple[int, str, Series]]:
    """The series that were asked for, by rank, the ones people look at first before the others.

    Raises:
        UserError: None goes by a name that was asked for.
    """
    from difflib import get_close_matches

    from rankdeck.metrics import words

    known = sorted({key for metrics in told for key in metrics.series}, key=words.order)
    for key in keys:
        if key not in known:
            close = get_close_matches(key, known, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            listed = ", ".join(map(shown, known[:20])) or "none"
            raise UserError(
                f"the logs tell no metric {shown(key)!r}",
                f"{hint}they tell: {listed}",
                exit_code=ExitCode.USAGE,
            )
    return [
        (metrics.rank, key, metrics.series[key])
        for metrics in told
        for key in sorted(metrics.series, key=words.order)
        if not keys or key in keys
    ]


def _alerts(run: RunDir, told: Sequence[RankMetrics], keys: Sequence[str]) -> list[Alert]:
    from rankdeck.run.state import RunPhase
    from rankdeck.run.stored import read_state

    found = [alert for metrics in told for alert in metrics.alerts]
    if keys:
        found = [alert for alert in found if alert.metric in keys]
    if read_state(run).state is RunPhase.RUNNING:
        now = time.time()
        stalls = [m.pace.stall(now, m.rank, m.attempt) for m in told]
        found += [stall for stall in stalls if stall is not None]
    return sorted(found, key=lambda alert: alert.time if alert.time == alert.time else 0.0)


def _overview(
    told: Sequence[RankMetrics], chosen: Sequence[tuple[int, str, Series]], alerts: Sequence[Alert]
) -> str:
    if not chosen:
        return "the logs tell no numbers yet"
    from rankdeck.metrics.blocks import blocks

    several = len(told) > 1
    room = max(8, min(_PLOT_CELLS, terminal_width() - 78))
    head = ("METRIC", "LAST", "LEAST", "MOST", "STEP", "VALUES", "", "")
    rows = [("RANK", *head) if several else head]
    constants = []
    for rank, key, series in chosen:
        if len(series) + series.odd_count < 2 and len(chosen) > 1:
            constants.append(f"{shown(key)} {_value(series.last)}")
            continue
        last = _value(series.last)
        row = (
            paint(shown(key, 32), "cyan"),
            last if _finite(series.last) else paint(last, "red", bold=True),
            figure(min(series.values)) if len(series) else "–",
            figure(max(series.values)) if len(series) else "–",
            f"{series.last_step or 0:,.0f}",
            f"{series.count:,}",
            blocks(series.values, room),
            paint(f"{series.odd_count} not a number", "red") if series.odd_count else "",
        )
        rows.append((str(rank), *row) if several else row)
    shift = 1 if several else 0
    right = frozenset({column + shift for column in (1, 2, 3, 4, 5)} | ({0} if several else set()))
    parts = [table(rows, right=right)]
    if constants:
        parts.append("told once: " + ", ".join(constants[:20]))
    if alerts:
        parts.append(_alert_table(alerts))
    return "\n\n".join(parts)


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _value(value: float | None) -> str:
    if value is None:
        return "–"
    return figure(value) if math.isfinite(value) else str(value).replace("nan", "NaN")


def _alert_table(alerts: Sequence[Alert]) -> str:
    return table(
        [
            (
                paint(alert.kind.value, "red" if alert.kind.value != "stall" else "yellow"),
                _clock(alert.time),
                f"rank {alert.rank}" + (f", attempt {alert.attempt + 1}" if alert.attempt else ""),
                shown(alert.text),
            )
            for alert in alerts
        ]
    )


def _clock(when: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when)) if when == when else "–"


def _print_csv(chosen: Sequence[tuple[int, str, Series]]) -> None:
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("rank", "metric", "step", "time", "value"))
    for rank, key, series in chosen:
        for step, when, value in series.rows():
            told = "" if math.isnan(when) else f"{when:.3f}"
            writer.writerow((rank, key, f"{step:.15g}", told, repr(value)))


def _document(
    run: RunDir,
    told: Sequence[RankMetrics],
    chosen: Sequence[tuple[int, str, Series]],
    alerts: Sequence[Alert],
    *,
    only_alerts: bool,
) -> dict[str, Any]:
    """One JSON document; NaN and infinite values are the strings `nan`, `inf` and `-inf`."""
    document: dict[str, Any] = {
        "id": run.id,
        "alerts": [
            {
                "kind": alert.kind,
                "metric": alert.metric,
                "step": alert.step,
                "time": None if math.isnan(alert.time) else alert.time,
                "rank": alert.rank,
                "attempt": alert.attempt,
                "text": alert.text,
            }
            for alert in alerts
        ],
    }
    if not only_alerts:
        document["ranks"] = [
            {
                "rank": metrics.rank,
                "total_steps": metrics.total_steps,
                "metrics": {
                    key: _columns(series) for rank, key, series in chosen if rank == metrics.rank
                },
            }
            for metrics in told
        ]
    return document


def _columns(series: Series) -> dict[str, Any]:
    rows = series.rows()
    return {
        "count": series.count,
        "step": [step for step, _, _ in rows],
        "time": [None if math.isnan(when) else when for _, when, _ in rows],
        "value": [value if math.isfinite(value) else str(value) for _, _, value in rows],
    }
