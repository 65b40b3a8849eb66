"""The header's lines, the node table's cells and the filter of events, as pure functions."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from rankdeck.job.spec import JobSpec
from rankdeck.nodes.node import Node
from rankdeck.plan.build import build_plan
from rankdeck.plan.records import RunIdentity
from rankdeck.run.events import Event, EventKind
from rankdeck.run.fold import initial_state
from rankdeck.run.node_state import NodeLoad, NodeProblem, RankState
from rankdeck.run.state import RunPhase
from rankdeck.run.view import NodeView, RankView, RunSnapshot
from tui.event_rows import EventRow
from tui.looks import cut_line, plain, whole_pieces
from tui.screens.run_events import event_cells, filter_events
from tui.screens.run_text import notices, stale_line, waiting_line
from tui.widgets.node_load import NodeRow, node_cells, node_rows, nodes_title

NOW = 1000.0


def snapshot(
    phase: RunPhase = RunPhase.RUNNING,
    *,
    states: dict[int, RankState] | None = None,
    heard: tuple[float | None, ...] = (NOW, NOW, NOW, NOW),
    **changes: dict[int, object],
) -> RunSnapshot:
    """Eight ranks on four nodes; `changes` are the nodes' fields, by number."""
    spec = JobSpec(name="j", entry="/p/t.py", project="/p", launcher="direct", nproc_per_node=2)
    nodes = tuple(Node(name=f"n{i}") for i in range(4))
    plan = build_plan(spec, nodes, RunIdentity(id="r", dir="/r"))
    run = replace(initial_state(plan, 0.0), state=phase)
    path = Path("/nonexistent")
    return RunSnapshot(
        run=run,
        plan=plan,
        nodes=tuple(
            NodeView(
                name=node.name,
                address=node.name,
                node_rank=node.node_rank,
                nproc=2,
                first_rank=node.first_rank,
                state="running",
                log=path,
                agent_log=path,
                heartbeat=heard[node.node_rank],
                **{
                    name: by[node.node_rank] for name, by in changes.items() if node.node_rank in by
                },  # type: ignore[arg-type]
            )
            for node in run.nodes
        ),
        ranks=tuple(
            RankView(
                rank=rank.rank,
                node=rank.node,
                local_rank=rank.local_rank,
                state=(states or {}).get(rank.rank, RankState.RENDEZVOUS),
                log=path,
            )
            for rank in run.ranks
        ),
    )


SPAWNED, PENDING, STEPPING = RankState.SPAWNED, RankState.PENDING, RankState.STEPPING


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ({}, None),
        ({3: SPAWNED}, "waiting for rank 3 (n1)"),
        ({3: SPAWNED, 6: PENDING, 7: SPAWNED}, "waiting for ranks 3 (n1), 6-7 (n3)"),
        (
            {0: SPAWNED, 2: SPAWNED, 4: SPAWNED, 6: SPAWNED},
            "waiting for ranks 0 (n0), 2 (n1), 4 (n2) and those of 1 other node",
        ),
        (dict.fromkeys(range(8), SPAWNED), None),
        (dict.fromkeys(range(8), STEPPING), None),
    ],
)
def test_who_has_not_joined(states: dict[int, RankState], expected: str | None) -> None:
    line = waiting_line(snapshot(RunPhase.STARTING, states=states))
    assert (plain(line)[3:] if line else None) == expected
    assert waiting_line(snapshot(RunPhase.FAILED, states=states)) is None


@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        ((NOW - 14, NOW - 30, None, None), "stale for 14s: no agent has been heard since"),
        ((NOW - 9, NOW - 30, NOW - 30, NOW - 30), None),
        ((None, None, None, None), None),
    ],
)
def test_how_old_the_data_is(heard: tuple[float | None, ...], expected: str | None) -> None:
    line = stale_line(snapshot(heard=heard), NOW)
    assert (plain(line)[3:] if line else None) == expected
    assert stale_line(snapshot(RunPhase.SUCCEEDED, heard=heard), NOW) is None


def test_the_gravest_comes_first_and_nothing_is_told_of_what_is_over() -> None:
    alert = ((" ⚠ ", "warning"), ("loss is NaN", "warning"))
    silent = snapshot(silent_since={1: NOW - 14}, silence={1: "timed out"})
    told = [plain(line) for line in notices(silent, NOW, "only far can take it over", alert)]
    assert told == [
        " ! only far can take it over",
        " ! n1 cannot be heard for 14s: timed out",
        " ⚠ loss is NaN",
    ]
    over = snapshot(RunPhase.SUCCEEDED, silent_since={1: NOW - 14})
    assert [plain(line) for line in notices(over, NOW, "alone", None)] == []


def test_nodes_in_trouble_come_first_then_silent_ones() -> None:
    problem = NodeProblem(category="x", message="n3: \x1b[31mno route", hint="")
    seen = snapshot(problem={3: problem}, silent_since={2: NOW - 5})
    rows = node_rows(seen)
    assert [row.view.name for row in rows] == ["n3", "n2", "n0", "n1"]
    assert "".join(text for text, _ in nodes_title(rows, NOW)) == "4 · ✖ 1 bad: n3"
    cells = node_cells(rows[0], NOW)
    assert cells["state"] == ("✖ running", "error")
    assert "no route" in cells["what"][0]
    assert "\x1b" not in cells["what"][0]
    assert node_cells(rows[1], NOW)["state"] == ("! silent", "warning")


@pytest.mark.parametrize(
    ("load", "cpu", "mem"),
    [
        (None, "–", "–"),
        (NodeLoad(time=NOW, cpus=8), "–", "–"),
        (NodeLoad(time=NOW, cpus=8, cpu_percent=33.6, mem_total=100, mem_used=40), "34%", "40%"),
    ],
)
def test_what_is_not_known_of_a_node_is_no_zero(load: NodeLoad | None, cpu: str, mem: str) -> None:
    view = snapshot(load={0: load}).nodes[0]
    cells = node_cells(NodeRow(view, 0.0, ended=False), NOW)
    assert (cells["cpu"][0], cells["mem"][0]) == (cpu, mem)
    assert cells["clock"][0] == ""
    assert node_cells(NodeRow(view, -2.5, ended=False), NOW)["clock"] == ("-2.5s", "warning")
    assert node_cells(NodeRow(view, 0.0, ended=True), NOW)["cpu"][0] == "–"


EVENTS = (
    Event(seq=1, t=990.0, kind=EventKind.CREATED),
    Event(seq=2, t=991.0, kind=EventKind.RANK, rank=3, node="n1", state="failed"),
    Event(seq=3, t=992.0, kind=EventKind.NOTE, message="a [b]note[/b] \x1b[2J of rank 3"),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [1, 2, 3]),
        ("rank", [2, 3]),
        ("RANK 3", [2, 3]),
        ("rank !note", [2]),
        ("!rank", [1]),
        ("nothing", []),
    ],
)
def test_events_that_contain_all_words(text: str, expected: list[int]) -> None:
    assert [event.seq for event in filter_events(EVENTS, text)] == expected


def test_an_event_is_text_in_columns_with_either_kind_of_time() -> None:
    cells = event_cells(EventRow((EVENTS[2],)), NOW, relative=True)
    assert cells["time"][0] == "8s ago"
    assert "[b]note[/b]" in cells["details"][0]
    assert "\x1b" not in cells["details"][0]
    assert event_cells(EventRow((EVENTS[1],)), NOW, relative=False)["state"] == ("failed", "error")


def test_a_line_is_cut_with_a_mark_or_between_pieces() -> None:
    line = (("step 3 ", ""), ("lr 0.0001 ", "dim"), ("grad_norm 3.075", "dim"))
    assert whole_pieces(line, 20) == line[:2]
    assert cut_line(line, 20) == (*line[:2], ("gr…", "dim"))
    assert cut_line(line, 17) == (("step 3 ", ""), ("lr 0.0001…", "dim"))
    assert cut_line(line, 32) is line
