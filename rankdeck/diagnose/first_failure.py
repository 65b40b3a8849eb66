"""The first failure of an attempt: which rank, why, how sure we are, and the evidence.

Evidence is what ranks and nodes left behind themselves; what a launcher says about its ranks is
never the source. Reading and judging are apart: see `candidates` and `ranking`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.diagnose.candidates import find_candidates
from rankdeck.diagnose.ranking import CERTAIN, LIKELY, UNKNOWN, Verdict, judge
from rankdeck.diagnose.timeout import timed_out
from rankdeck.diagnose.wording import bounded, evidence_of, hint_of, summary_of
from rankdeck.logs.file import LogFile
from rankdeck.logs.sanitise import clean
from rankdeck.run.node_state import NodeOutcome, RankState
from rankdeck.run.signals import signal_name
from rankdeck.run.state import Failure
from rankdeck.text import mentions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rankdeck.diagnose.candidates import Candidate
    from rankdeck.run.layout import RunDir
    from rankdeck.run.node_state import NodeState
    from rankdeck.run.state import RunState

_LAUNCHER_LINES = 20
_WITH_LAUNCHER_LOG = frozenset({"launcher", "port-in-use"})
_OUTRANKS_RANKS = frozenset({"disk-full"})
"""Problems of a node that are the cause even where a rank failed of them first."""


def first_failure(run: RunState, nodes: Sequence[NodeState], run_dir: RunDir) -> Failure | None:
    """Who failed first in the current attempt, and why; None if nothing failed.

    Args:
        run: The run's state.
        nodes: What the agents of this attempt said last.
        run_dir: Where logs and error records are.

    Raises:
        OSError: A log is there but cannot be read.
    """
    candidates = find_candidates(run, nodes, run_dir)
    verdict = judge(candidates)
    problem = _first_problem(run, nodes)
    if problem is not None and (verdict.first is None or _explains(problem, verdict.first)):
        return _node_failure(problem, verdict, run, run_dir)
    if verdict.first is not None:
        return _rank_failure(verdict, verdict.first)
    if verdict.complainers:
        hung = timed_out(verdict, candidates, run, nodes, run_dir)
        return hung or _unknown_failure(verdict, candidates)
    return _launcher_failure(run, nodes, run_dir)


class _Problem:
    """A node's problem, from the agent's own word or from the run's record of it."""

    __slots__ = ("category", "hint", "message", "node", "time")

    def __init__(self, node: str, category: str, message: str, hint: str, time: float) -> None:
        self.node = node
        self.category = category
        self.message = message
        self.hint = hint
        self.time = time


def _first_problem(run: RunState, nodes: Sequence[NodeState]) -> _Problem | None:
    said = [
        _Problem(node.node, own.category, own.message, own.hint, own.time or node.time)
        for node in nodes
        if (own := node.problem) is not None
    ]
    told = {problem.node for problem in said}
    said += [
        _Problem(
            node.name, node.problem_category or "agent", node.problem, node.problem_hint, _LATE
        )
        for node in run.nodes
        if node.problem is not None and node.name not in told
    ]
    return min(said, key=lambda problem: problem.time, default=None)


_LATE = float("inf")


def _explains(problem: _Problem, first: Candidate) -> bool:
    """Whether the problem, rather than the rank, is the first failure."""
    if problem.category in _OUTRANKS_RANKS:
        return problem.node == first.node
    return problem.time < first.time


def _rank_failure(verdict: Verdict, first: Candidate) -> Failure:
    if first.state is RankState.EXITED:
        category = "exited-early"
    elif first.trace is not None and not first.trace.crash:
        category = "exception"
    elif first.signal is not None:
        category = "signal"
    elif first.exit_code is not None:
        category = "exit-code"
    else:
        category = "lost"
    return Failure(
        rank=first.rank,
        node=first.node,
        category=category,
        signature=_signature(first),
        certainty=verdict.certainty,
        summary=clean(summary_of(verdict)),
        hint=clean(hint_of(verdict)),
        time=first.time if first.time != _LATE else None,
        exit_code=first.exit_code,
        signal=first.signal,
        evidence=evidence_of(first),
        collateral_ranks=verdict.collateral,
    )


def _signature(first: Candidate) -> str | None:
    if first.trace is not None and not first.trace.crash:
        return first.trace.type.rsplit(".", 1)[-1]
    return signal_name(first.signal) if first.signal is not None else None


def _unknown_failure(verdict: Verdict, candidates: Sequence[Candidate]) -> Failure:
    """Ranks only complain of each other: say so, and show what there is."""
    only = verdict.suspects[0] if len(verdict.suspects) == 1 else None
    suspect = next((c for c in candidates if c.rank == only), None)
    complainer = verdict.complainers[0]
    return Failure(
        rank=only,
        node=suspect.node if suspect else None,
        category="unknown",
        signature="peer-lost",
        certainty=UNKNOWN,
        summary=clean(summary_of(verdict)),
        hint=hint_of(verdict),
        time=complainer.time if complainer.time != _LATE else None,
        evidence=evidence_of(complainer),
        collateral_ranks=tuple(
            sorted(c.rank for c in candidates if c.rank != only and c.state is not RankState.EXITED)
        ),
    )


def _node_failure(problem: _Problem, verdict: Verdict, run: RunState, run_dir: RunDir) -> Failure:
    evidence: tuple[str, ...] = ()
    if problem.category in _WITH_LAUNCHER_LOG:
        evidence = _launcher_lines(run_dir, problem.node)
    elif verdict.first is not None:
        evidence = evidence_of(verdict.first)
    rank = None
    if verdict.first is not None and problem.category in _OUTRANKS_RANKS:
        rank = verdict.first.rank
    ended = (r.rank for r in run.ranks if r.state in (RankState.FAILED, RankState.KILLED))
    # a backend's own sentence names the node already
    named = mentions(problem.message, problem.node)
    summary = problem.message if named else f"{problem.node}: {problem.message}"
    return Failure(
        rank=rank,
        node=problem.node,
        category=problem.category,
        certainty=CERTAIN,
        summary=clean(summary),
        hint=clean(problem.hint),
        time=problem.time if problem.time != _LATE else None,
        evidence=evidence,
        collateral_ranks=tuple(number for number in ended if number != rank),
    )


def _launcher_failure(run: RunState, nodes: Sequence[NodeState], run_dir: RunDir) -> Failure | None:
    """No rank failed, and no node says why: the launcher itself ended badly."""
    for node in nodes:
        launcher = node.launcher
        if launcher is None or node.outcome is not NodeOutcome.FAILED:
            continue
        if launcher.signal is not None:
            how = f"was ended by {signal_name(launcher.signal)}"
        elif launcher.exit_code:
            how = f"ended with exit code {launcher.exit_code}"
        else:
            continue
        fine = all(rank.state is RankState.EXITED for rank in node.ranks)
        but = " although all its ranks had ended well" if fine else ""
        return Failure(
            rank=None,
            node=node.node,
            category="launcher",
            certainty=CERTAIN if fine else LIKELY,
            summary=f"the launcher on {node.node} {how}{but}",
            hint="its own output says why",
            time=launcher.ended,
            exit_code=launcher.exit_code,
            signal=launcher.signal,
            evidence=_launcher_lines(run_dir, node.node),
            collateral_ranks=tuple(r.rank for r in run.ranks if r.state is RankState.KILLED),
        )
    return None


def _launcher_lines(run_dir: RunDir, node: str) -> tuple[str, ...]:
    lines = LogFile(run_dir.node(node).launcher_log).tail(_LAUNCHER_LINES)
    return bounded([line.data.decode("utf-8", "replace") for line in lines])
