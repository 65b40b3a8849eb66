"""What the details of a run say: read in the background, shown as lines. Knows no widget."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rankdeck.job.compare import FieldChange, change_texts, compare_drafts
from rankdeck.job.draft import JobDraft
from rankdeck.job.load import read_job_yaml
from rankdeck.run.eventlog import read_events
from rankdeck.run.layout import RunDir
from rankdeck.run.stored import read_state
from rankdeck.text import age, attempt_text, duration, event_columns, ranks_text
from tui.looks import Line, bar, safe, sparkline, state_piece
from tui.widgets.run_table import elapsed, stale_text

if TYPE_CHECKING:
    from rankdeck.run.events import Event
    from rankdeck.run.state import Failure, RunState
    from rankdeck.run.store import RunStore
    from rankdeck.run.summary import RunSummary

_EVENTS = 8
_EVENTS_READ = 40
_CHANGES = 12
_EVIDENCE = 6
_TOLD = frozenset(("name", "project", "entry", "args", "launcher", "backend", "python"))


@dataclass(frozen=True, slots=True)
class RunDetails:
    """What was read of one run."""

    run_id: str
    state: RunState
    job: JobDraft
    path: str
    events: tuple[Event, ...]
    previous: RunSummary | None
    changes: tuple[FieldChange, ...]
    """How its job differs from that of the previous run of the project."""


def read_details(store: RunStore, run_id: str, previous: RunSummary | None) -> RunDetails:
    """Read them; waits for the disk.

    Raises:
        UserError: There is no such run (any more).
    """
    run = RunDir(store.runs_dir / run_id)
    state = read_state(run)
    job = read_job_yaml(run.job).draft
    changes: tuple[FieldChange, ...] = ()
    if previous is not None:
        changes = compare_runs(store, previous.id, run_id)
    events = tuple(read_events(run, max(0, state.last_seq - _EVENTS_READ)))
    return RunDetails(run_id, state, job, str(run.path), events, previous, changes)


def compare_runs(store: RunStore, old: str, new: str) -> tuple[FieldChange, ...]:
    """What differs between the jobs of two runs; waits for the disk."""
    before, after = (
        read_job_yaml(RunDir(store.runs_dir / run_id).job).draft for run_id in (old, new)
    )
    return compare_drafts(before, after)


def about_lines(run: RunSummary, details: RunDetails | None, now: float) -> tuple[Line, ...]:
    """What it is, and how it differs from the run before."""
    lines = [*_head(run, now), *_facts(run, now)]
    if details is None:
        return (*lines, (("reading …", "dim"),))
    return (*lines, (), *_change_lines(details), (), *_whence(run, details))


def news_lines(run: RunSummary, details: RunDetails | None) -> tuple[Line, ...]:
    """Why it failed, what is wrong with its nodes, and what happened last."""
    if details is None:
        return ()
    return (*_trouble_lines(run, details), *_event_lines(details, _EVENTS))


def page_lines(run: RunSummary, details: RunDetails | None, now: float) -> tuple[Line, ...]:
    """All of it where there is room: why it failed comes first."""
    head = _head(run, now)
    if details is None:
        return (*head, *_facts(run, now), (("reading …", "dim"),))
    return (
        *head,
        (),
        *_trouble_lines(run, details),
        *_facts(run, now),
        *_whence(run, details),
        (),
        *_change_lines(details),
        (),
        *_job_lines(details.job),
        *_event_lines(details, _EVENTS_READ),
    )


def _head(run: RunSummary, now: float) -> list[Line]:
    return [
        (state_piece(run.state), ("  ", ""), (safe(run.name), "bold"), *_elapsed(run, now)),
        ((run.id, "dim"),),
    ]


def _facts(run: RunSummary, now: float) -> list[Line]:
    lines: list[Line] = [_line("where", f"{safe(run.backend)} · {_nodes(run)} · {_ranks(run)}")]
    if stale := stale_text(run, now):
        lines.append((("data     ", "dim"), (stale, "warning")))
    if run.step is not None or run.loss is not None:
        lines.append(_progress(run))
    return lines


def _whence(run: RunSummary, details: RunDetails) -> list[Line]:
    job = details.job
    what = " ".join((safe(job.entry or "?"), *map(safe, _words(job.args))))
    lines = [
        _line("runs", f"{what}  ({safe(run.launcher)})"),
        _line("project", safe(run.project or job.project or "?")),
        _line("path", safe(details.path)),
    ]
    if details.state.attempt or details.state.max_restarts:
        lines.append(_line("attempt", safe(attempt_text(details.state))))
    return lines


def _trouble_lines(run: RunSummary, details: RunDetails) -> list[Line]:
    lines: list[Line] = []
    if details.state.failure is not None:
        lines += [*_failure_lines(details.state.failure), ()]
    elif run.reason:
        lines += [((safe(run.reason), "warning"),), ()]
    troubled = [node for node in details.state.nodes if node.problem]
    for node in troubled[:3]:
        lines.append((("! ", "warning"), (safe(f"{node.name}: {node.problem}"), "warning")))
    if troubled:
        lines.append(())
    return lines


def _job_lines(job: JobDraft) -> list[Line]:
    """What the job sets beside what is told anyway."""
    changes = [c for c in compare_drafts(JobDraft(), job) if c.field not in _TOLD]
    if not changes:
        return []
    lines: list[Line] = [(("job", "title"),)]
    for change in changes:
        name = safe(change.field.removeprefix("hyperparameters."))
        lines.append(((f"  {name} ", "dim"), (safe(change_texts(change)[1]), "")))
    return [*lines, ()]


def _event_lines(details: RunDetails, most: int) -> list[Line]:
    lines: list[Line] = [(("last events", "title"),)]
    for event in reversed(details.events[-most:]):
        when, kind, subject, state, rest = event_columns(event)
        text = " ".join(part for part in (kind, subject, state, rest) if part)
        lines.append(((f"{when[:8]} ", "dim"), (safe(text), "")))
    return lines


def difference_lines(
    old: RunSummary, new: RunSummary, changes: tuple[FieldChange, ...]
) -> tuple[Line, ...]:
    """Two jobs side by side, as far as they differ."""
    lines: list[Line] = []
    for mark, run in (("-", old), ("+", new)):
        style = "error" if mark == "-" else "good"
        lines.append(((f"{mark} ", style), (safe(run.name), "bold"), (f"  {run.id}", "dim")))
    lines.append(())
    if not changes:
        lines.append((("Both ran the same job.", "good"),))
    for change in changes:
        lines += _change(change)
    return tuple(lines)


def _line(name: str, text: str) -> Line:
    return ((f"{name:<9}", "dim"), (text, ""))


def _words(args: tuple[str, ...] | str | None) -> tuple[str, ...]:
    return (args,) if isinstance(args, str) else args or ()


def _elapsed(run: RunSummary, now: float) -> Line:
    seconds = elapsed(run, now)
    told = "" if seconds is None else f"  {duration(seconds)}"
    return ((f"{told}  made {age(now - run.created)} ago", "dim"),)


def _nodes(run: RunSummary) -> str:
    count = "1 node" if run.nnodes == 1 else f"{run.nnodes} nodes"
    return f"{count}: {safe(run.nodes)}" if run.nodes else count


def _ranks(run: RunSummary) -> str:
    return "1 rank" if run.world_size == 1 else f"{run.world_size} ranks"


def _progress(run: RunSummary) -> Line:
    pieces: list[tuple[str, str]] = [("progress ", "dim")]
    if run.step is not None:
        total = f"/{run.total_steps}" if run.total_steps else ""
        pieces.append((f"step {run.step}{total} ", ""))
        if run.total_steps:
            part = run.step / run.total_steps
            pieces.append((f"{bar(part, 10)} {int(100 * part)}%  ", ""))
    if run.loss is not None:
        pieces.append((f"loss {run.loss:.4g} {sparkline(run.loss_curve, 24)}", "accent"))
    return tuple(pieces)


def _change_lines(details: RunDetails) -> list[Line]:
    previous = details.previous
    if previous is None:
        return [(("the first run of its project here", "dim"),)]
    head = (("since the run before ", "title"), (f"{safe(previous.name)}  {previous.id}", "dim"))
    if not details.changes:
        return [head, (("  the same job", "good"),)]
    lines: list[Line] = [head]
    for change in details.changes[:_CHANGES]:
        lines += _change(change)
    if len(details.changes) > _CHANGES:
        lines.append(((f"  and {len(details.changes) - _CHANGES} more (c compares)", "dim"),))
    return lines


def _change(change: FieldChange) -> list[Line]:
    old, new = map(safe, change_texts(change))
    name = safe(change.field.removeprefix("hyperparameters."))
    return [((f"  {name} ", "bold"), (old, "error"), (" → ", "dim"), (new, "good"))]


def _failure_lines(failure: Failure) -> list[Line]:
    who = "" if failure.rank is None else f"rank {failure.rank} "
    where = f"on {safe(failure.node)} " if failure.node else ""
    when = "" if failure.time is None else time.strftime("%H:%M:%S ", time.localtime(failure.time))
    lines: list[Line] = [
        (("✖ ", "error"), (safe(failure.summary), "error")),
        ((f"{who}{where}{when}· {safe(failure.category)} · {safe(failure.certainty)}", "dim"),),
    ]
    if failure.hint:
        lines.append((("try: ", "key"), (safe(failure.hint), "")))
    lines += [(("│ ", "dim"), (safe(text), "")) for text in failure.evidence[-_EVIDENCE:]]
    if failure.collateral_ranks:
        told = ranks_text(failure.collateral_ranks)
        lines.append(((f"ended because of it: {told}", "dim"),))
    return lines
