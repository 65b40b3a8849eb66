"""One run as lines of text: its header and its ranks. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.run.node_state import RankState
from rankdeck.run.state import RunPhase
from rankdeck.run.summary import find_loss
from rankdeck.text import (
    age,
    attempt_text,
    clock,
    duration,
    figure,
    ranges,
    silence_text,
    size,
    state_text,
)
from tui.looks import Line, Piece, bar, safe, sparkline, state_piece, whole_pieces
from tui.node_gpus import gpu_piece

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rankdeck.run.state import RunState
    from rankdeck.run.view import NodeView, RankView, RunSnapshot

_STALE = 10.0
"""Agents write every two seconds; data older than this is told to be old."""
_NODES_NAMED = 3
_MANY_MISSING = 64
"""So many ranks are no longer named."""
_NOT_JOINED = (RankState.PENDING, RankState.SPAWNED)


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


def progress_line(snapshot: RunSnapshot, now: float, width: int, *, stalled: bool = False) -> Line:
    """Step, bar, time to go (not where nothing moves) and loss; what goes on without steps."""
    run, progress = snapshot.run, snapshot.run.progress
    if progress is None or progress.step is None:
        nothing = "no steps" if run.state.final else "no steps seen yet"
        told = state_text(run, now)
        if told.startswith("for "):
            told = f"{run.state.value} {told}"
        return ((" ", ""), (told or nothing, "dim"))
    pieces: list[Piece] = [(" ", "")]
    if progress.total_steps:
        part = progress.step / progress.total_steps
        pieces.append((f"step {progress.step}/{progress.total_steps} ", ""))
        pieces.append((bar(part, max(8, min(30, width // 6))), "accent"))
        pieces.append((f" {100 * part:.0f} %", ""))
    else:
        pieces.append((f"step {progress.step}", ""))
    eta = None if stalled else eta_of(snapshot, now)
    if eta is not None:
        pieces.append((f"  ETA {duration(eta)}", ""))
    loss = find_loss(progress.metrics)
    if loss is not None:
        curve = sparkline(progress.loss_curve, 8 if width < 100 else 24)
        pieces += [(f"  loss {loss:.4g} ", ""), (curve, "accent")]
    others = [(k, v) for k, v in progress.metrics.items() if v is not loss and k != "loss"]
    pieces += [(f"  {safe(name)} {figure(value)}", "dim") for name, value in others[:4]]
    # a number that is cut is another number
    return whole_pieces(tuple(pieces), width)


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
        (f"rank {rank.rank}", "bold"),
        (f" · {safe(rank.node)}:{rank.local_rank}", ""),
        (f" · {rank.state.value}", ""),
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
        pieces.append((f" · cpu {rank.cpu_percent:.0f}%", ""))
        pieces.append((f" · {size(rank.rss_bytes)}", ""))
    if not ended and rank.gpu is not None:
        pieces += [(" · ", ""), gpu_piece(rank.gpu)]
    if rank.last_output is not None:
        when = f"at {clock(rank.last_output)}" if ended else f"{age(now - rank.last_output)} ago"
        pieces.append((f" · last line {when}", "dim"))
    if rank.pid is not None:
        pieces.append((f" · pid {rank.pid}", "dim"))
    return tuple(pieces)


def stale_line(snapshot: RunSnapshot, now: float) -> Line | None:
    """How old the newest of what is seen is, where that is old; None: it is fresh."""
    if snapshot.run.state is not RunPhase.RUNNING:
        return None
    heard = [node.heartbeat for node in snapshot.nodes if node.heartbeat is not None]
    if not heard or now - max(heard) < _STALE:
        return None
    told = f"stale for {age(now - max(heard))}: no agent has been heard since"
    return ((" ! ", "warning"), (told, "warning"))


def waiting_line(snapshot: RunSnapshot) -> Line | None:
    """The ranks that the others wait for; None where none waits, or none has joined yet."""
    if snapshot.run.state not in (RunPhase.STARTING, RunPhase.RUNNING):
        return None
    missing = [rank for rank in snapshot.ranks if rank.state in _NOT_JOINED]
    joined = any(rank.state is RankState.RENDEZVOUS for rank in snapshot.ranks)
    if not missing or not joined:
        return None
    if len(missing) > _MANY_MISSING:
        told = f"waiting for {len(missing):,} of {len(snapshot.ranks):,} ranks"
        return ((" ◔ ", "accent"), (told, "warning"))
    by_node: dict[str, list[int]] = {}
    for rank in missing:
        by_node.setdefault(rank.node, []).append(rank.rank)
    first = list(by_node.items())[:_NODES_NAMED]
    named = [f"{ranges(numbers)} ({safe(node)})" for node, numbers in first]
    more = len(by_node) - len(named)
    rest = f" and those of {more} other node{'s' if more > 1 else ''}" if more else ""
    word = "rank" if len(missing) == 1 else "ranks"
    return ((" ◔ ", "accent"), (f"waiting for {word} {', '.join(named)}{rest}", "warning"))


def notices(snapshot: RunSnapshot, now: float, alone: str, alert: Line | None) -> tuple[Line, ...]:
    """What is out of the ordinary, the gravest first.

    Args:
        snapshot: The run.
        now: The time.
        alone: Why nobody here can look after it; empty: somebody does.
        alert: The newest alert of the curves.
    """
    live = not snapshot.run.state.final
    left_alone: Line | None = ((" ! ", "warning"), (safe(alone), "warning")) if alone else None
    lines = (
        reason_line(snapshot.run),
        left_alone if live else None,
        silence_line(snapshot.nodes, now) if live else None,
        stale_line(snapshot, now) if live else None,
        waiting_line(snapshot),
        alert,
    )
    return tuple(line for line in lines if line)


def silent_nodes(snapshot: RunSnapshot) -> dict[str, float]:
    """The nodes that cannot be heard, and since when."""
    nodes = snapshot.nodes
    return {node.name: node.silent_since for node in nodes if node.silent_since is not None}
