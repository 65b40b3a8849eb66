"""What is seen of ranks at a moment, from files as agents and supervisors write them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from rankdeck.diagnose.hang_report import find_hang
from rankdeck.diagnose.scene import end_of, scene_of
from rankdeck.job.spec import JobSpec
from rankdeck.metrics.patience import Rhythm
from rankdeck.nodes.node import Node
from rankdeck.plan.build import build_plan
from rankdeck.plan.records import RunIdentity
from rankdeck.run.fold import initial_state
from rankdeck.run.layout import RunDir
from rankdeck.run.load_history import GpuSample, LoadSample, RankSample
from rankdeck.run.node_state import NodeLoad, RankState, StopRecord
from rankdeck.run.progress import MetricsPoint
from rankdeck.run.state import Failure, RunPhase
from rankdeck.run.view import NodeView, RankView, RunSnapshot

if TYPE_CHECKING:
    from pathlib import Path

END = 10_000.0
"""When the ranks printed last."""


class Bench:
    """A run of two nodes with two ranks each; every rank prints a line a second."""

    def __init__(self, path: Path) -> None:
        self.dir = RunDir(path)
        spec = JobSpec(name="j", entry="/p/t.py", project="/p", launcher="direct", nproc_per_node=2)
        nodes = (Node(name="n0"), Node(name="n1"))
        self.plan = build_plan(spec, nodes, RunIdentity(id="r", dir=str(path)))
        self.run = msgspec.structs.replace(initial_state(self.plan, 0.0), state=RunPhase.RUNNING)
        self.beats = {rank: [END - 50 + second for second in range(51)] for rank in range(4)}
        self.facts: dict[int, dict[str, Any]] = {rank: {} for rank in range(4)}
        self.nodes: dict[str, dict[str, Any]] = {"n0": {}, "n1": {}}

    def ahead(self, node: str, seconds: float) -> None:
        self.run = msgspec.structs.replace(
            self.run,
            nodes=tuple(
                msgspec.structs.replace(one, clock_ahead=seconds) if one.name == node else one
                for one in self.run.nodes
            ),
        )

    def snapshot(self, heard: float, **state: Any) -> RunSnapshot:
        ranks = []
        for number, beats in self.beats.items():
            attempt = self.dir.node(f"n{number // 2}").attempt(0)
            attempt.path.mkdir(parents=True, exist_ok=True)
            lines = [f"step {index}\n" for index in range(len(beats))]
            sizes = [sum(map(len, lines[: index + 1])) for index in range(len(lines))]
            pairs = zip(beats, sizes, strict=True)
            data = b"".join(struct.pack("<dQ", *pair) for pair in pairs)
            attempt.times(number).write_bytes(data)
            attempt.log(number).write_text("".join(lines))
            common: dict[str, Any] = {
                "state": RankState.STEPPING,
                "times": {"spawned": 1.0, "rendezvous": 2.0, "stepping": END - 60},
                "last_output": beats[-1] if beats else None,
                "step": 50,
            }
            facts = {**common, **self.facts[number]}
            ranks.append(
                RankView(
                    rank=number,
                    node=f"n{number // 2}",
                    local_rank=number % 2,
                    log=attempt.log(number),
                    **facts,
                )
            )
        nodes = tuple(
            NodeView(
                name=node.name,
                address=node.name,
                node_rank=node.node_rank,
                nproc=2,
                first_rank=node.first_rank,
                state="running",
                log=self.dir.path,
                agent_log=self.dir.path,
                **{"heartbeat": heard, **self.nodes[node.name]},
            )
            for node in self.run.nodes
        )
        run = msgspec.structs.replace(self.run, **state)
        return RunSnapshot(run=run, plan=self.plan, nodes=nodes, ranks=tuple(ranks))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "run")


def test_last_lines_and_what_is_usual(bench: Bench) -> None:
    snapshot = bench.snapshot(END + 100)
    scene = scene_of(bench.run, snapshot.ranks, bench.dir, END + 100, over=False)
    assert [sight.spoke for sight in scene.sights] == [END] * 4
    assert scene.rhythm == Rhythm(1.0, 1.0)
    assert scene.step_rhythm is None


def test_what_came_after_the_moment_does_not_count(bench: Bench) -> None:
    bench.beats[0] += [END + 100.5 + n for n in range(5)]
    snapshot = bench.snapshot(END + 200)
    scene = scene_of(bench.run, snapshot.ranks, bench.dir, END + 100, over=True)
    assert scene.sights[0].spoke == END
    assert set(scene.last_line.splitlines()) == {"step 50"}


def test_times_are_by_one_clock(bench: Bench) -> None:
    bench.ahead("n1", 7.0)
    bench.beats[2] = [at + 7.0 for at in bench.beats[2]]
    scene = scene_of(bench.run, bench.snapshot(END).ranks, bench.dir, END + 1, over=True)
    assert [sight.spoke for sight in scene.sights] == [END, END, END, END - 7]


def test_a_slow_start_makes_nobody_patient(bench: Bench) -> None:
    for beats in bench.beats.values():
        beats[:0] = [END - 1000]
    for facts in bench.facts.values():
        facts["times"] = {"stepping": END - 51.5}
    scene = scene_of(bench.run, bench.snapshot(END).ranks, bench.dir, END + 1, over=True)
    assert scene.rhythm == Rhythm(1.0, 1.0)


def test_steps_are_those_of_this_attempt_before_the_moment(bench: Bench) -> None:
    bench.dir.path.mkdir(exist_ok=True)
    points = [MetricsPoint(t=10.0, attempt=1, rank=0, step=99)]
    points += [MetricsPoint(t=100.0 + 2 * n, attempt=0, rank=0, step=n) for n in range(20)]
    points += [MetricsPoint(t=500.0, attempt=0, rank=0, step=19)]
    bench.dir.metrics.write_bytes(b"\n".join(map(msgspec.json.encode, points)) + b"\n")
    scene = scene_of(bench.run, bench.snapshot(END).ranks, bench.dir, END, over=False)
    assert scene.stepped == 138.0
    assert scene.step_rhythm == Rhythm(2.0, 2.0)


def test_a_rank_without_notes_has_said_nothing(bench: Bench) -> None:
    snapshot = bench.snapshot(END)
    bench.dir.node("n0").attempt(0).times(1).unlink()
    scene = scene_of(bench.run, snapshot.ranks, bench.dir, END + 1, over=True)
    assert scene.sights[1].spoke is None


def test_the_end_begins_with_the_first_that_ends_or_is_asked_to(bench: Bench) -> None:
    run = msgspec.structs.replace(bench.run, ended=90.0)
    assert end_of(run, (), ()) == 90.0
    assert end_of(run, (), (80.0, 85.0)) == 80.0
    bench.facts[1] = {"state": RankState.FAILED, "times": {"failed": 70.0, "output": 3.0}}
    assert end_of(run, bench.snapshot(END).ranks, (80.0, 85.0)) == 70.0


def test_a_stall_is_found(bench: Bench) -> None:
    bench.facts[3] = {"step": 49}
    hang = find_hang(bench.snapshot(END + 61), bench.dir, END + 61)
    assert hang is not None
    assert [suspect.rank for suspect in hang.suspects] == [3]
    assert find_hang(bench.snapshot(END + 59), bench.dir, END + 59) is None


def test_what_is_not_heard_is_not_silent(bench: Bench) -> None:
    # nobody has heard of the agents since: that is no stall of the ranks
    assert find_hang(bench.snapshot(END + 1), bench.dir, END + 500) is None
    hang = find_hang(bench.snapshot(END + 100), bench.dir, END + 500)
    assert hang is not None
    assert hang.moment == END + 100
    # a node that cannot be heard is not suspected for what it cannot tell
    bench.facts[3] = {"step": 49}
    bench.nodes["n1"] = {"silent_since": END}
    hang = find_hang(bench.snapshot(END + 100), bench.dir, END + 100)
    assert hang is not None
    assert hang.suspects == ()
    bench.nodes["n1"] = {"heartbeat": END + 50}
    hang = find_hang(bench.snapshot(END + 100), bench.dir, END + 100)
    assert hang is not None
    assert hang.suspects == ()


def test_only_a_closer_look_sees_single_ranks(bench: Bench) -> None:
    for rank in (0, 1, 2):
        bench.beats[rank] = [at + 100 for at in bench.beats[rank]]
        bench.facts[rank] = {"step": 150}
    snapshot = bench.snapshot(END + 101)
    assert find_hang(snapshot, bench.dir, END + 101, thorough=False) is None
    hang = find_hang(snapshot, bench.dir, END + 101)
    assert hang is not None
    assert hang.state.value == "lagging"


@pytest.mark.parametrize(
    ("phase", "category", "told"),
    [
        (RunPhase.STOPPED, "", True),
        (RunPhase.FAILED, "time-limit", True),
        (RunPhase.STOPPED, "cancelled", True),
        (RunPhase.FAILED, "exception", False),
        (RunPhase.FAILED, "hang", False),
        (RunPhase.SUCCEEDED, "", False),
    ],
)
def test_a_run_that_was_ended_from_outside_is_judged_as_of_then(
    bench: Bench, phase: RunPhase, category: str, told: bool
) -> None:
    stop = StopRecord(reason="stop", requested=END + 300)
    bench.nodes = {"n0": {"stop": stop}, "n1": {"stop": stop}}
    for facts in bench.facts.values():
        facts.update(state=RankState.KILLED, times={"killed": END + 303})
    failure = None
    if category:
        failure = Failure(rank=None, node=None, category=category, summary="x")
    snapshot = bench.snapshot(END + 304, state=phase, failure=failure, ended=END + 304)
    hang = find_hang(snapshot, bench.dir, END + 9000)
    assert (hang is not None) is told
    if hang is not None:
        assert hang.moment == END + 300
        assert hang.summary.startswith("nothing had been printed for 5m")


def test_what_any_of_the_last_speakers_has_begun_counts(bench: Bench) -> None:
    # rank 0 prints most; the one that saves said so half a second before
    bench.beats[0] += [END + 0.5]
    bench.facts[3] = {"last_line": "saving checkpoint"}
    assert find_hang(bench.snapshot(END + 100), bench.dir, END + 100) is None
    # long ago is another thing
    bench.beats[3] = [at - 20 for at in bench.beats[3]]
    assert find_hang(bench.snapshot(END + 100), bench.dir, END + 100) is not None


def test_what_was_begun_when_a_run_was_ended_counts(bench: Bench) -> None:
    snapshot = ended(bench)
    assert find_hang(snapshot, bench.dir, END + 9000) is not None
    log = snapshot.ranks[2].log
    log.write_text(log.read_text().replace("step 50", "saving "))
    assert find_hang(snapshot, bench.dir, END + 9000) is None


def test_who_writes_is_at_work_by_one_clock(bench: Bench) -> None:
    bench.ahead("n1", 7.0)
    bench.facts[3] = {"last_write": END + 90}
    snapshot = bench.snapshot(END + 100)
    scene = scene_of(bench.run, snapshot.ranks, bench.dir, END + 100, over=False)
    assert [sight.wrote for sight in scene.sights] == [None, None, None, END + 90]
    assert find_hang(snapshot, bench.dir, END + 100) is None
    # what is written on the way out is no work
    bench.facts[3] = {"last_write": END + 302}
    assert find_hang(ended(bench), bench.dir, END + 9000) is not None


def write_loads(bench: Bench, node: str, *times: float, attempt: int = 0) -> None:
    """Samples at these times: the GPU of rank 3 is idle, all others are busy."""
    first = 2 * int(node[1:])
    samples = [
        LoadSample(
            t=at,
            attempt=attempt,
            cpu_percent=12.0,
            mem_used=97 if node == "n1" else 40,
            mem_total=100,
            gpus=tuple(GpuSample(g, 0.0 if first + g == 3 else 100.0) for g in (0, 1)),
            ranks=tuple(RankSample(first + g, 100.0, 5, g) for g in (0, 1)),
        )
        for at in times
    ]
    path = bench.dir.node(node).load
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(msgspec.json.encode(sample) + b"\n" for sample in samples))


def ended(bench: Bench) -> RunSnapshot:
    """All ranks fell silent together, and the run was stopped five minutes later."""
    stop = StopRecord(reason="stop", requested=END + 300)
    bench.nodes = {"n0": {"stop": stop}, "n1": {"stop": stop}}
    for facts in bench.facts.values():
        facts.update(state=RankState.KILLED, times={"killed": END + 303})
    return bench.snapshot(END + 304, state=RunPhase.STOPPED, ended=END + 304)


def test_of_a_hang_that_is_over_the_kept_load_tells_who_stood_out(bench: Bench) -> None:
    snapshot = ended(bench)
    for node in ("n0", "n1"):
        write_loads(bench, node, END + 285, END + 295, END + 305)
    hang = find_hang(snapshot, bench.dir, END + 9000)
    assert hang is not None
    assert (hang.basis.value, [suspect.rank for suspect in hang.suspects]) == ("gpu-load", [3])
    assert "rank 3 on n1 alone was idle on the GPU" in hang.summary
    assert "rank 3 used 0 %, the others 100 % of their GPUs' time: they computed, or waited " in (
        " ".join(hang.facts)
    )
    assert "memory of n1 was at 97 %" in hang.facts


@pytest.mark.parametrize(
    "times",
    [
        # it began before the silence
        (END - 5, END + 295),
        # it ended after the end began, or long before
        (END + 285, END + 305),
        (END + 200, END + 210),
        (END + 295,),
    ],
)
def test_a_sample_that_is_not_all_of_the_silence_tells_nothing(
    bench: Bench, times: tuple[float, ...]
) -> None:
    snapshot = ended(bench)
    for node in ("n0", "n1"):
        write_loads(bench, node, *times)
    hang = find_hang(snapshot, bench.dir, END + 9000)
    assert hang is not None
    assert hang.suspects == ()
    for node in ("n0", "n1"):
        write_loads(bench, node, END + 285, END + 295, attempt=1)
    assert find_hang(snapshot, bench.dir, END + 9000) == hang


def test_of_a_hang_that_lasts_the_nodes_own_load_is_told(bench: Bench) -> None:
    load = NodeLoad(time=END, cpus=2, cpu_percent=9.0, mem_used=96, mem_total=100)
    bench.nodes = {"n0": {"load": load}, "n1": {"load": load, "silent_since": END}}
    hang = find_hang(bench.snapshot(END + 61), bench.dir, END + 61)
    assert hang is not None
    assert "memory of n0 is at 96 %" in hang.facts
    assert not any("memory of n1" in fact for fact in hang.facts)
