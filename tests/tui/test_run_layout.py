"""Where panes stand: tables of sizes and wishes, and rules that hold for every one of them."""

from __future__ import annotations

from itertools import product

import pytest
from textual.geometry import Region

from tui.screens.run_layout import (
    OTHER,
    PANES,
    Border,
    Needs,
    RunLayout,
    border_at,
    dragged,
    moved,
    place_panes,
    shown,
)

SIZES = [
    (80, 19),
    (80, 20),
    (99, 30),
    (100, 20),
    (120, 35),
    (200, 55),
    (160, 44),
    (60, 12),
    (40, 8),
]
FEW = Needs(ranks=4, nodes=3)
MANY = Needs(ranks=520, nodes=514)


def names(width: int, height: int, layout: RunLayout, needs: Needs = FEW) -> set[str]:
    return set(place_panes(width, height, layout, needs))


@pytest.mark.parametrize(
    ("size", "layout", "expected"),
    [
        ((120, 35), RunLayout(), {"ranks", "curves", "nodes", "log"}),
        ((120, 35), RunLayout(main="events"), {"ranks", "curves", "nodes", "events"}),
        ((120, 35), RunLayout(main="curves"), {"ranks", "curves", "nodes", "log"}),
        ((120, 35), RunLayout(split=True), {"ranks", "curves", "nodes", "log", OTHER}),
        ((120, 35), RunLayout(split=True, main="failure"), {"ranks", "curves", "nodes", "failure"}),
        ((200, 55), RunLayout(main="events"), {"ranks", "curves", "nodes", "events", "log"}),
        ((200, 55), RunLayout(main="curves"), {"ranks", "curves", "nodes", "log"}),
        ((100, 12), RunLayout(), {"ranks", "nodes", "log"}),
        ((100, 12), RunLayout(main="curves"), {"ranks", "nodes", "curves"}),
        ((80, 19), RunLayout(), {"ranks", "nodes", "log"}),
        ((80, 19), RunLayout(main="nodes"), {"ranks", "nodes"}),
        ((80, 19), RunLayout(main="curves"), {"ranks", "nodes", "curves"}),
        ((80, 19), RunLayout(focus="nodes", zoomed=True), {"nodes"}),
        ((80, 19), RunLayout(focus=OTHER, zoomed=True, split=True), {"log", OTHER}),
    ],
)
def test_what_is_seen(size: tuple[int, int], layout: RunLayout, expected: set[str]) -> None:
    assert names(*size, layout) == expected


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("needs", [FEW, MANY])
@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("main", ["log", "curves", "nodes", "events", "failure"])
def test_panes_fill_the_screen_and_never_overlap(
    size: tuple[int, int], needs: Needs, split: bool, main: str
) -> None:
    for zoomed, focus in product((False, True), ("ranks", main)):
        layout = RunLayout(main=main, focus=focus, zoomed=zoomed, split=split)
        places = list(place_panes(*size, layout, needs).values())
        whole = Region(0, 0, *size)
        assert all(place in whole and place.area > 0 for place in places), places
        assert sum(place.area for place in places) == whole.area, places
        for index, place in enumerate(places):
            assert not any(place.overlaps(other) for other in places[index + 1 :]), places


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("needs", [FEW, MANY])
@pytest.mark.parametrize("pane", PANES)
def test_every_pane_is_reached_by_its_number_and_can_be_zoomed(
    size: tuple[int, int], needs: Needs, pane: str
) -> None:
    layout = shown(RunLayout(), pane, *size, needs)
    assert layout.focus == pane
    assert place_panes(*size, layout, needs)[pane].height >= 2
    zoomed = shown(RunLayout(zoomed=True), pane, *size, needs)
    assert place_panes(*size, zoomed, needs)[pane] == Region(0, 0, *size)


def test_a_pane_that_has_a_place_leaves_the_main_one_alone() -> None:
    events = RunLayout(main="events")
    assert shown(events, "nodes", 120, 35, FEW).main == "events"
    assert shown(events, "curves", 120, 35, FEW).main == "events"
    assert shown(events, "ranks", 80, 19, FEW).main == "events"
    assert shown(events, "nodes", 80, 19, FEW).main == "nodes"
    assert shown(events, "log", 120, 35, FEW).main == "log"


def test_nodes_are_never_pushed_out_by_ranks() -> None:
    for size in SIZES:
        places = place_panes(*size, RunLayout(), MANY)
        assert "nodes" in places or size[1] < 10
        if size[0] >= 100:
            assert places["nodes"].height >= 3


def test_a_large_screen_is_used() -> None:
    for needs in (FEW, MANY, Needs(ranks=24, nodes=66)):
        places = place_panes(200, 57, RunLayout(main="failure"), needs)
        assert places["failure"].height >= 18
        assert places["log"].height >= 18
        assert places["curves"].height >= 16
    few = place_panes(200, 57, RunLayout(), FEW)
    assert (few["ranks"].height, few["nodes"].height) == (FEW.ranks, FEW.nodes)
    assert few["curves"].x == 0
    many = place_panes(200, 57, RunLayout(), MANY)
    assert many["curves"].width == many["log"].width


def test_two_logs_stand_beside_each_other_where_there_is_room() -> None:
    wide = place_panes(200, 55, RunLayout(split=True), FEW)
    assert wide["log"].y == wide[OTHER].y
    narrow = place_panes(80, 19, RunLayout(split=True), FEW)
    assert narrow["log"].x == narrow[OTHER].x
    assert narrow["log"].bottom == narrow[OTHER].y


@pytest.mark.parametrize("size", SIZES)
def test_borders_move_within_limits_and_back(size: tuple[int, int]) -> None:
    start = RunLayout()
    before = place_panes(*size, start, FEW)
    layout = start
    for _ in range(50):
        layout = moved(layout, *size, FEW, 4, 0)
        layout = moved(layout, *size, FEW, 0, 2)
    places = place_panes(*size, layout, FEW)
    assert sum(place.area for place in places.values()) == size[0] * size[1]
    if size[0] >= 100:
        assert places["ranks"].width > before["ranks"].width
        assert places["log"].width >= 40
    for _ in range(100):
        layout = moved(layout, *size, FEW, -4, 0)
        layout = moved(layout, *size, FEW, 0, -2)
    places = place_panes(*size, layout, FEW)
    assert places["ranks"].height == 4 or size[1] < 10
    assert all(place.width >= 20 for place in places.values())


def test_one_step_of_a_border_is_one_step() -> None:
    for size in ((120, 35), (200, 55)):
        before = place_panes(*size, RunLayout(), FEW)["ranks"]
        wider = moved(RunLayout(), *size, FEW, 4, 0)
        assert place_panes(*size, wider, FEW)["ranks"].width == before.width + 4
        lower = moved(RunLayout(), *size, FEW, 0, 2)
        assert place_panes(*size, lower, FEW)["ranks"].height == before.height + 2
    # on a narrow screen there is one border, and either pair of keys moves it
    before = place_panes(80, 24, RunLayout(), FEW)["ranks"]
    assert place_panes(80, 24, moved(RunLayout(), 80, 24, FEW, 4, 0), FEW)["ranks"].height > (
        before.height
    )


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("needs", [FEW, MANY])
@pytest.mark.parametrize("main", ["log", "curves", "nodes", "failure"])
def test_a_border_is_where_it_is_taken_and_comes_where_it_is_dragged(
    size: tuple[int, int], needs: Needs, main: str
) -> None:
    width, height = size
    layout = RunLayout(main=main)
    ranks = place_panes(*size, layout, needs)["ranks"]
    assert border_at(0, ranks.bottom, *size, layout, needs) is Border.RANKS
    assert border_at(0, ranks.bottom - 1, *size, layout, needs) is None
    for y in range(height):
        lower = dragged(layout, Border.RANKS, 0, y, *size, needs)
        top = place_panes(*size, lower, needs)["ranks"].bottom
        assert dragged(lower, Border.RANKS, 0, top, *size, needs) == lower
    if width < 100:
        assert border_at(ranks.right - 1, 0, *size, layout, needs) is None
        return
    assert border_at(ranks.right - 1, height - 1, *size, layout, needs) is Border.SIDE
    assert border_at(ranks.right, ranks.bottom, *size, layout, needs) is None
    for x in range(width):
        moved_to = dragged(layout, Border.SIDE, x, 3, *size, needs)
        assert place_panes(*size, moved_to, needs)["ranks"].right == max(20, min(x + 1, width - 40))


def test_a_pane_alone_has_no_border() -> None:
    layout = RunLayout(zoomed=True, focus="ranks")
    places = product(range(120), range(35))
    assert {border_at(x, y, 120, 35, layout, FEW) for x, y in places} == {None}
