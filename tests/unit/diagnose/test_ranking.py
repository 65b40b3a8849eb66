from __future__ import annotations

import random
import signal
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from rankdeck.diagnose.candidates import Candidate, Source
from rankdeck.diagnose.peer_lost import Complaint
from rankdeck.diagnose.ranking import CERTAIN, LIKELY, UNKNOWN, judge
from rankdeck.diagnose.traceback import Trace
from rankdeck.run.node_state import RankState

FAILED, KILLED, EXITED, LOST = (
    RankState.FAILED,
    RankState.KILLED,
    RankState.EXITED,
    RankState.LOST,
)
VALUE_ERROR = Trace(
    ("Traceback", "ValueError: boom"), "ValueError", "boom", "a.py:1", 0, "/home/a.py"
)
KEY_ERROR = Trace(("Traceback", "KeyError: 'x'"), "KeyError", "'x'", "b.py:2", 0, "/home/b.py")
IN_TORCH = Trace(
    ("Traceback", "RuntimeError: odd"),
    "RuntimeError",
    "odd",
    "a.py:9",
    0,
    "/opt/site-packages/torch/distributed/distributed_c10d.py",
)
PEER = Trace(("Traceback", "RuntimeError: peer"), "RuntimeError", "peer", "a.py:5")
CRASH = Trace(("Fatal",), "Fatal Python error", "Aborted", "a.py:3 in f", crash=True)
TEARDOWN = Trace(("Fatal",), "Fatal Python error", "Aborted", "", crash=True)
THROWN = Trace(("terminate",), "c10::Error", "CUDA error", "", thrown=True, crash=True)


def rank(number: int, state: RankState, ended: float, **more: Any) -> Candidate:
    more.setdefault("node", "n0")
    return Candidate(rank=number, state=state, ended=ended, **more)


def raised(number: int, at: float, trace: Trace = VALUE_ERROR, **more: Any) -> Candidate:
    more.setdefault("state", FAILED)
    more.setdefault("source", Source.RECORD)
    return rank(
        number,
        ended=at + 0.2,
        exit_code=1,
        trace=trace,
        raised=at,
        last_lines=(trace.lines[-1],),
        **more,
    )


def complains(number: int, at: float, **more: Any) -> Candidate:
    return raised(number, at, PEER, complaint=Complaint.LOST, **more)


def exits(number: int, at: float, code: int, **more: Any) -> Candidate:
    return rank(number, FAILED, at, exit_code=code, **more)


def dies(number: int, at: float, how: int, **more: Any) -> Candidate:
    more.setdefault("state", FAILED)
    return rank(number, ended=at, signal=how, **more)


def ended(number: int, at: float, **more: Any) -> Candidate:
    """By our TERM, without a word."""
    return dies(number, at, signal.SIGTERM, state=KILLED, **more)


@dataclass(frozen=True)
class Case:
    """What was left behind, and who is to be named how surely."""

    ranks: tuple[Candidate, ...]
    first: int | None
    certainty: str
    alike: tuple[int, ...] = ()
    suspects: tuple[int, ...] = ()


CASES = {
    "one raises, the others are ended": Case((ended(0, 9), raised(1, 5), ended(2, 9)), 1, CERTAIN),
    "one raises, the others complain": Case(
        (complains(0, 5.05), raised(1, 5), complains(2, 5.1, state=KILLED)), 1, CERTAIN
    ),
    "one raises, a complaint is seen slightly before": Case(
        (complains(0, 4.95), raised(1, 5), ended(2, 9)), 1, CERTAIN
    ),
    "one raises clearly after a complaint, somebody else is silent": Case(
        (complains(0, 4), raised(1, 5), ended(2, 9)), 1, LIKELY
    ),
    "one raises after complaints, but there is nobody else": Case(
        (complains(0, 4), raised(1, 5), complains(2, 4)), 1, CERTAIN
    ),
    "all raise the same": Case(
        (raised(0, 5.2), raised(1, 5), raised(2, 5.1)), 1, CERTAIN, alike=(0, 2)
    ),
    "two raise different things at once": Case(
        (raised(0, 5.05, KEY_ERROR), raised(1, 5), ended(2, 9)), 1, LIKELY
    ),
    "two raise different things, one clearly first": Case(
        (raised(0, 6, KEY_ERROR), raised(1, 5), ended(2, 9)), 1, CERTAIN
    ),
    "two nodes' clocks cannot order what is close": Case(
        (raised(0, 6, KEY_ERROR), raised(1, 5, node="n1")), 1, LIKELY
    ),
    "two nodes, and enough between": Case(
        (raised(0, 9, KEY_ERROR), raised(1, 5, node="n1")), 1, CERTAIN
    ),
    "raised inside the communication: perhaps a complaint in other words": Case(
        (ended(0, 9), raised(1, 5, IN_TORCH)), 1, LIKELY
    ),
    "exit code, first of all, the others complain": Case(
        (complains(0, 5.05, state=KILLED), exits(1, 5, 3), complains(2, 5.1)), 1, CERTAIN
    ),
    "exit code, first of all, somebody else is silent": Case(
        (complains(0, 5.05, state=KILLED), exits(1, 5, 3), ended(2, 9)), 1, LIKELY
    ),
    "exit code, nobody else": Case((exits(0, 5, 3),), 0, CERTAIN),
    "exit code, and others the same way": Case(
        (exits(0, 5, 3), exits(1, 5.3, 1), exits(2, 6, 1)), 0, CERTAIN
    ),
    "exit code, and soon after an exception of its own": Case(
        (exits(0, 5, 1), raised(1, 5.5), ended(2, 9)), 0, LIKELY
    ),
    "exit code after a complaint, all others complain": Case(
        (complains(0, 4.9, state=KILLED), exits(1, 5, 3), complains(2, 4.9)), 1, CERTAIN
    ),
    "exit code after a complaint, somebody else is silent": Case(
        (complains(0, 4.99), exits(1, 5, 1), ended(2, 9)), 1, LIKELY
    ),
    "exit code after a complaint on another node": Case(
        (complains(0, 5.5, node="n1"), exits(1, 5, 1), ended(2, 9)), 1, LIKELY
    ),
    "exit code that only the launcher tells": Case(
        (ended(0, 9), exits(1, 5, 3, seen=False)), 1, LIKELY
    ),
    "killed from outside": Case(
        (complains(0, 5.05), dies(1, 5, signal.SIGKILL), ended(2, 9)), 1, CERTAIN
    ),
    "crashed": Case((ended(0, 9), dies(1, 5, signal.SIGSEGV)), 1, CERTAIN),
    "crashed in the teardown, as its stack shows": Case(
        (ended(0, 9), dies(1, 5, signal.SIGSEGV, trace=TEARDOWN, source=Source.LOG)), 1, LIKELY
    ),
    "a C++ exception": Case(
        (ended(0, 9), dies(1, 5, signal.SIGABRT, trace=THROWN, source=Source.LOG)), 1, CERTAIN
    ),
    "told to end from outside": Case((ended(0, 9), dies(1, 5, signal.SIGTERM)), 1, LIKELY),
    "aborted without a word": Case((ended(0, 9), dies(1, 5, signal.SIGABRT)), 1, LIKELY),
    "aborted with a report": Case(
        (ended(0, 9), dies(1, 5, signal.SIGABRT, trace=CRASH, source=Source.LOG)), 1, CERTAIN
    ),
    "a silent abort is weaker than an exit at the same time": Case(
        (dies(0, 5, signal.SIGABRT), exits(1, 5, 3)), 1, LIKELY
    ),
    "a silent abort just before an exit": Case(
        (dies(0, 4.2, signal.SIGABRT), exits(1, 5, 3), ended(2, 9)), 1, LIKELY
    ),
    "a silent abort long before an exit": Case(
        (dies(0, 1, signal.SIGABRT), exits(1, 5, 3)), 0, LIKELY
    ),
    "an abort with a reason just before an exit": Case(
        (dies(0, 4.2, signal.SIGABRT, trace=THROWN, source=Source.LOG), exits(1, 5, 3)), 0, CERTAIN
    ),
    "a traceback in the log that was the last word": Case(
        (ended(0, 9), raised(1, 5, source=Source.LOG)), 1, CERTAIN
    ),
    "a traceback in the log, and more after it": Case(
        (
            ended(0, 9),
            msgspec.structs.replace(raised(1, 5, source=Source.LOG), last_lines=("went on",)),
        ),
        1,
        LIKELY,
    ),
    "the culprit was ended while cleaning up, but had recorded its error": Case(
        (complains(0, 5.5), raised(1, 5, state=KILLED), ended(2, 9)), 1, LIKELY
    ),
    "the culprit was ended while cleaning up, but had printed its error": Case(
        (complains(0, 5.5), raised(1, 5, state=KILLED, source=Source.LOG), ended(2, 9)), 1, LIKELY
    ),
    "a traceback printed long ago by a rank that was ended": Case(
        (complains(0, 500), raised(1, 5, state=KILLED, source=Source.LOG), ended(2, 509)),
        None,
        UNKNOWN,
        suspects=(1, 2),
    ),
    "an old survived traceback does not outrank a failure": Case(
        (raised(0, 5, state=KILLED, source=Source.LOG), dies(1, 500, signal.SIGKILL)), 1, CERTAIN
    ),
    "an error recorded after the failure, while being ended": Case(
        (raised(0, 7, KEY_ERROR, state=KILLED), dies(1, 5, signal.SIGKILL)), 1, CERTAIN
    ),
    "only complaints": Case((complains(0, 5), complains(1, 5.1)), None, UNKNOWN, suspects=()),
    "only complaints, and one who is silent": Case(
        (complains(0, 5), complains(1, 5.1), ended(2, 9)), None, UNKNOWN, suspects=(2,)
    ),
    "only complaints, and several who are silent": Case(
        (complains(0, 5), ended(1, 9), ended(2, 9)), None, UNKNOWN, suspects=(1, 2)
    ),
    "one ended well while the others still worked": Case(
        (complains(0, 5), rank(1, EXITED, 5.3, exit_code=0), complains(2, 5.1)), 1, LIKELY
    ),
    "one ended well, another is silent": Case(
        (complains(0, 5), rank(1, EXITED, 5.3, exit_code=0), ended(2, 9)),
        None,
        UNKNOWN,
        suspects=(1, 2),
    ),
    "one ended well, long after": Case(
        (complains(0, 5), rank(1, EXITED, 60, exit_code=0)), None, UNKNOWN, suspects=(1,)
    ),
    "lost with its node": Case((ended(0, 9), rank(1, LOST, 5, seen=False)), 1, LIKELY),
    "lost, and others complain": Case(
        (complains(0, 5), rank(1, LOST, 9)), None, UNKNOWN, suspects=(1,)
    ),
    "all were ended, nobody failed": Case((ended(0, 9), ended(1, 9)), None, UNKNOWN),
    "nobody ended badly": Case((rank(0, EXITED, 9, exit_code=0),), None, UNKNOWN),
    "nothing is known": Case((), None, UNKNOWN),
    "the time is not known": Case(
        (ended(0, 9), msgspec.structs.replace(exits(1, 5, 3), ended=None)), 1, LIKELY
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_who_is_named_and_how_surely(case: Case) -> None:
    dice = random.Random(2)
    for _ in range(4):
        verdict = judge(dice.sample(case.ranks, k=len(case.ranks)))
        first = None if verdict.first is None else verdict.first.rank
        assert (first, verdict.certainty) == (case.first, case.certainty)
        assert (verdict.alike, verdict.suspects) == (case.alike, case.suspects)


def test_everybody_else_that_did_not_end_well_is_collateral() -> None:
    verdict = judge(
        (
            complains(0, 5.1),
            raised(1, 5),
            ended(2, 9),
            rank(3, EXITED, 4, exit_code=0),
            raised(4, 5.2),
        )
    )
    assert (verdict.collateral, verdict.alike) == ((0, 2), (4,))


def test_complaints_come_earliest_first() -> None:
    verdict = judge((complains(0, 5.2), complains(1, 5), complains(2, 5.1)))
    assert [complainer.rank for complainer in verdict.complainers] == [1, 2, 0]
