"""Borders between the panes of a run, taken with the mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.tui.fake_run import write_run
from tests.tui.pilot import SMALL, WIDE, make_deck, until, until_shown

if TYPE_CHECKING:
    from pathlib import Path

    from textual.geometry import Region
    from textual.pilot import Pilot

    from tui.deck import Deck


def _region(deck: Deck, name: str) -> Region:
    return deck.screen.query_one(f"#pane-{name}").region


async def _drag(pilot: Pilot[None], start: tuple[int, int], *places: tuple[int, int]) -> None:
    await pilot.mouse_down(offset=start)
    for place in places:
        await pilot.hover(offset=place)
    await pilot.mouse_up(offset=places[-1])
    await pilot.pause()


async def test_beside_each_other(home: Path) -> None:
    deck = make_deck(home, write_run(home, "good", text="hello from the rank"))
    async with deck.run_test(size=WIDE) as pilot:
        await until_shown(pilot, "hello from the rank")
        ranks = _region(deck, "ranks")
        focused = deck.focused
        await _drag(pilot, (ranks.right - 1, 20), (50, 22), (60, 21))
        await until(pilot, lambda: _region(deck, "ranks").right == 61)
        assert _region(deck, "log").x == 61
        await _drag(pilot, (5, ranks.bottom), (7, 4), (90, 15))
        await until(pilot, lambda: _region(deck, "ranks").bottom == 15)
        assert _region(deck, "curves").y == 15
        assert deck.focused is focused
        # what is not a border moves nothing, and nothing moves once it was let go
        await _drag(pilot, (70, 20), (30, 5))
        await pilot.hover(offset=(40, 8))
        await pilot.pause()
        assert (_region(deck, "ranks").right, _region(deck, "ranks").bottom) == (61, 15)


@pytest.mark.parametrize(("row", "bottom"), [(12, 12), (0, 6), (23, 19)])
async def test_one_below_the_other_and_no_further_than_it_may(
    home: Path, row: int, bottom: int
) -> None:
    deck = make_deck(home, write_run(home, "good", text="hello from the rank"))
    async with deck.run_test(size=SMALL) as pilot:
        await until_shown(pilot, "hello from the rank")
        ranks = _region(deck, "ranks")
        await _drag(pilot, (3, ranks.bottom), (3, row))
        await until(pilot, lambda: _region(deck, "ranks").bottom == bottom)
        assert _region(deck, "log").bottom == 23
