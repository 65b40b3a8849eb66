"""Which nodes a failure is blamed on, and the same choice of nodes without them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from rankdeck.errors import InvalidJobError
from rankdeck.nodes.filter_text import parse_filter
from rankdeck.run.blame import Selection, blamed, without
from rankdeck.run.state import Failure, RunNode, RunPhase, RunState

NODES = tuple(RunNode(name=f"n{i}", node_rank=i, nproc=1, first_rank=i) for i in range(4))
RUN = RunState(
    id="r",
    name="r",
    state=RunPhase.FAILED,
    backend="ssh",
    launcher="torchrun",
    created=0.0,
    nnodes=4,
    nproc_per_node=1,
    world_size=4,
    nodes=NODES,
)


def failure(category: str, *, node: str | None = "n1", **fields: object) -> Failure:
    return Failure(rank=1, node=node, category=category, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, ()),
        (failure("exception", summary="ValueError: boom"), ()),
        (failure("exit-code", exit_code=3), ()),
        (failure("exited-early"), ()),
        (failure("time-limit", node=None), ()),
        (failure("unknown"), ()),
        (failure("hang"), ()),
        (failure("exception", summary="RuntimeError: uncorrectable ECC error"), ("n1",)),
        (failure("exception", evidence=("OSError: [Errno 28] No space left on device",)), ("n1",)),
        (failure("exit-code", evidence=("NVRM: Xid 79: GPU has fallen off the bus",)), ("n1",)),
        (failure("signal", signal=9), ("n1",)),
        (failure("signal", signal=7), ("n1",)),
        (failure("signal", signal=11), ()),
        (failure("signalled", signal=9), ()),
        (failure("lost"), ("n1",)),
        (failure("unreachable"), ("n1",)),
        (failure("no-torchrun"), ("n1",)),
        (failure("port-in-use", node=None), ()),
        (failure("unreachable", node="elsewhere"), ()),
    ],
)
def test_what_a_failure_is_blamed_on(given: Failure | None, expected: tuple[str, ...]) -> None:
    run = replace(RUN, failure=given)
    assert tuple(blame.node for blame in blamed(run)) == expected


def test_nodes_with_problems_lost_and_silent_ones_are_to_blame_in_their_own_order() -> None:
    nodes = (
        NODES[0],
        replace(NODES[1], silent_since=1.0),
        replace(NODES[2], state="lost"),
        replace(NODES[3], problem="n3: no route to host"),
    )
    run = replace(RUN, nodes=nodes, failure=failure("exception"))
    found = blamed(run)
    assert [(blame.node, blame.why) for blame in found] == [
        ("n1", "it could not be heard at the end"),
        ("n2", "it was lost"),
        ("n3", "n3: no route to host"),
    ]
    # a silence may pass as long as the run lives
    assert [b.node for b in blamed(replace(run, state=RunPhase.RUNNING))] == ["n2", "n3"]


@pytest.mark.parametrize(
    ("include", "exclude", "nodes", "expected"),
    [
        ("", "", ("n1",), Selection(exclude="n1")),
        ("", "", ("n2", "n1", "n2"), Selection(exclude="n2,n1")),
        ("", "n3", ("n1",), Selection(exclude="n1,n3")),
        ("", "n3@n0:0", ("n1",), Selection(exclude="n1@n3@n0:0")),
        ("", "n1", ("n1",), Selection(exclude="n1")),
        ("", "n1:0,2,n3", ("n1",), Selection(exclude="n1,n3")),
        ("", "n2:0,1", ("n1",), Selection(exclude="n1,n2:0,1")),
        ("n[0-3]", "", ("n1",), Selection(include="n0,n2,n3")),
        ("n3:0,1,n1,n0", "", ("n1",), Selection(include="n3:0,1,n0")),
        ("n3@n1@n0:2", "", ("n1", "n9"), Selection(include="n3@n0:2")),
        ("@gpu,n1", "", ("n1",), Selection(include="@gpu")),
        ("@gpu:0,n1", "", ("g1",), Selection(include="g2:0,n1")),
        ("fe80::1,n1", "", ("n1",), Selection(include="[fe80::1]")),
        ("n0", "", (), Selection(include="n0")),
    ],
)
def test_a_choice_without_nodes(
    include: str, exclude: str, nodes: tuple[str, ...], expected: Selection
) -> None:
    found = without(Selection(include, exclude), nodes, lambda _: ("g1", "g2"))
    assert found == expected
    # what is written can be read
    for text in (found.include, found.exclude):
        if text:
            parse_filter(text, lambda _: ("g1", "g2"))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (Selection(include="n1"), "names only nodes that are to blame: n1"),
        (Selection(include="n1,,"), "empty entry"),
        (Selection(exclude="n[1-"), "--exclude"),
    ],
)
def test_what_cannot_be_done_is_said(given: Selection, told: str) -> None:
    with pytest.raises(InvalidJobError) as raised:
        without(given, ("n1",))
    assert told in str(raised.value)
