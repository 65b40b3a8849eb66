"""Who holds a run up: every case that must be told, and every one that must not."""

from __future__ import annotations

from typing import Any

import pytest

from rankdeck.diagnose.hang import Basis, Finding, HangState, judge_hang
from rankdeck.diagnose.hang_words import lapse, told_hang
from rankdeck.diagnose.sight import NodeSight, Scene, Sight
from rankdeck.metrics.patience import Rhythm, patience, rhythm_of

NOW = 10_000.0
FAST = Rhythm(0.5, 2.0)


def sight(rank: int, **facts: Any) -> Sight:
    common: dict[str, Any] = {
        "node": f"node{rank // 2}",
        "alive": True,
        "spawned": 100.0,
        "joined": 110.0,
        "stepping": True,
        "spoke": NOW - 120.0,
        "rhythm": FAST,
        "step": 50,
    }
    return Sight(rank=rank, **{**common, **facts})


def scene(*sights: Sight, **facts: Any) -> Scene:
    common: dict[str, Any] = {"run_id": "r", "moment": NOW, "over": False, "rhythm": FAST}
    return Scene(sights=sights, **{**common, **facts})


def found(one: Scene) -> Finding:
    finding = judge_hang(one)
    assert finding is not None
    return finding


def ranks_of(finding: Finding) -> list[int]:
    return [suspect.rank for suspect in finding.suspects]


# -- patience ------------------------------------------------------------------------------


def test_patience_is_ten_usual_three_longest_and_a_minute() -> None:
    assert patience(Rhythm(0.5, 1.0)) == 60.0
    assert patience(Rhythm(30.0, 40.0)) == 300.0
    assert patience(Rhythm(1.0, 200.0)) == 600.0


@pytest.mark.parametrize(
    "line",
    [
        "saving checkpoint to /scratch/step-100",
        "Evaluating on 5000 samples",
        "step 100: validation begins",
        "torch.compile: compiling the model",
        "CUDA graph capture",
        "warm-up",
    ],
)
def test_announced_long_work_is_given_a_quarter_of_an_hour(line: str) -> None:
    assert patience(FAST, line) == 900.0
    assert patience(FAST, "step 100 loss 0.3") == 60.0


def test_nothing_is_usual_before_eight_gaps() -> None:
    assert rhythm_of([float(at) for at in range(8)]) is None
    assert rhythm_of([float(at) for at in range(9)]) == Rhythm(1.0, 1.0)
    # an interruption long ago makes patient, and does not change what is usual
    assert rhythm_of([0.0, 50.0, *(50.0 + at for at in range(1, 65))]) == Rhythm(1.0, 50.0)


# -- no alarm ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quiet", "facts"),
    [
        (59.0, {}),
        (120.0, {"last_line": "saving checkpoint"}),
        (120.0, {"rhythm": Rhythm(12.1, 13.0)}),
        (120.0, {"rhythm": Rhythm(0.5, 41.0)}),
    ],
)
def test_a_pause_is_no_stall(quiet: float, facts: dict[str, Any]) -> None:
    ranks = [sight(rank, spoke=NOW - quiet) for rank in range(4)]
    assert judge_hang(scene(*ranks, **facts)) is None


@pytest.mark.parametrize(
    ("quiet", "written", "state"),
    [
        (120.0, 30.0, None),
        (840.0, 59.0, None),
        # what hangs behind a checkpoint is told a minute after it
        (840.0, 61.0, HangState.STALLED),
        # nobody writes for ever
        (901.0, 1.0, HangState.STALLED),
        # it was before the silence
        (120.0, 121.0, HangState.STALLED),
    ],
)
def test_who_writes_much_is_at_work(quiet: float, written: float, state: HangState | None) -> None:
    ranks = [sight(rank, spoke=NOW - quiet) for rank in range(3)]
    finding = judge_hang(scene(*ranks, sight(3, spoke=NOW - quiet, wrote=NOW - written)))
    assert (None if finding is None else finding.state) is state
    # of one that has ended, what it wrote is no excuse for the others
    gone = sight(3, spoke=NOW - quiet, wrote=NOW - written, alive=False)
    assert found(scene(*ranks, gone)).state is HangState.STALLED


def test_a_rank_that_saves_while_others_go_on_is_at_work() -> None:
    ranks = [sight(rank, spoke=NOW - 0.2, step=90) for rank in range(3)]
    for facts in ({"wrote": NOW - 20}, {"last_line": "saving checkpoint"}):
        assert judge_hang(scene(*ranks, sight(3, **facts))) is None
    assert judge_hang(scene(*ranks, sight(3, wrote=NOW - 70))) is not None


def test_after_the_last_step_there_is_time_for_the_end() -> None:
    ranks = [sight(rank, step=100, total_steps=100) for rank in range(4)]
    assert judge_hang(scene(*ranks)) is None
    assert found(scene(*ranks, moment=NOW + 800)).state is HangState.STALLED


def test_the_first_step_may_take_as_long_as_it_likes() -> None:
    ranks = [sight(rank, stepping=False, step=None, rhythm=None) for rank in range(4)]
    finding = found(scene(*ranks, rhythm=None))
    assert finding.state is HangState.QUIET
    assert judge_hang(scene(*ranks, rhythm=None, moment=NOW - 70)) is None
    assert "too little had been printed" in told_hang(scene(*ranks, rhythm=None), finding).summary


def test_ranks_that_have_ended_hold_nobody_up() -> None:
    assert judge_hang(scene(*(sight(rank, alive=False) for rank in range(4)))) is None


def test_ranks_that_join_slowly_are_waited_for() -> None:
    ranks = [sight(rank, stepping=False, step=None, joined=NOW - 30) for rank in range(3)]
    late = sight(3, stepping=False, step=None, joined=None, spoke=NOW - 30)
    assert judge_hang(scene(*ranks, late, rhythm=None, moment=NOW)) is None


def test_a_program_without_rendezvous_lacks_nobody() -> None:
    ranks = [sight(rank, joined=None, spoke=NOW - 1) for rank in range(4)]
    assert judge_hang(scene(*ranks)) is None
    # and where steps are made, nobody is missing, whatever was seen of connections
    ranks = [sight(rank, joined=110.0 if rank else None, spoke=NOW - 1) for rank in range(4)]
    assert judge_hang(scene(*ranks)) is None


# -- who -----------------------------------------------------------------------------------


def test_who_has_not_joined_is_certain() -> None:
    ranks = [sight(rank, stepping=False, step=None, joined=NOW - 200) for rank in (0, 1)]
    missing = [
        sight(2, stepping=False, step=None, joined=None, spoke=None),
        sight(3, stepping=False, step=None, joined=None, spawned=None, spoke=None),
    ]
    finding = found(scene(*ranks, *missing))
    assert (finding.state, finding.basis) == (HangState.WAITING, Basis.RENDEZVOUS)
    told = told_hang(scene(*ranks, *missing), finding)
    assert told.certainty == "certain"
    assert told.summary == (
        "ranks 2-3 on node1 have not joined; 2 ranks have waited for them for 3m"
    )
    assert told.facts[1] == "rank 3 on node1 has not been started"
    assert told.facts[-1] == "joined: ranks 0-1"
    assert found(scene(*ranks, *missing, moment=NOW + 200)).state is HangState.STALLED


def test_who_is_a_step_behind_is_likely() -> None:
    ranks = [sight(rank, step=51, cpu_percent=100.0) for rank in range(3)]
    late = sight(3, step=50, spoke=NOW - 161.0, cpu_percent=0.0, pid=77)
    finding = found(scene(*ranks, late))
    assert (finding.state, finding.basis, ranks_of(finding)) == (
        HangState.STALLED,
        Basis.STEP,
        [3],
    )
    told = told_hang(scene(*ranks, late), finding)
    assert told.certainty == "likely"
    assert told.summary == (
        "nothing has been printed for 2m, usually something every 0.5 s; "
        "rank 3 on node1 is behind, at step 50"
    )
    assert told.facts[0].endswith(", 41 s before all others")
    assert "rank 3 is at step 50, the others at 51" in told.facts
    assert "rank 3 uses 0 %, the others 100 % of a core: they compute, or wait busily" in told.facts
    assert "most likely they wait for it" in told.facts[-1]
    assert told.hints[0] == "`rankdeck stacks r` shows where every rank is in its program"
    assert any("--rank 3" in hint and "signal" in hint for hint in told.hints)
    assert any("py-spy dump --native --pid 77" in hint and "node1" in hint for hint in told.hints)


def test_who_fell_silent_first_is_likely() -> None:
    ranks = [sight(rank) for rank in range(3)]
    finding = found(scene(*ranks, sight(3, spoke=NOW - 125.0)))
    assert (finding.basis, ranks_of(finding)) == (Basis.LAST_LINE, [3])
    # what clocks of two nodes may differ by says nothing
    assert found(scene(*ranks, sight(3, spoke=NOW - 121.0))).basis is Basis.NONE
    same = [sight(rank, node="n") for rank in range(3)]
    assert found(scene(*same, sight(3, node="n", spoke=NOW - 121.0))).basis is Basis.LAST_LINE


def test_silence_of_ranks_that_never_print_tells_nothing() -> None:
    speaker = sight(0)
    others = [sight(rank, spoke=500.0, rhythm=None, step=None) for rank in range(1, 4)]
    finding = found(scene(speaker, *others))
    assert (finding.state, finding.basis, finding.suspects) == (HangState.STALLED, Basis.NONE, ())
    told = told_hang(scene(speaker, *others), finding)
    assert told.certainty == "unknown"
    assert "nothing that was printed or measured tells" in told.facts[-1]


def test_a_rank_that_prints_seldom_is_not_compared_with_ranks_that_print_often() -> None:
    seldom = sight(3, step=40, spoke=NOW - 160.0, rhythm=Rhythm(50.0, 55.0))
    assert found(scene(*(sight(rank) for rank in range(3)), seldom)).basis is Basis.NONE
    often = sight(3, step=40, spoke=NOW - 160.0)
    assert found(scene(*(sight(rank) for rank in range(3)), often)).basis is Basis.STEP


def test_most_ranks_cannot_be_the_ones_that_hold_up() -> None:
    assert found(scene(sight(0, step=51), *(sight(r) for r in (1, 2, 3)))).basis is Basis.NONE


@pytest.mark.parametrize(("few", "many"), [(0.0, 99.0), (98.0, 1.0)])
def test_the_only_one_that_is_idle_or_busy_is_likely(few: float, many: float) -> None:
    ranks = [sight(rank, cpu_percent=many) for rank in range(3)]
    finding = found(scene(*ranks, sight(3, cpu_percent=few)))
    assert (finding.basis, ranks_of(finding)) == (Basis.LOAD, [3])
    word = "busy" if few > many else "idle"
    assert f"rank 3 on node1 alone is {word}" in told_hang(scene(*ranks), finding).summary
    mixed = [sight(0, cpu_percent=many), sight(1, cpu_percent=30.0), sight(2, cpu_percent=many)]
    assert found(scene(*mixed, sight(3, cpu_percent=few))).basis is Basis.NONE


def test_the_only_gpu_that_is_idle_says_more_than_the_cores() -> None:
    ranks = [sight(rank, cpu_percent=99.0, gpu_percent=100.0) for rank in range(3)]
    one = scene(*ranks, sight(3, cpu_percent=98.0, gpu_percent=0.0))
    finding = found(one)
    assert (finding.basis, ranks_of(finding)) == (Basis.GPU_LOAD, [3])
    told = told_hang(one, finding)
    assert told.summary.endswith("rank 3 on node1 alone is idle on the GPU")
    assert (
        "rank 3 uses 0 %, the others 100 % of their GPUs' time: they compute, or wait busily"
        in told.facts
    )


def test_lines_without_steps_are_a_stall_after_five_minutes() -> None:
    ranks = [sight(rank, spoke=NOW - 1) for rank in range(4)]
    facts: dict[str, Any] = {"stepped": NOW - 301, "step_rhythm": FAST}
    finding = found(scene(*ranks, **facts))
    assert finding.stepless
    assert "lines still come" in told_hang(scene(*ranks, **facts), finding).summary
    assert judge_hang(scene(*ranks, **{**facts, "stepped": NOW - 299})) is None
    assert judge_hang(scene(*ranks, **facts, last_line="evaluating 3/9")) is None


def test_a_rank_that_stops_while_others_go_on_is_told() -> None:
    ranks = [sight(rank, spoke=NOW - 0.2, step=90) for rank in range(3)]
    finding = found(scene(*ranks, sight(3, step=50)))
    assert (finding.state, ranks_of(finding)) == (HangState.LAGGING, [3])
    told = told_hang(scene(*ranks, sight(3, step=50)), finding)
    assert told.summary == (
        "rank 3 on node1 has said nothing for 2m, at step 50; the others go on, at step 90"
    )
    # one that has made all its steps is done
    assert judge_hang(scene(*ranks, sight(3, step=50, total_steps=50))) is None
    # nor one that prints seldom
    assert judge_hang(scene(*ranks, sight(3, step=50, rhythm=None))) is None


def test_an_ended_run_is_told_in_the_past() -> None:
    ranks = [sight(rank, step=51) for rank in range(3)]
    one = scene(*ranks, sight(3), over=True)
    told = told_hang(one, found(one))
    assert told.summary.startswith("nothing had been printed for 2m, usually something every")
    assert "rank 3 on node1 was behind, at step 50" in told.summary
    assert not any("signal" in hint or "stop" in hint for hint in told.hints)


def test_nodes_whose_load_stands_out_are_told() -> None:
    ranks = [sight(rank) for rank in range(4)]
    percents = (4.0, 12.0, 98.0, 7.0)
    nodes = tuple(NodeSight(name=f"n{n}", cpu_percent=p) for n, p in enumerate(percents))
    one = scene(*ranks, nodes=nodes)
    facts = told_hang(one, found(one)).facts
    assert "the processors of n2 are 98 % busy, those of the other nodes 4 to 12 %" in facts
    # of two, and of many that differ, none stands out
    for few in (nodes[1:3], (*nodes, NodeSight(name="n4", cpu_percent=70.0))):
        one = scene(*ranks, nodes=few)
        assert not any("processors" in fact for fact in told_hang(one, found(one)).facts)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.24, "0.2 s"), (7.0, "7 s"), (41.4, "41 s"), (500.0, "8m")]
)
def test_lapse(seconds: float, text: str) -> None:
    assert lapse(seconds) == text


@pytest.mark.parametrize("over", [False, True])
def test_where_nobody_is_named_the_next_step_is_to_ask_the_ranks(over: bool) -> None:
    one = scene(*(sight(rank) for rank in range(4)), over=over)
    told = told_hang(one, found(one))
    assert told.suspects == ()
    hint = told.hints[-1] if over else told.hints[0]
    assert hint.startswith("when it hangs again" if over else "`rankdeck stacks r` shows where")
    assert "stacks" in hint
    assert ("may be the one they wait for" in hint) is not over
