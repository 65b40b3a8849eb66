"""What a log pane of a run says of its end: followed while more can come, else its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from rankdeck.run.layout import RunDir
from rankdeck.run.node_state import RankState
from rankdeck.run.state import RunPhase
from rankdeck.run.stored import read_state, write_state
from tests.tui.fake_run import write_run
from tests.tui.log_desk import numbered
from tests.tui.pilot import SMALL, WIDE, make_deck, until
from tui.screens.run import RunScreen

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot

    from tui.deck import Deck
    from tui.widgets.log_pane import LogPane

LINES = numbered(1, 100).rstrip()


def set_ranks(home: Path, run_id: str, **states: RankState) -> None:
    """Have some ranks of a run be in these states: `rank2=RankState.EXITED`."""
    run = RunDir(home / "runs" / run_id)
    state = read_state(run)
    ranks = tuple(
        msgspec.structs.replace(rank, state=states.get(f"rank{rank.rank}", rank.state))
        for rank in state.ranks
    )
    write_state(run, msgspec.structs.replace(state, ranks=ranks))


def pane_of(deck: Deck) -> LogPane:
    assert isinstance(deck.screen, RunScreen)
    return deck.screen.logs.pane


async def until_told(pilot: Pilot[None], status: str) -> None:
    """Wait until the log pane of the run begins its line with this."""
    await until(pilot, lambda: pane_of(pilot.app).status.startswith(status))  # type: ignore[arg-type]


@pytest.mark.parametrize("phase", [RunPhase.SUCCEEDED, RunPhase.FAILED, RunPhase.STOPPED])
async def test_the_log_of_a_run_that_has_ended_is_at_its_end(home: Path, phase: RunPhase) -> None:
    deck = make_deck(home, write_run(home, "over", phase, text=LINES))
    async with deck.run_test(size=SMALL) as pilot:
        await until(pilot, lambda: isinstance(deck.screen, RunScreen))
        await until_told(pilot, "end of log · 100 lines")
        await pilot.press("2", "up")
        await until_told(pilot, "100 lines · ")
        await pilot.press("down")
        await until_told(pilot, "end of log · 100 lines")
        await pilot.press("g")
        await until_told(pilot, "100 lines · ")
        await pilot.press("f")
        await until_told(pilot, "end of log · 100 lines")


async def test_a_rank_that_has_ended_is_told_while_the_run_goes_on(home: Path) -> None:
    run_id = write_run(home, "live", RunPhase.RUNNING, text=LINES)
    set_ranks(home, run_id, rank1=RankState.EXITED, rank2=RankState.LOST)
    deck = make_deck(home, run_id)
    async with deck.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: isinstance(deck.screen, RunScreen))
        await until_told(pilot, "following · 100 lines")
        await pilot.press("right")
        await until_told(pilot, "end of log · 100 lines")
        await pilot.press("right")  # nobody knows whether one that is lost writes on
        await until_told(pilot, "following · 100 lines")
        await pilot.press("left")
        await until_told(pilot, "end of log · 100 lines")
        set_ranks(home, run_id, rank1=RankState.STEPPING)  # its launcher began it anew
        await until_told(pilot, "following · 100 lines")


async def test_the_log_of_many_ranks_ends_with_the_last_of_them(home: Path) -> None:
    run_id = write_run(home, "live", RunPhase.RUNNING, text=LINES)
    set_ranks(home, run_id, rank1=RankState.EXITED, rank2=RankState.FAILED)
    deck = make_deck(home, run_id)
    async with deck.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: isinstance(deck.screen, RunScreen))
        await until_told(pilot, "following")
        await pilot.press("2", "M", *"1-2", "enter")
        await until(pilot, lambda: "ranks 1-2" in pane_of(deck).status)
        await until_told(pilot, "end of log")
        await pilot.press("M", "ctrl+u", "enter")
        await until(pilot, lambda: "all 4 ranks" in pane_of(deck).status)
        await until_told(pilot, "following")


async def test_who_ended_without_a_word_will_say_none(home: Path) -> None:
    run_id = write_run(home, "live", RunPhase.RUNNING)
    for log in (home / "runs" / run_id).rglob("*rank-*.log"):
        log.unlink()
    set_ranks(home, run_id, rank0=RankState.PENDING)
    deck = make_deck(home, run_id)
    async with deck.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: isinstance(deck.screen, RunScreen))
        await until_told(pilot, "following · no output yet")
        await until(pilot, lambda: pane_of(deck).view.empty == "no output yet")
        set_ranks(home, run_id, rank0=RankState.FAILED)
        await until(pilot, lambda: pane_of(deck).status == "no output")
        assert pane_of(deck).view.empty == "no output"
