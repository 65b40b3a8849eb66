from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from textual.widget import Widget
from textual.widgets import Input

from rankdeck.errors import UserError
from rankdeck.run.eventlog import EventLog
from rankdeck.run.events import Event, EventKind
from rankdeck.run.layout import RunDir
from rankdeck.run.state import Failure, RunPhase
from rankdeck.run.stored import read_state, write_state
from rankdeck.run.view import RunReader
from tests.tui.fake_run import NOW, real_run, wait_for, write_cluster_run, write_run
from tests.tui.pilot import SMALL, WIDE, make_deck, screen_text, until, until_shown
from tui.screens.run import RunScreen
from tui.screens.run_failure import FailureCard
from tui.screens.run_panes import Pane, RunPrompt
from tui.screens.runs import RunsScreen
from tui.widgets.rank_grid import RankGrid

if TYPE_CHECKING:
    from pathlib import Path

    from textual.geometry import Region

    from tui.deck import Deck

SIZES = [SMALL, WIDE, (200, 60)]
FAILURE = Failure(
    rank=2,
    node="node01",
    category="exception",
    summary="rank 2 on node01 raised ValueError: boom",
    evidence=("Traceback (most recent call last):", "ValueError: boom"),
    collateral_ranks=(0, 1, 3),
    hint="look at line 6",
)


@pytest.mark.parametrize("size", [SMALL, WIDE, (200, 60)])
async def test_failed_run_shows_its_failure_first(home: Path, size: tuple[int, int]) -> None:
    run_id = write_run(home, "bad", RunPhase.FAILED, failure=FAILURE)
    deck = make_deck(home, run_id)
    async with deck.run_test(size=size) as pilot:
        await until_shown(pilot, "ended because of it: ranks 0-1, 3")
        text = screen_text(deck)
        for part in (
            "bad  ✖ failed",
            "0:30",
            "step 3/10",
            "30 %",
            "loss 0.5",
            "who   rank 2, node node01",
            "what  exception",
            "sure  certain",
            "│ ValueError: boom",
            "try   look at line 6",
        ):
            assert part in text
        assert deck.screen.query_one(RankGrid).selected == 2
        # beside each other where there is room, else one above the other
        grid, card = deck.screen.query_one(RankGrid), deck.screen.query_one(FailureCard)
        assert (card.region.x > 0) == (size[0] >= 100)
        assert grid.region.height >= 2
        assert card.region.height >= 11


def focused_pane(deck: Deck) -> str | None:
    """The name of the pane that has the keys."""
    focused = deck.screen.focused
    panes = [w for w in focused.ancestors if isinstance(w, Pane)] if focused else []
    return panes[0].name if panes else None


def seen_panes(deck: Deck) -> set[str]:
    return {pane.name or "" for pane in deck.screen.query(Pane) if pane.display}


@pytest.mark.parametrize("size", SIZES)
async def test_every_pane_is_reached_by_its_number(home: Path, size: tuple[int, int]) -> None:
    run_id = write_run(home, "good", text="hello from the rank")
    deck = make_deck(home, run_id)
    async with deck.run_test(size=size) as pilot:
        await until_shown(pilot, "hello from the rank")
        names = ("ranks", "log", "curves", "nodes", "events", "failure")
        for number, name in enumerate(names, start=1):
            await pilot.press(str(number))
            await until(pilot, lambda name=name: focused_pane(deck) == name)
            assert name in seen_panes(deck)
            region = deck.screen.query_one(f"#pane-{name}").region
            assert region.height >= 3 or name == "curves"
        assert "no rank has failed" in screen_text(deck)
        await pilot.press("5")
        await until_shown(pilot, "created")


async def test_the_cursor_of_the_grid_leads_the_log(home: Path) -> None:
    run_id = write_run(home, "good", text="hello from the rank")
    deck = make_deck(home, run_id)
    async with deck.run_test(size=SMALL) as pilot:
        await until_shown(pilot, "hello from the rank")
        assert deck.focused is deck.screen.query_one(RankGrid)
        await pilot.press("right")
        await until_shown(pilot, "rank 1 · node01:1")
        await pilot.press("enter")
        await until(pilot, lambda: focused_pane(deck) == "log")
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(deck.screen, RunsScreen)


@pytest.mark.parametrize("size", SIZES)
async def test_zoom_shows_one_pane_alone_and_comes_back(home: Path, size: tuple[int, int]) -> None:
    run_id = write_run(home, "good", text="hello from the rank")
    deck = make_deck(home, run_id)
    async with deck.run_test(size=size) as pilot:
        await until_shown(pilot, "hello from the rank")
        before = seen_panes(deck)
        await pilot.press("2", "z")
        await until(pilot, lambda: seen_panes(deck) == {"log"})
        pane = deck.screen.query_one("#pane-log")
        await until(pilot, lambda: pane.region.width == size[0] and focused_pane(deck) == "log")
        await until_shown(pilot, "2 log · zoomed · rank 0")
        await pilot.press("tab")
        await until(pilot, lambda: seen_panes(deck) == {"curves"})
        # esc ends the zoom before it leaves the screen
        await pilot.press("2", "escape")
        await until(pilot, lambda: seen_panes(deck) == before)
        assert isinstance(deck.screen, RunScreen)
        await until(pilot, lambda: "zoomed" not in screen_text(deck))


@pytest.mark.parametrize(("pane", "key"), [("1", "slash"), ("2", "slash"), ("3", "slash")])
async def test_a_line_that_is_typed_into_says_how_it_ends(home: Path, pane: str, key: str) -> None:
    run_id = write_run(home, "good", text="step 1 loss 2.5")
    deck = make_deck(home, run_id)
    async with deck.run_test(size=SMALL) as pilot:
        await until_shown(pilot, "step 1 loss 2.5")
        await pilot.press(pane, key)
        await until_shown(pilot, "enter ok  esc cancel")
        assert isinstance(deck.focused, Input)
        await pilot.press("x", "escape")
        await until(pilot, lambda: not isinstance(deck.focused, Input))
        assert isinstance(deck.screen, RunScreen)
        await until(pilot, lambda: "esc cancel" not in screen_text(deck))


async def test_what_was_typed_before_comes_back_by_a_key_that_is_told(home: Path) -> None:
    run_id = write_run(home, "good", text="step 1 loss 2.5")
    deck = make_deck(home, run_id)
    async with deck.run_test(size=SMALL) as pilot:
        await until_shown(pilot, "step 1 loss 2.5")
        await pilot.press("2", "slash", *"loss", "enter", "slash", *"step", "enter", "slash", "a")
        await until_shown(pilot, "↑ typed before  enter ok  esc cancel")
        line = deck.focused
        assert isinstance(line, Input)
        for key, text in (("up", "step"), ("up", "loss"), ("down", "step"), ("down", "a")):
            await pilot.press(key)
            await until(pilot, lambda text=text: line.value == text)  # type: ignore[misc]


async def test_titles_say_what_is_joined(home: Path) -> None:
    run_id = write_run(home, "good", text="step 1 loss 2.5")
    deck = make_deck(home, run_id)
    async with deck.run_test(size=SMALL) as pilot:
        await until_shown(pilot, "step 1 loss 2.5")
        await pilot.press("2", "m")
        await until_shown(pilot, "2 log · all ranks by time")
        await pilot.press("m")
        await until_shown(pilot, "2 log · rank 0")
        await pilot.press("1", "c")
        await until_shown(pilot, "by state, one a node · rank 0")


async def test_a_node_that_is_to_blame_can_be_left_out_with_a_key_that_is_seen(home: Path) -> None:
    failure = msgspec.structs.replace(FAILURE, node="node002")
    several = write_cluster_run(home, "bad", RunPhase.FAILED, nodes=2, ranks=2, failure=failure)
    alone = write_run(home, "sole", RunPhase.FAILED, failure=FAILURE)
    deck = make_deck(home, several)
    async with deck.run_test(size=WIDE) as pilot:
        await until_shown(pilot, "R without bad node")
        await until_shown(pilot, "next  r runs it again   R without node002")
    deck = make_deck(home, alone)
    async with deck.run_test(size=WIDE) as pilot:
        await until_shown(pilot, "next  r runs it again   l its log")
        await until_shown(pilot, "r rerun  z zoom")


async def test_who_ended_with_another_is_counted_in_words(home: Path) -> None:
    one = msgspec.structs.replace(FAILURE, collateral_ranks=(3,))
    write_run(home, "bad", RunPhase.FAILED, failure=one)
    deck = make_deck(home)
    async with deck.run_test(size=WIDE) as pilot:
        await until_shown(pilot, "ended because of it: rank 3")
        await pilot.press("enter")
        await until_shown(pilot, "next  r runs it again")
        await until_shown(pilot, "ended because of it: rank 3")


async def test_two_logs_compare_the_culprit_with_rank_0(home: Path) -> None:
    run_id = write_run(home, "bad", RunPhase.FAILED, failure=FAILURE)
    deck = make_deck(home, run_id)
    async with deck.run_test(size=(200, 60)) as pilot:
        await until_shown(pilot, "ended because of it")
        await pilot.press("1", "home", "vertical_line")
        await until(pilot, lambda: {"log", "other"} <= seen_panes(deck))
        screen = deck.screen
        assert isinstance(screen, RunScreen)
        titles = screen_text(deck)
        assert "rank 0 · node01:0" in titles
        assert "rank 2 · node01:2" in titles, "the culprit is what rank 0 is compared with"
        left, right = screen.query_one("#pane-log").region, screen.query_one("#pane-other").region
        assert left.y == right.y
        assert left.right == right.x
        # the cursor leads the log that had the keys last
        await pilot.press("2", "tab")
        await until(pilot, lambda: focused_pane(deck) == "other")
        await pilot.press("1", "end")
        await until_shown(pilot, "rank 3 · node01:3")
        assert "rank 0 · node01:0" in screen_text(deck)
        await pilot.press("vertical_line")
        await until(pilot, lambda: "other" not in seen_panes(deck))


async def test_borders_move_and_stay_for_the_next_run(home: Path) -> None:
    first = write_run(home, "good", text="hello from the rank")
    deck = make_deck(home, first)
    async with deck.run_test(size=WIDE) as pilot:
        await until_shown(pilot, "hello from the rank")
        pane = deck.screen.query_one("#pane-ranks")
        width, height = pane.region.size
        await pilot.press("greater_than_sign", "ctrl+right", "ctrl+down")
        await until(pilot, lambda: pane.region.width == width + 8)
        assert pane.region.height == height + 2
        await pilot.press("escape", "enter")
        await until(pilot, lambda: isinstance(deck.screen, RunScreen))
        await until_shown(pilot, "hello from the rank")
        pane = deck.screen.query_one("#pane-ranks")
        await until(pilot, lambda: pane.region.width == width + 8)
        await pilot.press("less_than_sign", "ctrl+left")
        await until(pilot, lambda: pane.region.width == width)


async def test_a_failure_never_takes_the_keys_from_who_is_typing(home: Path) -> None:
    run_id = write_run(home, "soon", RunPhase.RUNNING)
    run = RunDir(home / "runs" / run_id)
    deck = make_deck(home, run_id)
    async with deck.run_test(size=WIDE) as pilot:
        await until_shown(pilot, "● running")
        await pilot.press("slash", "1")
        prompt = deck.screen.query_one(RunPrompt)
        assert deck.focused is prompt
        state = read_state(run)
        bad = {"state": RunPhase.FAILED, "failure": FAILURE, "ended": NOW}
        write_state(run, msgspec.structs.replace(state, **bad))
        await until_shown(pilot, "ended because of it")
        assert deck.focused is prompt
        await pilot.press("0")
        assert prompt.value == "10"
        await pilot.press("escape")
        await until(pilot, lambda: focused_pane(deck) == "ranks")


async def test_titles_name_panes_and_leave_room_for_what_else_there_is(home: Path) -> None:
    run_id = write_cluster_run(home, "wide", nodes=4)
    deck = make_deck(home, run_id)
    async with deck.run_test(size=SMALL) as pilot:
        await until_shown(pilot, "32 stepping")
        await pilot.press("G")
        for part in (
            "1 ranks · by state · rank 31 node004:7 stepping",
            "4 nodes · 4",
            "2 log · rank 31 · node004:7 · stepping",
            "3 curves 5 events 6 failure",
        ):
            await until_shown(pilot, part)  # fmt: skip


async def test_the_key_bar_offers_nothing_that_only_the_living_need(home: Path) -> None:
    ended = write_run(home, "ended")
    live = write_cluster_run(home, "live", nodes=4)
    for run_id, offered in ((ended, False), (live, True)):
        deck = make_deck(home, run_id)
        async with deck.run_test(size=WIDE, notifications=True) as pilot:
            await until_shown(pilot, "exited" if run_id == ended else "stepping")
            bar = "s stop"
            await until(pilot, lambda: (bar in screen_text(deck)) == offered)  # noqa: B023
            if not offered:
                await pilot.press("s", "s", "s")
                await until_shown(pilot, "has already ended")
                assert screen_text(deck).count("has already ended") == 1


async def test_the_failure_card_is_scrolled_as_everything_else(home: Path) -> None:
    run_id = write_run(home, "bad", RunPhase.FAILED, failure=FAILURE)
    deck = make_deck(home, run_id)
    async with deck.run_test(size=(80, 20)) as pilot:
        await until_shown(pilot, "who   rank 2")
        card = deck.screen.query_one(FailureCard)
        for key, met in (("G", card.max_scroll_y), ("k", card.max_scroll_y - 1), ("g", 0)):
            await pilot.press(key)
            await until(pilot, lambda: card.scroll_offset.y == met)  # noqa: B023


async def test_events_are_filtered_and_lead_to_their_rank(home: Path) -> None:
    run_id = write_run(home, "good", text="hello from the rank")
    run = RunDir(home / "runs" / run_id)
    log = EventLog(run.events)
    log.append([Event(seq=3, t=NOW - 20, kind=EventKind.RANK, rank=3, node="node01", state="lost")])
    log.close()
    deck = make_deck(home, run_id)
    async with deck.run_test(size=WIDE) as pilot:
        await until_shown(pilot, "hello from the rank")
        await pilot.press("5", "slash", *"lost", "enter")
        await until_shown(pilot, "5 events · 1 of 3: lost")
        await pilot.press("t")
        await until_shown(pilot, "20s ago")
        await pilot.press("enter")
        await until(pilot, lambda: focused_pane(deck) == "log")
        assert deck.screen.query_one(RankGrid).selected == 3


async def test_the_failure_card_leads_to_the_culprits_log_and_is_copied(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = write_run(home, "bad", RunPhase.FAILED, failure=FAILURE)
    deck = make_deck(home, run_id)
    copied: list[str] = []
    monkeypatch.setattr(deck, "copy", lambda text, what: copied.append(text))
    async with deck.run_test(size=WIDE) as pilot:
        await until_shown(pilot, "ended because of it")
        await pilot.press("y")
        await until(pilot, lambda: bool(copied))
        assert "rank 2 on node01 raised ValueError: boom" in copied[0]
        assert "runs it again" not in copied[0]
        assert copied[0].endswith("lost a peer or were ended with the run.\n"), "all of it"
        await pilot.press("1", "home", "6", "l")
        await until(pilot, lambda: focused_pane(deck) == "log")
        assert deck.screen.query_one(RankGrid).selected == 2


async def test_a_run_that_only_another_host_can_look_after_says_so(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = UserError("only login2 can take it over")
    monkeypatch.setattr("rankdeck.run.launch.left_alone", lambda run: told)
    run_id = write_run(home, "far", RunPhase.RUNNING)
    deck = make_deck(home, run_id)
    async with deck.run_test(size=SMALL) as pilot:
        await until_shown(pilot, "! only login2 can take it over")


async def test_live_run_is_followed_stopped_and_seen_to_end(home: Path, tmp_path: Path) -> None:
    run_id = real_run(home, tmp_path / "job", steps=100_000, pause=0.02)
    reader = RunReader(RunDir(home / "runs" / run_id))
    deck = make_deck(home, clock=None)
    async with deck.run_test(size=WIDE) as pilot:
        await until_shown(pilot, "job")
        await pilot.press("enter")
        await until_shown(pilot, "● running")
        await until_shown(pilot, "2 stepping")
        await until_shown(pilot, "[rank0] step")
        await pilot.press("s")
        await until_shown(pilot, "Stop job?")
        await pilot.press("n")
        await pilot.pause()
        assert isinstance(deck.screen, RunScreen)
        assert reader.snapshot().run.state is RunPhase.RUNNING
        await pilot.press("s", "y")
        await until_shown(pilot, "■ stopped")
        await until_shown(pilot, "stopped by the user")
    assert reader.snapshot().run.state is RunPhase.STOPPED


async def test_a_run_that_fails_while_it_is_seen(home: Path, tmp_path: Path) -> None:
    run_id = real_run(home, tmp_path / "job", steps=1000, pause=0.02, fail=40)
    deck = make_deck(home, run_id, clock=None)
    async with deck.run_test(size=WIDE) as pilot:
        await until_shown(pilot, "✖ failed")
        await until_shown(pilot, "boom [/rank3]")
        await until(pilot, lambda: focused_pane(deck) == "failure")
        assert deck.screen.query_one(RankGrid).selected == 1


async def test_dead_supervisor_is_replaced(home: Path, tmp_path: Path) -> None:
    import os
    import signal

    from rankdeck.run.lock import lock_holder

    run_id = real_run(home, tmp_path / "job", steps=100_000, pause=0.05)
    run = RunDir(home / "runs" / run_id)
    reader = RunReader(run)
    wait_for(lambda: reader.snapshot().run.state is RunPhase.RUNNING)
    first = lock_holder(run.supervisor_lock)
    assert first is not None
    os.kill(first, signal.SIGKILL)
    deck = make_deck(home, run_id, clock=None)
    async with deck.run_test(size=SMALL) as pilot:
        await until(pilot, lambda: lock_holder(run.supervisor_lock) not in (None, first))
        await pilot.press("K", "y")
        await until_shown(pilot, "■ stopped")


async def test_deleted_run_goes_back_to_the_list(home: Path) -> None:
    from rankdeck.run.store import RunStore

    run_id = write_run(home, "good")
    deck = make_deck(home, run_id)
    async with deck.run_test(size=SMALL, notifications=True) as pilot:
        await until_shown(pilot, "✔ succeeded")
        RunStore(home).remove(RunDir(home / "runs" / run_id))
        await until(pilot, lambda: isinstance(deck.screen, RunsScreen))
        await until_shown(pilot, "has been deleted")


async def test_nothing_is_drawn_while_an_ended_run_is_seen(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = write_run(home, "bad", RunPhase.FAILED, failure=FAILURE)
    deck = make_deck(home, run_id)
    async with deck.run_test(size=WIDE) as pilot:
        await until_shown(pilot, "ended because of it")
        drawn: list[str] = []
        refresh = Widget.refresh

        def count(self: Widget, *regions: Region, **how: bool) -> Widget:
            drawn.append(type(self).__name__)
            return refresh(self, *regions, **how)

        monkeypatch.setattr(Widget, "refresh", count)
        # what it still has to read may come late; what recurs is never over
        for _ in range(8):
            drawn.clear()
            # longer than any clock or poll of the interface
            await pilot.pause(2.5)
            if not drawn:
                break
        assert drawn == []
