from __future__ import annotations

from rankdeck.cli.why import card, explain
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
