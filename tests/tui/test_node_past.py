"""What nodes did over a run, in their table and in the details, also when the run has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from rankdeck.run.layout import RunDir
from rankdeck.run.load_history import GpuSample, LoadSample
from rankdeck.run.state import RunPhase
from tests.tui.fake_run import NOW, write_cluster_run
from tests.tui.pilot import SMALL, make_deck, screen_text, until, until_shown
from tui.looks import plain
from tui.node_past import CELLS, past_lines, past_of, sparkline
from tui.screens.page import PageScreen
from tui.widgets.node_load import NodeLoad

if TYPE_CHECKING:
    from pathlib import Path

GIB = 1 << 30
LARGE = (200, 60)


def samples(count: int = 48, *, end: float = NOW, gpus: bool = True) -> list[LoadSample]:
    """Ten seconds each: memory fills up, the processors are idle until the second half."""
    return [
        LoadSample(
            t=end - 10.0 * (count - 1 - at),
            cpu_percent=0.0 if at < count // 2 else 100.0,
            mem_used=(at + 1) * GIB,
            mem_total=count * GIB,
            gpus=(GpuSample(0, 100.0, 1, 4), GpuSample(1, 0.0, 3, 4)) if gpus else (),
        )
        for at in range(count)
    ]


def test_curves_stand_where_it_was_and_what_is_not_known_is_blank() -> None:
    # nothing was kept of the first half
    past = past_of(samples(24, gpus=False), NOW - 480, NOW)
    assert past is not None
    assert [name for name, _ in past.curves] == ["CPU", "memory"]
    cpu = sparkline(past.curve("CPU"), CELLS)
    assert cpu == " " * 24 + "▁" * 12 + "█" * 12
    assert sparkline(past.curve("CPU"), 4) == "  ▁█"
    assert past.busy == past.curve("CPU")
    assert past_of([], NOW - 480, NOW) is None


def test_gpus_are_told_together_and_one_by_one() -> None:
    past = past_of(samples(), None, None)
    assert past is not None
    assert [name for name, _ in past.curves] == [
        *("CPU", "memory", "GPUs", "GPU mem", "gpu 0", "gpu 1")
    ]
    rows = {plain(line)[:9].strip(): plain(line)[9:] for line in past_lines(past)}
    assert rows["gpu 0"] == "█" * CELLS + " 100%  100%  100%"
    assert rows["gpu 1"] == "▁" * CELLS + "   0%    0%    0%"
    assert rows["GPUs"].startswith("▅" * CELLS)
    assert rows["GPU mem"].endswith("75%   75%   75%")
    assert rows["memory"].endswith("100%  100%")
    assert {len(plain(line)) for line in past_lines(past)[1:-1]} == {9 + CELLS + 17}


def test_memory_shows_its_peaks_and_busyness_its_mean() -> None:
    curve = (0.0, 100.0, None, None)
    assert sparkline(curve, 2, peaks=True) == "█ "
    assert sparkline(curve, 2) == "▅ "
    assert sparkline(curve, 0) == ""
    assert sparkline((), 9) == ""


def test_attempts_are_not_joined() -> None:
    first = LoadSample(t=100.0, cpu_percent=100.0)
    second = LoadSample(t=480.0, attempt=1, cpu_percent=100.0)
    past = past_of([first, second], 0.0, 480.0)
    assert past is not None
    told = sparkline(past.curve("CPU"), CELLS)
    assert told.strip("█ ") == ""
    assert " " * 30 in told
    same = past_of([first, msgspec.structs.replace(second, attempt=0)], 0.0, 480.0)
    assert same is not None
    assert " " * 30 not in sparkline(same.curve("CPU"), CELLS)


def keep(home: Path, run_id: str, node: str, kept: list[LoadSample]) -> None:
    path = RunDir(home / "runs" / run_id).node(node).load
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(msgspec.json.encode(sample) + b"\n" for sample in kept))


@pytest.mark.parametrize("phase", [RunPhase.RUNNING, RunPhase.FAILED])
async def test_the_table_shows_the_past_of_the_nodes_in_sight(home: Path, phase: RunPhase) -> None:
    run_id = write_cluster_run(home, "wide", phase, nodes=200, ranks=1, age=500.0)
    for node in ("node001", "node150"):
        keep(home, run_id, node, samples(end=NOW - 60))
    deck = make_deck(home, run_id)
    async with deck.run_test(size=LARGE) as pilot:
        await until_shown(pilot, "node001")
        await pilot.press("4", "z")
        await until_shown(pilot, "▅▅▅▅▅▅")
        table = deck.screen.query_one(NodeLoad)
        row = table.render_line(1).text
        assert row.split()[0] == "node001"
        # and of memory, which fills up
        assert all(block in row for block in "▂▃▄▅▆▇█")
        # what nobody looks at is not read
        assert set(deck.screen.pasts) == {"node001"}  # type: ignore[attr-defined]
        await pilot.press("G")
        await pilot.press(*["pageup"])
        await until(pilot, lambda: "node150" in deck.screen.pasts)  # type: ignore[attr-defined]


async def test_details_of_an_ended_run_show_the_past_on_a_small_screen(home: Path) -> None:
    run_id = write_cluster_run(home, "over", RunPhase.FAILED, nodes=2, ranks=1, age=500.0)
    keep(home, run_id, "node002", samples(end=NOW - 60))
    deck = make_deck(home, run_id)
    async with deck.run_test(size=SMALL) as pilot:
        await until_shown(pilot, "node001")
        await pilot.press("4", "z", "j", "d")
        await until(pilot, lambda: isinstance(deck.screen, PageScreen))
        await until_shown(pilot, "MEAN MOST LAST")
        text = screen_text(deck)
        assert "The run has ended." in text
        assert "gpu 1    ▁▁▁▁" in text
        assert "100%  100%" in text
