from __future__ import annotations

from rankdeck.cli.why import card, explain
from rankdeck.diagnose.hang import Basis, Hang, HangRank, HangState
from rankdeck.run.state import Failure, RunPhase, RunState


def state(**facts: object) -> RunState:
    common: dict[str, object] = {
        "id": "20261121-101010-a-bcde",
        "name": "a",
        "state": RunPhase.FAILED,
        "backend": "local",
        "launcher": "direct",
        "created": 1.0,
        "nnodes": 1,
        "nproc_per_node": 1,
        "world_size": 1,
    }
    return RunState(**{**common, **facts})  # type: ignore[arg-type]


FAILURE = Failure(
    rank=3,
    node="node1",
    category="exception",
    certainty="likely",
    summary="rank 3 raised ValueError: [/boom]\x1b[2J",
    hint="look there",
    evidence=("Traceback (most recent call last):", "\x1b]0;title\x07ValueError"),
    collateral_ranks=(0, 1, 2, 7),
)


def test_a_run_without_failure_has_nothing_to_explain() -> None:
    told = explain(state(state=RunPhase.STOPPED, reason="stopped by a\x1b[2Jb"))
    assert told == "20261121-101010-a-bcde is stopped: stopped by ab; no rank has failed"


def test_card_tells_who_how_sure_why_and_what_next() -> None:
    lines = card(FAILURE)
    assert lines[0] == "rank 3 raised ValueError: [/boom]"
    assert "rank 3, node node1 · exception · likely, not certain" in lines[1]
    assert "  │ ValueError" in lines
    assert "  ended because of it: ranks 0-2, 7" in lines
    assert lines[-1] == "  try: look there"
    assert "\x1b" not in "".join(lines)


def test_unknown_is_never_told_as_certain() -> None:
    unsure = Failure(rank=None, node=None, category="exit-code", certainty="unknown", summary="x")
    assert "not certain" in card(unsure)[1]
    assert "the run ·" in card(unsure)[1]


HANG = Hang(
    state=HangState.STALLED,
    moment=100.0,
    basis=Basis.STEP,
    suspects=(HangRank(rank=3, node="node1"),),
    suspect_count=1,
    certainty="likely",
    summary="nothing has been printed for 8m\x1b[2J",
    facts=("rank 3 is at step 4",),
    hints=("`rankdeck logs a --rank 3` shows it",),
)


def test_a_hang_is_told_with_what_is_certain_and_what_to_do() -> None:
    lines = explain(state(state=RunPhase.RUNNING), HANG).splitlines()
    assert lines == [
        "20261121-101010-a-bcde is running; no rank has failed",
        "stalled: nothing has been printed for 8m",
        "  whom the others wait for: likely, not certain",
        "  · rank 3 is at step 4",
        "  try: `rankdeck logs a --rank 3` shows it",
    ]


def test_a_hang_of_the_past_is_told_beside_what_ended_the_run() -> None:
    limit = Failure(rank=None, node=None, category="time-limit", summary="the time limit of 10m")
    lines = explain(state(failure=limit), HANG).splitlines()
    assert lines[0] == "the time limit of 10m"
    assert "was stalled when it was ended: nothing has been printed for 8m" in lines


def test_facts_of_a_failure_are_told() -> None:
    failure = Failure(rank=1, node="n", category="hang", summary="x", facts=("seen \x1b[2Jit",))
    assert "  · seen it" in card(failure)
