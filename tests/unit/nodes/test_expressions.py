from __future__ import annotations

import random

import pytest

from rankdeck.nodes.expressions import NodeExpression, express, selection_of
from rankdeck.nodes.node import Node

NODES = tuple(Node(name=f"node{n:02}", slots=8) for n in range(1, 17))


def chosen(*numbers: int) -> dict[str, tuple[int, ...]]:
    return {f"node{n:02}": () for n in numbers}


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (chosen(*range(1, 17)), NodeExpression()),
        (chosen(3), NodeExpression(include="node03")),
        (chosen(*range(1, 9)), NodeExpression(exclude="node[09-16]")),
        (chosen(*(n for n in range(1, 17) if n != 7)), NodeExpression(exclude="node07")),
        (
            chosen(*(n for n in range(1, 17) if n not in (3, 7, 8))),
            NodeExpression(exclude="node[03,07-08]"),
        ),
        ({"node01": (0, 1, 2, 3)}, NodeExpression(include="node01:0-3")),
        ({"node01": (0, 2), "node02": (0, 2)}, NodeExpression(include="node[01-02]:0,2")),
        ({**chosen(*range(2, 17)), "node01": (0,)}, NodeExpression(exclude="node01:1-7")),
    ],
)
def test_the_shortest_expression(
    selection: dict[str, tuple[int, ...]], expected: NodeExpression
) -> None:
    assert express(NODES, selection) == expected


def test_nothing_has_no_expression() -> None:
    assert express(NODES, {}) is None


def test_the_inventorys_order_is_kept() -> None:
    nodes = tuple(Node(name=name) for name in ("n3", "n1", "n2", "m1", "m2"))
    found = express(nodes, {"n3": (), "n1": ()})
    assert found is not None
    assert list(selection_of(nodes, found.include, found.exclude)) == ["n3", "n1"]


def test_every_choice_is_read_back_as_it_was() -> None:
    dice = random.Random(11)
    for _ in range(400):
        names = {
            dice.choice(
                ("node{:02}", "n{}", "rack1n{}", "gpu-{}-ib0", "h{:03}.site.org", "{}")
            ).format(dice.randint(1, 40))
            for _ in range(dice.randint(1, 24))
        }
        names |= set(dice.sample(["fe80::2", "::1", "login", "2"], dice.randint(0, 3)))
        order = sorted(names)
        if dice.random() < 0.5:
            dice.shuffle(order)
        nodes = tuple(
            Node(name=name, slots=dice.choice((None, 1, 2, 8)), gpus=dice.choice((0, 4)))
            for name in order
        )
        selection: dict[str, tuple[int, ...]] = {}
        for node in nodes:
            count = node.slots if node.slots is not None else node.gpus
            some = (
                tuple(sorted(dice.sample(range(count), dice.randint(0, count - 1))))
                if count
                else ()
            )
            if dice.random() < 0.6:
                selection[node.name] = some if dice.random() < 0.3 else ()
        if not selection:
            continue
        found = express(nodes, selection)
        assert found is not None, (nodes, selection)
        assert not (found.include and found.exclude)
        read = selection_of(nodes, found.include, found.exclude)
        assert list(read.items()) == list(selection.items()), found


def test_flags_are_quoted_for_a_shell() -> None:
    assert NodeExpression(exclude="node[01-02]").flags == "--exclude 'node[01-02]'"
    assert NodeExpression(include="a").flags == "--include a"
    assert NodeExpression().flags == ""
