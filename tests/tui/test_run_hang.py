"""A run that makes no progress, on its screen: the alarm, the card, the way to the suspect."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import msgspec
import pytest

from rankdeck.diagnose.hang import Basis, Hang, HangRank, HangState
from rankdeck.run.layout import RunDir
from rankdeck.run.node_state import NodePhase, NodeState, RankRecord, RankState, StopRecord
from rankdeck.run.state import Failure, RunPhase
from rankdeck.run.stored import read_state
from tests.tui.fake_run import NOW, write_run
from tests.tui.pilot import SMALL, WIDE, make_deck, screen_text, until, until_shown
from tui.looks import plain
from tui.screens.run_failure import FailureCard, failure_lines
from tui.screens.run_hang import hang_line
from tui.widgets.rank_grid import RankGrid

if TYPE_CHECKING:
    from pathlib import Path

LATE = 2


def write_hang(home: Path, phase: RunPhase = RunPhase.RUNNING, *, quiet: float = 120.0) -> str:
    """A run whose ranks printed a step a second until a while ago; one is a step behind."""
    run_id = write_run(home, "stuck", phase, reason="stopped by the user" if phase.final else "")
    run = RunDir(home / "runs" / run_id)
    node = run.node("node01")
    last = NOW - quiet
    records = []
    for rank in range(4):
        ended = last - (1.0 if rank == LATE else 0.0)
        pairs = [(ended - 50 + beat, 10 * beat) for beat in range(51)]
        if phase.final:
            pairs.append((NOW + 0.5, 1000))
        data = b"".join(struct.pack("<dQ", *pair) for pair in pairs)
        node.attempt(0).times(rank).write_bytes(data)
        times = {"spawned": ended - 60, "output": ended - 55, "stepping": ended - 50}
        state = RankState.KILLED if phase.final else RankState.STEPPING
        if phase.final:
            times["killed"] = NOW + 1
        records.append(
            RankRecord(
                rank=rank,
                local_rank=rank,
                state=state,
                times=times,
                step=50 - (rank == LATE),
                last_output=pairs[-1][0],
                last_line="step 50 loss 0.1",
            )
        )
    said = msgspec.json.decode(node.state.read_bytes(), type=NodeState)
    stop = StopRecord(reason="stop", requested=NOW) if phase.final else None
    phase_of_node = NodePhase.DONE if phase.final else NodePhase.RUNNING
    said = msgspec.structs.replace(
        said, ranks=tuple(records), stop=stop, phase=phase_of_node, time=NOW
    )
    node.state.write_bytes(msgspec.json.encode(said))
    return run_id


@pytest.mark.parametrize("size", [SMALL, WIDE])
async def test_a_stall_is_told_and_leads_to_the_suspect(
    home: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    monkeypatch.setattr("rankdeck.run.launch.left_alone", lambda run: None)
    deck = make_deck(home, write_hang(home))
    async with deck.run_test(size=size) as pilot:
        await until_shown(pilot, "⚠ stalled: nothing has been printed for 2m")
        await pilot.press("6")
        await until_shown(pilot, "who   rank 2, node node01")
        await pilot.press("z")
        await until_shown(pilot, "most likely they wait for it")
        text = screen_text(deck)
        assert "sure  likely, not certain" in text
        assert "rank 2 is at step 49, the others at 50" in text
        assert "1 s before all others" in text
        await pilot.press("l")
        await until(pilot, lambda: deck.screen.query_one(RankGrid).selected == LATE)


async def test_a_pause_is_no_alarm(home: Path) -> None:
    deck = make_deck(home, write_hang(home, quiet=50.0))
    async with deck.run_test(size=WIDE) as pilot:
        await until_shown(pilot, "step 3/10")
        await pilot.press("6")
        await until_shown(pilot, "running; no rank has failed")
        assert "stalled" not in screen_text(deck)


async def test_a_run_that_was_stopped_while_it_hung_says_so(home: Path) -> None:
    deck = make_deck(home, write_hang(home, RunPhase.STOPPED))
    async with deck.run_test(size=WIDE) as pilot:
        await pilot.press("6", "z")
        await until_shown(pilot, "was stalled when it was ended: nothing had been printed for 2m")
        text = screen_text(deck)
        assert "rank 2 was at step 49, the others at 50" in text
        assert "sends a signal" not in text


async def test_the_card_is_copied_without_its_keys(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deck = make_deck(home, write_hang(home))
    copied: list[str] = []
    monkeypatch.setattr(deck, "copy", lambda text, what: copied.append(text))
    async with deck.run_test(size=WIDE) as pilot:
        await pilot.press("6")
        await until_shown(pilot, "who   rank 2")
        deck.screen.query_one(FailureCard).focus()
        await pilot.press("y")
        await until(pilot, lambda: bool(copied))
        assert "fell silent at" in copied[0]
        assert "stops the run" not in copied[0]


def hang(state: HangState) -> Hang:
    return Hang(
        state=state,
        moment=NOW,
        basis=Basis.STEP,
        suspects=tuple(HangRank(rank=rank, node=f"n\x1b[2J{rank}") for rank in range(5)),
        suspect_count=5,
        certainty="likely",
        summary="quiet [/x]\x1b[2J",
        facts=("seen\x1b]0;t\x07",),
        hints=("do\x1b[2J",),
    )


@pytest.mark.parametrize(
    ("state", "alarm"),
    [
        (HangState.STALLED, True),
        (HangState.LAGGING, True),
        (HangState.WAITING, False),
        (HangState.QUIET, False),
    ],
)
def test_only_what_is_unusual_is_an_alarm(state: HangState, alarm: bool) -> None:
    assert (hang_line(hang(state), over=False) is not None) is alarm
    assert hang_line(hang(state), over=True) is None


def test_hostile_words_do_no_harm_and_a_time_limit_tells_of_the_hang_too(home: Path) -> None:
    limit = Failure(
        rank=None,
        node=None,
        category="time-limit",
        summary="the time limit of 10m was reached",
        facts=("seen\x1b[2J",),
    )
    run_id = write_run(home, "late", RunPhase.FAILED, failure=limit)
    run = read_state(RunDir(home / "runs" / run_id))
    lines = [plain(line) for line in failure_lines(run, (), hang(HangState.STALLED))]
    text = "\n".join(lines)
    assert "\x1b" not in text
    assert "✖ the time limit of 10m was reached" in text
    assert "· seen" in text
    assert "was stalled when it was ended: quiet [/x]" in text
    assert "ranks 0-4, node n0, n1, n2 …" in text
    told = next(line for line in lines if "runs it again" in line)
    assert lines.index(told) < lines.index("· seen"), "on a low screen the end is not seen"
