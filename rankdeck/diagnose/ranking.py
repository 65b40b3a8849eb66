"""Who failed first: a pure judgement over candidates. Never certain where it could be wrong.

A rank that failed of itself comes before one that complains of others, and that before one that
was told to end. The launcher's opinion is not asked.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rankdeck.diagnose.candidates import Candidate, Source
from rankdeck.diagnose.peer_lost import Complaint
from rankdeck.run.node_state import RankState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CERTAIN, LIKELY, UNKNOWN = "certain", "likely", "unknown"

_SAME_MOMENT = 0.1
"""Two failures on one node closer than this are not told apart."""
_CLOCKS_APART = 2.0
"""The same for two nodes: their clocks may differ."""
_TEARDOWN = 2.0
"""How much earlier than its cause an abort in the teardown may be seen."""
_CLEANING_UP = 60.0
"""How long before the others' failure a rank may have begun to clean up after its own."""
_COMMUNICATION = ("torch/distributed/", "torch/nn/parallel/")
_REQUESTS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who failed first, as far as can be told."""

    first: Candidate | None
    """None: it cannot be told."""
    certainty: str
    alike: tuple[int, ...] = ()
    """Other ranks that failed of the same thing."""
    collateral: tuple[int, ...] = ()
    """Ranks that ended because of it."""
    suspects: tuple[int, ...] = ()
    """Where nothing is certain: ranks that do not complain of others."""
    complainers: tuple[Candidate, ...] = ()
    """Ranks that complain of others, earliest first."""


def judge(candidates: Sequence[Candidate]) -> Verdict:
    """Pick the first failure of an attempt from all ranks that have ended."""
    own = sorted([*filter(_failed_of_itself, candidates), *_late_raisers(candidates)], key=_order)
    complainers = tuple(sorted(filter(_complains, candidates), key=_order))
    if own:
        first = own[0]
        alike = [other.rank for other in own[1:] if _same_thing(first, other)]
        return _verdict(first, _certainty(first, own[1:], candidates), candidates, alike)
    lost = [c for c in candidates if c.state is RankState.LOST]
    if lost and not complainers:
        return _verdict(min(lost, key=_order), LIKELY, candidates)
    if not any(c.state is RankState.FAILED for c in complainers):
        return Verdict(None, UNKNOWN)
    silent = [c for c in candidates if c.complaint is None]
    if len(silent) == 1 and _left_early(silent[0], complainers[0]):
        return _verdict(silent[0], LIKELY, candidates)
    suspects = tuple(sorted(c.rank for c in silent))
    return Verdict(None, UNKNOWN, suspects=suspects, complainers=complainers)


def _verdict(
    first: Candidate, certainty: str, candidates: Iterable[Candidate], alike: Iterable[int] = ()
) -> Verdict:
    same = frozenset(alike)
    ended = (c.rank for c in candidates if c.state is not RankState.EXITED and c is not first)
    others = tuple(sorted(rank for rank in ended if rank not in same))
    return Verdict(first, certainty, tuple(sorted(same)), others)


def _failed_of_itself(candidate: Candidate) -> bool:
    return candidate.complaint is None and candidate.state is RankState.FAILED


def _late_raisers(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Ranks that were told to end, but had raised something of their own.

    Perhaps they were just cleaning up after it, and the others only noticed.
    """
    noticed = min((c.time for c in candidates if c.state is RankState.FAILED), default=0.0)
    return [
        c
        for c in candidates
        if c.state is RankState.KILLED
        and c.complaint is None
        and c.raised is not None
        # a traceback in a log may have been survived, and long ago
        and (
            c.source is Source.RECORD or (ends_with_trace(c) and c.raised > noticed - _CLEANING_UP)
        )
    ]


def _complains(candidate: Candidate) -> bool:
    return candidate.complaint in (Complaint.LOST, Complaint.WAITED)


def _left_early(candidate: Candidate, complainer: Candidate) -> bool:
    """Whether it ended well, but while the others still wanted something of it."""
    # its connections are closed a little before it is gone
    return candidate.state is RankState.EXITED and candidate.time < complainer.time + _CLOCKS_APART


def _order(candidate: Candidate) -> tuple[float, bool, int]:
    # an abort without a reason is how a rank often ends that has lost another one, and it is
    # quicker than the orderly exit of the one that was lost
    late = _TEARDOWN if _unreasoned_abort(candidate) else 0.0
    return candidate.time + late, _weak_signal(candidate), candidate.rank


def _unreasoned_abort(candidate: Candidate) -> bool:
    return candidate.signal == signal.SIGABRT and not _telling(candidate)


def _certainty(
    first: Candidate, others: Sequence[Candidate], candidates: Sequence[Candidate]
) -> str:
    if first.state is not RankState.FAILED or not first.seen or first.time == float("inf"):
        return LIKELY
    if _weak_signal(first) or _in_communication(first):
        return LIKELY
    if first.source is Source.LOG and not ends_with_trace(first):
        return LIKELY
    if any(not _same_thing(first, other) and _too_close(first, other) for other in others):
        return LIKELY
    telling = _telling(first)
    if not telling and (any(map(_telling, others)) or _silent(first, candidates)):
        return LIKELY
    complainers = [c for c in candidates if _complains(c)]
    # where all others complain, there is nobody else that they can mean
    if len(complainers) < len(candidates) - 1 and any(
        _too_early(complainer, first, telling=telling) for complainer in complainers
    ):
        return LIKELY
    return CERTAIN


def _telling(candidate: Candidate) -> bool:
    """Whether its end says why. An exit code does not: the rank may just have noticed others."""
    trace = candidate.trace
    if trace is not None:
        # a crash without a frame of Python's is often one of the teardown
        return not trace.crash or bool(trace.where) or trace.thrown
    return candidate.signal is not None and not _weak_signal(candidate)


def _silent(first: Candidate, candidates: Iterable[Candidate]) -> bool:
    """Whether any other rank ended without a failure or a complaint of its own.

    It may be the cause: a rank that cleans up after its error is ended before it can tell it.
    """
    return any(
        c is not first and c.state is not RankState.FAILED and c.complaint is None
        for c in candidates
    )


def ends_with_trace(candidate: Candidate) -> bool:
    """Whether its traceback is the last thing in its log, so that it can be what ended it."""
    trace = candidate.trace
    if trace is None or trace.crash:
        return trace is not None
    return bool(candidate.last_lines) and trace.lines[-1].strip() in candidate.last_lines[-1]


def _weak_signal(candidate: Candidate) -> bool:
    """Ended by a request, or aborted without a word: more often a consequence than a cause."""
    if candidate.signal == signal.SIGABRT:
        return candidate.trace is None
    return candidate.signal in _REQUESTS


def _in_communication(candidate: Candidate) -> bool:
    """Whether it raised while talking to others: what it says may be a complaint in new words."""
    trace = candidate.trace
    return trace is not None and any(place in trace.innermost for place in _COMMUNICATION)


def _too_early(complainer: Candidate, first: Candidate, *, telling: bool) -> bool:
    """Whether somebody complained before it, so that it may itself be a consequence."""
    same_node = complainer.node == first.node
    apart = _SAME_MOMENT if same_node else _CLOCKS_APART
    if not telling:
        # it must have come first; what is telling may only not be clearly later
        apart = 0.0 if same_node else -_CLOCKS_APART
    return complainer.time < first.time - apart


def _too_close(first: Candidate, other: Candidate) -> bool:
    gap = _SAME_MOMENT if first.node == other.node else _CLOCKS_APART
    return other.time - first.time < gap


def _same_thing(first: Candidate, other: Candidate) -> bool:
    """Whether two ranks failed of the same thing, so that it does not matter who was first."""
    if first.trace is not None and other.trace is not None:
        return (first.trace.type, first.trace.where) == (other.trace.type, other.trace.where)
    if first.trace is not None or other.trace is not None:
        return False
    return (first.exit_code, first.signal) == (other.exit_code, other.signal)
