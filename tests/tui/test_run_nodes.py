"""Runs on many nodes: what is seen of those that are silent, in trouble, or not chosen yet."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
import pytest

from rankdeck.run.layout import RunDir
from rankdeck.run.node_state import RankState
from rankdeck.run.state import Failure, RunPhase
from rankdeck.run.stored import read_state, write_state
from tests.tui.fake_run import NOW, write_cluster_run
from tests.tui.hostile import CORPUS
from tests.tui.pilot import SMALL, WIDE, make_deck, screen_text, until, until_shown
from tests.tui.test_hostile_screens import assert_plain
from tui.screens.run import RunScreen
from tui.widgets.node_load import NodeLoad
from tui.widgets.rank_grid import RankGrid

if TYPE_CHECKING:
    from pathlib import Path

    from rankdeck.job.draft import JobDraft
    from tui.deck import Deck

SIZES = [SMALL, WIDE, (200, 60)]
LOST = Failure(
    rank=None,
    node="node003",
    category="unreachable",
    summary="node003 cannot be reached any more: connection timed out",
    hint="is it up?",
    collateral_ranks=tuple(range(128)),
)


def grid_rows(deck: Deck) -> list[str]:
    grid = deck.screen.query_one(RankGrid)
    return [grid.render_line(y).text for y in range(grid.size.height)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("nodes", [2, 4, 16, 64, 256])
async def test_a_silent_node_is_seen_at_every_size(
    home: Path, nodes: int, size: tuple[int, int]
) -> None:
    run_id = write_cluster_run(home, "wide", nodes=nodes, ranks=4, silent=(1,))
    deck = make_deck(home, run_id)
    async with deck.run_test(size=size) as pilot:
        await until_shown(pilot, "node002 cannot be heard for 14s: connection timed out")
        rows = grid_rows(deck)
        assert "! 1 node silent" in rows[0]
        if deck.screen.query_one(RankGrid).folded:
            # a glyph stands for a node: the second one cannot be heard
            assert re.search(r"001 ■ ?!", "\n".join(rows))
        else:
            assert "002!" in "\n".join(rows)
            assert "001 ■" in "\n".join(rows)
        if nodes <= 4 and size != SMALL:
            assert any(row.startswith("node002!") and "silent 14s" in row for row in rows)
        await pilot.press("slash", *"node002", "enter")
        await until_shown(pilot, "rank 4 · node002:0 · stepping · not heard for 14s")


async def test_silence_grows_older_and_ends(home: Path) -> None:
    run_id = write_cluster_run(home, "wide", nodes=4, silent=(1, 2))
    run = RunDir(home / "runs" / run_id)
    now = [NOW]
    deck = make_deck(home, run_id)
    deck.clock = lambda: now[0]
    async with deck.run_test(size=WIDE) as pilot:
        await until_shown(pilot, "connection timed out  and 1 other node")
        now[0] += 46
        await until_shown(pilot, "node002 cannot be heard for 1m")
        await until(pilot, lambda: "silent 1m" in "\n".join(grid_rows(deck)))
        state = read_state(run)
        heard = tuple(
            msgspec.structs.replace(node, silent_since=None, silence="") for node in state.nodes
        )
        write_state(run, msgspec.structs.replace(state, nodes=heard))
        await until(pilot, lambda: "cannot be heard" not in screen_text(deck))
        assert "silent" not in screen_text(deck)
        assert "node002!" not in "\n".join(grid_rows(deck))


@pytest.mark.parametrize("size", SIZES)
async def test_a_queued_run_says_why_since_when_and_that_nodes_are_open(
    home: Path, size: tuple[int, int]
) -> None:
    write_cluster_run(
        home,
        "waits",
        RunPhase.QUEUED,
        nodes=4,
        reason="job 4711: Priority, estimated start 14:20",
        placeholders=True,
        age=300,
    )
    deck = make_deck(home)
    async with deck.run_test(size=size) as pilot:
        await until_shown(pilot, "waits")
        await pilot.press("enter")
        await until_shown(pilot, "queued for 5m: job 4711: Priority, estimated start 14:20")
        assert "4 nodes · 4, not chosen yet" in screen_text(deck)


@pytest.mark.parametrize("size", SIZES)
async def test_a_lost_node_and_other_nodes_problems_are_readable(
    home: Path, size: tuple[int, int]
) -> None:
    run_id = write_cluster_run(
        home, "gone", RunPhase.LOST, lost=(2,), troubled=(5,), silent=(2,), failure=LOST
    )
    deck = make_deck(home, run_id)
    async with deck.run_test(size=size) as pilot:
        await until_shown(pilot, "ended because of it: ranks 0-127")
        text = screen_text(deck)
        for part in (
            "✖ node003 cannot be reached any more: connection timed out",
            "who   node node003",
            "what  unreachable",
            "sure  certain",
            "try   is it up?",
            "also: node006: no route to host",
            "try: is it switched on?",
        ):
            assert part in text
        assert "cannot be heard" not in text, "the run is over"


@pytest.mark.parametrize("size", SIZES)
async def test_nodes_in_trouble_come_first(home: Path, size: tuple[int, int]) -> None:
    run_id = write_cluster_run(home, "wide", nodes=64, silent=(40,), troubled=(50,))
    deck = make_deck(home, run_id)
    async with deck.run_test(size=size) as pilot:
        await until_shown(pilot, "4 nodes · 64 · ✖ 1 bad: node")
        await pilot.press("4")
        table = deck.screen.query_one(NodeLoad)
        await until(pilot, lambda: table.size.height > 3)
        rows = [table.render_line(y).text.split() for y in range(1, 4)]
        assert [words[0] for words in rows] == ["node051", "node041", "node001"]
        assert rows[0][1:3] == ["✖", "running"]
        assert rows[1][1:3] == ["!", "silent"]
        await pilot.press("z")
        await until_shown(pilot, "not heard for 14s: conn")
        assert "no route to host" in screen_text(deck)


async def test_a_node_leads_to_its_ranks_and_its_logs(home: Path) -> None:
    run_id = write_cluster_run(home, "wide", nodes=4)
    node = RunDir(home / "runs" / run_id).node("node002")
    node.path.mkdir(parents=True)
    node.launcher_log.write_text("words of the launcher\n")
    node.agent_log.write_text("words of the agent\n")
    deck = make_deck(home, run_id)
    async with deck.run_test(size=WIDE) as pilot:
        await until_shown(pilot, "32 stepping")
        await pilot.press("4", "down", "enter")
        await until_shown(pilot, "words of the launcher")
        await until_shown(pilot, "launcher of node002")
        await pilot.press("4", "a")
        await until_shown(pilot, "words of the agent")
        await pilot.press("4", "i")
        await until(pilot, lambda: deck.focused is deck.screen.query_one(RankGrid))
        assert deck.screen.query_one(RankGrid).selected == 8


async def test_a_shell_is_opened_on_the_node_or_it_is_said_that_there_is_none(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = write_cluster_run(home, "wide", nodes=2)
    asked: list[tuple[str, ...]] = []
    ways: list[tuple[str, ...] | None] = [("ssh", "--", "node001"), None]
    monkeypatch.setattr("rankdeck.run.shell.shell_command", lambda run, node: ways.pop(0))
    monkeypatch.setattr(RunScreen, "_lend_terminal", lambda self, argv: asked.append(argv))
    deck = make_deck(home, run_id)
    async with deck.run_test(size=WIDE, notifications=True) as pilot:
        await until_shown(pilot, "16 stepping")
        await pilot.press("4", "exclamation_mark")
        await until(pilot, lambda: asked == [("ssh", "--", "node001")])
        await pilot.press("exclamation_mark")
        await until_shown(pilot, "no way to open a shell on node001")


async def test_requeues_are_told(home: Path) -> None:
    run_id = write_cluster_run(home, "again", nodes=2, requeues=2)
    deck = make_deck(home, run_id)
    async with deck.run_test(size=WIDE) as pilot:
        await until_shown(pilot, "attempt 3, begun anew by the scheduler")


@pytest.mark.parametrize("size", SIZES)
async def test_what_nodes_and_schedulers_say_is_only_text(
    home: Path, size: tuple[int, int]
) -> None:
    evil = " ".join(line.decode(errors="replace") for line in CORPUS)
    running = write_cluster_run(home, "wide", nodes=4, silent=(1,), troubled=(2,))
    write_cluster_run(home, "waits", RunPhase.QUEUED, reason=evil, age=10)
    run = RunDir(home / "runs" / running)
    state = read_state(run)
    nodes = tuple(
        msgspec.structs.replace(
            node, silence=evil, problem_hint=evil, problem=node.problem and evil
        )
        for node in state.nodes
    )
    write_state(run, msgspec.structs.replace(state, nodes=nodes))
    deck = make_deck(home)
    async with deck.run_test(size=size) as pilot:
        await until_shown(pilot, "waits")
        assert_plain(deck)
        await pilot.press("enter")
        await until_shown(pilot, "◌ queued")
        assert_plain(deck)
        await pilot.press("escape", "down", "enter")
        await until_shown(pilot, "node002 cannot be heard")
        assert_plain(deck)
        await pilot.press("6")
        await until_shown(pilot, "also: node003")
        assert_plain(deck)


async def test_a_run_is_begun_again_without_the_nodes_that_are_to_blame(home: Path) -> None:
    run_id = write_cluster_run(
        home, "gone", RunPhase.LOST, lost=(2,), troubled=(5,), silent=(2,), failure=LOST
    )
    job = RunDir(home / "runs" / run_id).job
    job.write_text("entry: train.py\nexclude: node020\n")
    deck = make_deck(home, run_id)
    forms: list[tuple[str | None, JobDraft | None]] = []
    deck_push = deck.push_screen

    def push(screen: object, *args: object, **options: object) -> object:
        if type(screen).__name__ == "NewJobScreen":
            forms.append((screen.target, screen._patch))  # type: ignore[attr-defined]
            return None
        return deck_push(screen, *args, **options)  # type: ignore[call-overload]

    deck.push_screen = push  # type: ignore[method-assign, assignment]
    async with deck.run_test(size=WIDE) as pilot:
        await until_shown(pilot, "without node003 and 1 more")
        await pilot.press("R")
        await until(pilot, lambda: bool(forms))
    target, patch = forms[0]
    assert target == str(job)
    assert patch is not None
    assert patch.exclude == "node003,node006,node020"


async def test_who_is_waited_for_is_told(home: Path) -> None:
    run_id = write_cluster_run(home, "waits", RunPhase.STARTING, nodes=4)
    run = RunDir(home / "runs" / run_id)
    state = read_state(run)
    ranks = tuple(
        msgspec.structs.replace(
            rank, state=RankState.SPAWNED if rank.rank in (3, 17) else RankState.RENDEZVOUS
        )
        for rank in state.ranks
    )
    write_state(run, msgspec.structs.replace(state, ranks=ranks))
    deck = make_deck(home, run_id)
    async with deck.run_test(size=SMALL) as pilot:
        await until_shown(pilot, "waiting for ranks 3 (node001), 17 (node003)")
