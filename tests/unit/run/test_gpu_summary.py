"""GPUs in what readers get: the summary of a node, a rank's own one, `rankdeck show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from rankdeck.cli.show import describe
from rankdeck.run.document import show_document
from rankdeck.run.gpus import faults_of, in_order, memory_part, summarise
from rankdeck.run.layout import RunDir
from rankdeck.run.node_state import GpuDevice, GpuLoad
from rankdeck.run.view import RunReader
from tests.tui.fake_run import NOW, gpus_of, write_cluster_run, write_loads

if TYPE_CHECKING:
    from pathlib import Path


def device(index: int, **facts: Any) -> GpuDevice:
    return GpuDevice(index=index, **facts)


def test_the_summary_of_a_node_names_the_gpus_at_the_edges() -> None:
    load = GpuLoad(
        source="nvml",
        devices=(
            device(0, util=90.0, mem_used=10, mem_total=80, temp=60.0),
            device(1, util=10.0, mem_used=79, mem_total=80, temp=50.0),
            device(2, mem_total=80),
        ),
    )
    summary = summarise(load)
    assert summary.mean == 50
    assert [d and d.index for d in (summary.least, summary.fullest, summary.hottest)] == [1, 1, 0]
    assert summary.faults == ()
    assert in_order(load)
    nothing = summarise(GpuLoad(source="nvml"))
    assert (nothing.mean, nothing.least, nothing.fullest, nothing.hottest) == (None,) * 4
    assert memory_part(device(0, mem_used=5)) is None


@pytest.mark.parametrize(
    ("facts", "text", "grave"),
    [
        ({"error": "GPU is lost"}, "GPU is lost", True),
        ({"xid": 79}, "Xid 79", True),
        ({"xid": 43}, "Xid 43 (by itself the program's fault)", False),
        ({"ecc_errors": 1}, "1 uncorrected memory error", True),
        ({"throttle": "thermal"}, "slowed down (thermal)", False),
    ],
)
def test_what_is_wrong_with_a_gpu(facts: dict[str, Any], text: str, grave: bool) -> None:
    (fault,) = faults_of(device(0, **facts))
    assert not in_order(GpuLoad(source="nvml", devices=(device(0), device(1, **facts))))
    assert (fault.text, fault.grave) == (text, grave)


def test_equal_faults_are_told_once_and_the_gravest_first() -> None:
    hot = {"throttle": "thermal"}
    devices = (device(0, **hot), device(1, **hot), device(2, xid=79, **hot), device(5, xid=79))
    load = GpuLoad(source="nvml", devices=devices, problem="Xid printed")
    assert [fault.text for fault in summarise(load).faults] == [
        "GPUs 2, 5: Xid 79",
        "Xid printed",
        "GPUs 0-2: slowed down (thermal)",
    ]


def test_readers_get_every_gpu_and_each_rank_its_own(tmp_path: Path) -> None:
    run_id = write_cluster_run(tmp_path, "wide", nodes=6)
    write_loads(tmp_path, run_id, gpus=gpus_of)
    run = RunDir(tmp_path / "runs" / run_id)
    snapshot = RunReader(run).snapshot()
    assert snapshot.ranks[21].gpu == gpus_of(2).devices[5]
    document = msgspec.json.decode(msgspec.json.encode(show_document(snapshot, run)))
    gpus = document["nodes"][0]["load"]["gpus"]
    assert len(gpus["devices"]) == 8
    assert gpus["devices"][0]["util"] == 97
    assert document["ranks"][21]["gpu"]["error"] == "GPU is lost"
    lines = {words[0]: words for words in _table(describe(snapshot, NOW), "BUSY")}
    assert lines["node002"][1] == "8 × NVIDIA H100 80GB HBM3"
    assert lines["node002"][2:] == ["82%", "0% #3", "79% #2", "68 °C #5"]
    assert lines["node003"][-1] == "GPU 5: GPU is lost; GPU 5: Xid 79"
    assert lines["node005"][2:] == ["?", "?", "?", "?", "the driver does not answer at GPU 6"]


def test_an_agent_that_knows_no_gpus_is_read_and_nothing_is_told_of_them(tmp_path: Path) -> None:
    run_id = write_cluster_run(tmp_path, "wide", nodes=2)
    write_loads(tmp_path, run_id, gpus=lambda _: None)
    snapshot = RunReader(RunDir(tmp_path / "runs" / run_id)).snapshot()
    assert snapshot.ranks[0].gpu is None
    assert _table(describe(snapshot, NOW), "BUSY") == []


def _table(text: str, head: str) -> list[list[str]]:
    """The rows of the table with that column, each as its cells."""
    for part in text.split("\n\n"):
        first, *rows = part.splitlines()
        if f"  {head}  " in first:
            return [[cell.strip() for cell in row.split("  ") if cell.strip()] for row in rows]
    return []
