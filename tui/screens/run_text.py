"""One run as lines of text: its header, its history and its failure. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rankdeck.run.node_state import RankState
from rankdeck.run.state import RunPhase
from rankdeck.run.summary import find_loss
from rankdeck.text import (
    CERTAINTIES,
    age,
    attempt_text,
    duration,
    event_columns,
    figure,
    other_problems,
    problem_text,
    ranges,
    silence_text,
    size,
    state_text,
)
from tui.looks import Line, Piece, bar, fit, safe, sparkline, state_piece

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rankdeck.run.events import Event
    from rankdeck.run.state import Failure, RunState
    from rankdeck.run.view import NodeView, RankView, RunSnapshot

_EVENT_STYLES = {"failure": "error", "problem": "error", "command": "accent", "note": "dim"}


def elapsed_of(run: RunState, now: float) -> float | None:
    """Seconds since the first rank was spawned, up to the end."""
    if run.started is None:
        return None
    return ((run.ended if run.state.final else None) or now) - run.started


def eta_of(snapshot: RunSnapshot, now: float) -> float | None:
    """Seconds to the last step, judged by the time since the ranks began to step."""
    run, progress = snapshot.run, snapshot.run.progress
    if run.state is not RunPhase.RUNNING or progress is None or not progress.total_steps:
        return None
    step = progress.step or 0
    began = [rank.times.get(RankState.STEPPING.value) for rank in snapshot.ranks]
    known = [moment for moment in began if moment is not None]
    since = min(known) if known else run.started
    if since is None or step <= 0 or now <= since:
        return None
    return (now - since) / step * max(0, progress.total_steps - step)


def title_line(snapshot: RunSnapshot, now: float) -> tuple[Line, Line]:
    """Name and state on the left, where it runs on the right."""
    run = snapshot.run
    left: list[Piece] = [("rankdeck ▸ ", ""), (safe(run.name), "bold"), ("  ", "")]
    left += [state_piece(run.state), (f"  {duration(elapsed_of(run, now))}", "")]
    if run.attempt:
        left.append((f"  {attempt_text(run)}", "warning"))
    where = f"{safe(run.backend)} {run.nnodes}×{run.nproc_per_node} {safe(run.launcher)}"
    return tuple(left), ((where, "dim"),)


def progress_line(snapshot: RunSnapshot, now: float, width: int) -> Line:
    """Step, bar, time to go and loss; what is going on where there are no steps."""
    run, progress = snapshot.run, snapshot.run.progress
    if progress is None or progress.step is None:
        nothing = "no steps" if run.state.final else "no steps seen yet"
        return ((" ", ""), (state_text(run, now) or nothing, "dim"))
    pieces: list[Piece] = [(" ", "")]
    if progress.total_steps:
        part = progress.step / progress.total_steps
        pieces.append((f"step {progress.step}/{progress.total_steps} ", ""))
        pieces.append((bar(part, max(8, min(30, width // 6))), "accent"))
        pieces.append((f" {100 * part:.0f} %", ""))
    else:
        pieces.append((f"step {progress.step}", ""))
    eta = eta_of(snapshot, now)
    if eta is not None:
        pieces.append((f"  ETA {duration(eta)}", ""))
    loss = find_loss(progress.metrics)
    if loss is not None:
        curve = sparkline(progress.loss_curve, 8 if width < 100 else 24)
        pieces += [(f"  loss {loss:.4g} ", ""), (curve, "accent")]
    others = [(k, v) for k, v in progress.metrics.items() if v is not loss and k != "loss"]
    pieces += [(f"  {safe(name)} {figure(value)}", "dim") for name, value in others[:4]]
    return tuple(pieces)


def reason_line(run: RunState) -> Line | None:
    """Why it is as it is: the first failure, else the state's reason; None: nothing to tell."""
    if run.failure is not None:
        rest = "" if run.state.final else "  (an earlier attempt)"
        return ((" ✖ ", "error"), (safe(run.failure.summary), "error"), (rest, "dim"))
    if run.reason and run.state in (RunPhase.STOPPED, RunPhase.LOST, RunPhase.STOPPING):
        return ((" ", ""), (safe(run.reason), "warning"))
    return None


def silence_line(nodes: Sequence[NodeView], now: float) -> Line | None:
    """The nodes that cannot be heard; None: every one can."""
    silent = [node for node in nodes if node.silent_since is not None]
    if not silent:
        return None
    first = min(silent, key=lambda node: node.silent_since or now)
    told = silence_text(first, now)
    others = len(silent) - 1
    more = f"  and {others} other node{'s' if others > 1 else ''}" if others else ""
    return ((" ! ", "warning"), (f"{safe(first.name)} {told}{more}", "warning"))


def rank_line(
    rank: RankView, now: float, *, ended: bool, silent_since: float | None = None
) -> Line:
    """The facts of one rank: live ones, or the last that were heard of a silent node."""
    pieces: list[Piece] = [
        (f" rank {rank.rank}", "bold"),
        (f" · {safe(rank.node)}:{rank.local_rank} · {rank.state.value}", ""),
    ]
    if silent_since is not None and not ended:
        pieces.append((f" · not heard for {age(now - silent_since)}", "warning"))
    if rank.signal is not None:
        from rankdeck.run.signals import signal_name

        pieces.append((f" · {signal_name(rank.signal)}", "error"))
    elif rank.exit_code is not None:
        pieces.append((f" · exit {rank.exit_code}", "error" if rank.exit_code else ""))
    if rank.step is not None:
        pieces.append((f" · step {rank.step}", ""))
    if not ended and rank.cpu_percent is not None:
        pieces.append((f" · cpu {rank.cpu_percent:.0f}% · {size(rank.rss_bytes)}", ""))
    if rank.last_output is not None:
        pieces.append((f" · last line {age(now - rank.last_output)} ago", "dim"))
    if rank.pid is not None:
        pieces.append((f" · pid {rank.pid}", "dim"))
    return tuple(pieces)


def node_lines(
    nodes: Sequence[NodeView], now: float, *, ended: bool, most: int
) -> tuple[Line, ...]:
    """The nodes in at most so many lines: those in trouble first, then in their own order.

    A line tells state, load and memory while it works, and what is wrong with the node.
    """
    if not nodes:
        return ()
    if nodes[0].placeholder:
        count = f"{len(nodes)} node{'s' if len(nodes) > 1 else ''}"
        return (((f" {count}", "bold"), (", not chosen yet", "dim")),)
    if len(nodes) <= most:
        return tuple(_node_line(node, now, ended) for node in nodes)
    ranked = sorted(nodes, key=lambda node: (_calm(node), node.node_rank))
    shown, rest = ranked[: most - 1], ranked[most - 1 :]
    counted = Counter(_state(node, ended) for node in rest)
    told = ", ".join(f"{count} {safe(state)}" for state, count in counted.most_common(3))
    return (
        *(_node_line(node, now, ended) for node in sorted(shown, key=lambda n: n.node_rank)),
        ((f" … {len(rest)} more: {told}", "dim"),),
    )


def _calm(node: NodeView) -> int:
    if node.problem is not None or node.state == "lost":
        return 0
    return 1 if node.silent_since is not None else 2


def _state(node: NodeView, ended: bool) -> str:
    return "silent" if node.silent_since is not None and not ended else node.state


def _node_line(node: NodeView, now: float, ended: bool) -> Line:
    pieces: list[Piece] = [(f" {safe(node.name)}", "bold"), (f" {safe(node.state)}", "")]
    if node.problem is not None:
        message = node.problem.message.removeprefix(f"{node.name}: ")
        return (pieces[0], (f" · {safe(message)}", "error"))
    if node.silent_since is not None and not ended:
        pieces.append((f" ! silent {age(now - node.silent_since)}", "warning"))
        return tuple(pieces)
    load = None if ended else node.load
    if load is not None and load.cpu_percent is not None:
        pieces.append((f" · cpu {load.cpu_percent:.0f}%", ""))
    if load is not None and load.mem_total:
        pieces.append((f" · mem {size(load.mem_used)}/{size(load.mem_total)}", ""))
    return tuple(pieces)


def event_lines(events: Iterable[Event]) -> tuple[Line, ...]:
    """The history, oldest first."""
    return tuple(_event_line(event) for event in events)


def _event_line(event: Event) -> Line:
    when, kind, subject, state, details = event_columns(event)
    style = _EVENT_STYLES.get(kind, "")
    if state in (RankState.FAILED.value, RankState.LOST.value):
        style = "error"
    return (
        (f"{when}  ", "dim"),
        (f"{fit(kind, 10)}  ", style),
        (f"{fit(subject, 12)}  " if subject or state else "", ""),
        (f"{fit(safe(state), 10)}  " if state else "", style),
        (safe(details), style),
    )


def failure_lines(run: RunState) -> tuple[Line, ...]:
    """The failure card; what there is to say where nothing has failed."""
    failure = run.failure
    if failure is None:
        reason = f": {safe(run.reason)}" if run.reason else ""
        told: Line = ((f" {run.state.value}{reason}; no rank has failed.", "dim"),)
        return ((), told, *_other_lines(run))
    sure = CERTAINTIES.get(
        failure.certainty, "not certain: the cause is not in what the ranks left behind"
    )
    lines: list[Line] = [
        (("✖ ", "error"), (safe(failure.summary), "error")),
        ((_culprit(failure), "bold"), (f" · {safe(failure.category)} · {sure}", "")),
        (),
    ]
    lines += [(("│ ", "dim"), (safe(line), "")) for line in failure.evidence]
    if failure.evidence:
        lines.append(())
    if failure.collateral_ranks:
        lines.append((("ended because of it: ", "dim"), (_ranks(failure), "")))
    if failure.hint:
        lines.append((("try: ", "key"), (safe(failure.hint), "")))
    lines += _other_lines(run)
    lines.append((("r", "key"), (" runs it again   ", ""), ("2", "key"), (" its log", "")))
    return tuple(lines)


def _other_lines(run: RunState) -> list[Line]:
    """What is wrong with nodes, beside the failure itself."""
    lines: list[Line] = []
    for node in other_problems(run):
        lines.append((("also: ", "dim"), (safe(problem_text(node)), "error")))
        if node.problem_hint:
            lines.append((("      try: ", "key"), (safe(node.problem_hint), "")))
    return lines


def _culprit(failure: Failure) -> str:
    where = [f"rank {failure.rank}"] if failure.rank is not None else []
    where += [f"node {safe(failure.node)}"] if failure.node else []
    return ", ".join(where) or "the run"


def _ranks(failure: Failure) -> str:
    return f"ranks {ranges(failure.collateral_ranks)}"
