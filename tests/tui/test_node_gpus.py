"""GPUs on the run screen: the table of nodes, the details of one, the ranks by load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.cells import cell_len

from rankdeck.run.node_state import GpuDevice, GpuLoad, RankState
from rankdeck.run.view import RankView
from tests.tui.fake_run import GIB, gpus_of, write_cluster_run, write_loads
from tests.tui.hostile import CORPUS
from tests.tui.pilot import SMALL, WIDE, make_deck, screen_text, until, until_shown
from tests.tui.test_hostile_screens import assert_plain
from tui.looks import plain
from tui.node_gpus import gpu_cells, gpu_glyphs, gpu_piece
from tui.screens.page import PageScreen
from tui.screens.run import RunScreen
from tui.widgets.rank_modes import Mode, in_trouble, read_ranks

SIZES = [SMALL, WIDE, (200, 60)]


def gpu(index: int, **facts: Any) -> GpuDevice:
    return GpuDevice(index=index, **facts)


def load(*devices: GpuDevice, **facts: Any) -> GpuLoad:
    return GpuLoad(source="nvml", devices=devices, **facts)


def rank(number: int, device: GpuDevice | None, state: RankState = RankState.STEPPING) -> RankView:
    return RankView(
        rank=number,
        node="n",
        local_rank=number,
        state=state,
        log=Path("/nonexistent"),
        cpu_percent=100.0,
        gpu=device,
    )


def test_every_gpu_is_one_glyph_and_what_is_not_known_is_no_zero() -> None:
    devices = (
        *(gpu(0, util=0.0), gpu(1, util=50.0), gpu(2, util=100.0)),
        *(gpu(3, mem_used=5), gpu(4), gpu(5, error="GPU is lost")),
    )
    assert gpu_glyphs(load(*devices)) == "▁▆█·?✖"
    assert gpu_glyphs(None) == ""
    assert [plain((gpu_piece(device),)) for device in devices[2:]] == [
        "gpu 2 100%",
        "gpu 3 ·",
        "gpu 4 ?",
        "gpu 5 GPU is lost",
    ]


def test_the_table_tells_the_mean_the_least_the_fullest_and_the_hottest() -> None:
    cells = gpu_cells(
        load(
            gpu(0, util=100.0, mem_used=60, mem_total=80, temp=61.0),
            gpu(1, util=4.0, mem_used=70, mem_total=80, temp=90.0, throttle="thermal"),
        )
    )
    told = {name: text for name, (text, _) in cells.items()}
    assert told == {"gpu": "52%", "low": "4%", "gpus": "█▂", "vram": "88%", "hot": "90°"}
    assert cells["hot"][1] == "warning"
    assert {text for text, _ in gpu_cells(None).values()} == {"–"}
    silent = gpu_cells(load(gpu(0, mem_total=80), silent=True))
    assert {text for text, _ in silent.values()} == {"?"}


def test_ranks_by_load_are_ranks_by_gpu_where_there_are_any() -> None:
    ranks = (
        rank(0, gpu(0, util=0.0)),
        rank(1, gpu(1, util=99.0)),
        rank(2, None),
        rank(3, gpu(3)),
        rank(4, gpu(4, error="GPU is lost")),
        rank(5, gpu(5, mem_used=1)),
        rank(6, gpu(6, util=50.0), RankState.EXITED),
    )
    reading = read_ranks(Mode.LOAD, ranks, 0.0)
    assert "".join(reading.scale[level].glyph for level in reading.levels) == "▁█·?✖·▫"
    assert reading.scale[reading.levels[0]].word == "gpu idle"
    assert len({level.glyph for level in reading.scale}) == len(reading.scale)
    assert all(cell_len(level.glyph) == 1 for level in reading.scale)
    trouble = [i for i, r in enumerate(ranks) if in_trouble(reading, i, r, False)]
    assert trouble == [4]
    # one with a lower load counts more where a glyph stands for several
    urgency = [reading.scale[level].urgency for level in reading.levels]
    assert urgency[4] > urgency[3] > urgency[0] > urgency[1] > urgency[2]


@pytest.mark.parametrize(("size", "colour"), [*((size, True) for size in SIZES), (SMALL, False)])
async def test_nodes_tell_their_gpus_at_every_size(
    home: Path, size: tuple[int, int], colour: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not colour:
        monkeypatch.setenv("NO_COLOR", "1")
    run_id = write_cluster_run(home, "wide", nodes=6)
    write_loads(home, run_id, gpus=gpus_of)
    deck = make_deck(home, run_id)
    async with deck.run_test(size=size) as pilot:
        await until_shown(pilot, "✖ 2 with a bad GPU")
        await pilot.press("4", "z")
        await until_shown(pilot, "2 with a bad GPU: node003, GPU 5: GPU is lost")
        await until_shown(pilot, "█████✖██")
        rows = [line for line in screen_text(deck).splitlines() if line.startswith(" node0")]
        assert [row.split()[0] for row in rows[:3]] == ["node003", "node005", "node001"]
        assert "????????" in rows[1].split()
        assert "███▁████" in rows[3]
        assert rows[3].split()[4] == "82%"
        assert ("0%" in rows[3].split()) == (size != SMALL)


@pytest.mark.parametrize("size", SIZES)
async def test_the_details_of_a_node_have_a_line_for_each_gpu_and_stay_up_to_date(
    home: Path, size: tuple[int, int]
) -> None:
    run_id = write_cluster_run(home, "wide", nodes=4)
    write_loads(home, run_id, gpus=gpus_of)
    deck = make_deck(home, run_id)
    async with deck.run_test(size=size) as pilot:
        await until_shown(pilot, "32 stepping")
        await pilot.press("4", "d")
        await until_shown(pilot, "8 × NVIDIA H100 80GB HBM3  (nvml)")
        text = screen_text(deck)
        assert "✖ GPU is lost" in text
        assert "✖ Xid 79" in text
        lines = text.splitlines()
        first = next(line for line in lines if " 0 █" in line)
        assert first.split("│")[1].split()[1:] == [
            *("█████████░", "95%", "███████░░░", "61.0", "GiB/80.0", "GiB", "64", "590", "16")
        ]
        assert all(cell_len(line) <= size[0] for line in lines)
        write_loads(home, run_id, gpus=lambda _: load(gpu(0, mem_total=80 * GIB), silent=True))
        await until_shown(pilot, "? of 80.0 GiB")
        assert "95%" not in screen_text(deck)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(deck.screen, RunScreen))
        write_loads(home, run_id, gpus=lambda _: None)
        await pilot.press("d")
        await until_shown(pilot, "No GPUs are known there.")
        assert isinstance(deck.screen, PageScreen)


async def test_the_rank_says_what_its_gpu_does(home: Path) -> None:
    run_id = write_cluster_run(home, "wide", nodes=2)
    write_loads(home, run_id, gpus=gpus_of)
    deck = make_deck(home, run_id)
    async with deck.run_test(size=WIDE) as pilot:
        await until_shown(pilot, "16 stepping")
        await pilot.press("slash", *"11", "enter")
        await until_shown(pilot, "rank 11 · node002:3 · stepping · gpu 3 0%")
        await pilot.press("v", "v", "v")
        await until_shown(pilot, "1 gpu idle")


async def test_nothing_of_the_gpus_is_told_of_a_run_that_is_over(home: Path) -> None:
    from rankdeck.run.state import RunPhase

    run_id = write_cluster_run(home, "over", RunPhase.STOPPED, nodes=4)
    write_loads(home, run_id, gpus=gpus_of)
    deck = make_deck(home, run_id)
    async with deck.run_test(size=WIDE) as pilot:
        await until_shown(pilot, "4 nodes")
        await pilot.press("4", "z")
        await until_shown(pilot, "node004")
        assert "bad GPU" not in screen_text(deck)
        assert "GPU is lost" not in screen_text(deck)
        assert "█" not in screen_text(deck).split("NODE ", 1)[1]
        await pilot.press("d")
        await until_shown(pilot, "The run has ended.")


@pytest.mark.parametrize("size", SIZES)
async def test_what_drivers_say_is_only_text(home: Path, size: tuple[int, int]) -> None:
    evil = " ".join(line.decode(errors="replace") for line in CORPUS)
    run_id = write_cluster_run(home, "wide", nodes=2)

    def gpus(_: int) -> GpuLoad:
        bad = msgspec.structs.replace(gpus_of(0).devices[0], error=evil, throttle=evil)
        return load(bad, model=evil, problem=evil)

    write_loads(home, run_id, gpus=gpus)
    deck = make_deck(home, run_id)
    async with deck.run_test(size=size) as pilot:
        await until_shown(pilot, "2 with a bad GPU")
        assert_plain(deck)
        await pilot.press("4", "z")
        await until_shown(pilot, "✖")
        assert_plain(deck)
        await pilot.press("d")
        await until_shown(pilot, "esc closes")
        await until_shown(pilot, "1 × ")
        assert_plain(deck)
