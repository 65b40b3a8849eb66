"""What may come from a node, and what becomes of it at home."""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING

import pytest

from backends.ssh.carry import CarryError, NodeSink
from rankdeck.agent import courier_frames as wire
from rankdeck.agent.carry import Carrier
from rankdeck.agent.carry_state import StateFile
from rankdeck.run.layout import NodeDir

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path) -> NodeDir:
    paths = NodeDir(tmp_path / "home")
    paths.attempt(0).path.mkdir(parents=True)
    return paths


@pytest.fixture
def sink(home: NodeDir) -> NodeSink:
    made = NodeSink(home)
    made.begin()
    return made


@pytest.fixture
def node(tmp_path: Path) -> Path:
    folder = tmp_path / "node"
    (folder / "attempt-0").mkdir(parents=True)
    return folder


def introduce(sink: NodeSink, path: str, number: int = 0) -> None:
    sink.name(wire.NAME_HEAD.pack(number) + path.encode())


def chunk(sink: NodeSink, data: bytes, offset: int, flags: int = 0, number: int = 0) -> bool:
    return sink.chunk(wire.CHUNK_HEAD.pack(number, flags, offset) + data)


def carry(carrier: Carrier, sink: NodeSink, budget: int = 1 << 30) -> int:
    """One turn of a courier, without the courier."""
    carrier.look(0)
    return carry_looked(carrier, sink, budget)


def carry_looked(carrier: Carrier, sink: NodeSink, budget: int = 1 << 30) -> int:
    total = 0
    decoder = wire.Decoder()
    for data, count in carrier.take(budget):
        total += count
        for kind, payload in decoder.feed(data):
            sink.name(payload) if kind == wire.NAME else sink.chunk(payload)
    return total


def test_a_file_grows_as_it_does_on_the_node(sink: NodeSink, home: NodeDir) -> None:
    introduce(sink, "attempt-0/rank-0.log")
    chunk(sink, b"one\n", 0)
    chunk(sink, b"two\n", 4)
    assert home.attempt(0).log(0).read_bytes() == b"one\ntwo\n"
    assert home.attempt(0).log(0).stat().st_mode & 0o777 == 0o600


def test_what_is_sent_again_is_not_written_again(sink: NodeSink, home: NodeDir) -> None:
    introduce(sink, "attempt-0/rank-0.log")
    chunk(sink, b"one\n", 0)
    chunk(sink, b"one\ntwo\n", 0)
    chunk(sink, b"one\n", 0)
    assert home.attempt(0).log(0).read_bytes() == b"one\ntwo\n"


def test_a_gap_is_never_papered_over(sink: NodeSink, home: NodeDir) -> None:
    introduce(sink, "attempt-0/rank-0.log")
    with pytest.raises(CarryError, match="4 bytes are missing"):
        chunk(sink, b"two\n", 4)


def test_names_that_lead_elsewhere_are_refused(sink: NodeSink) -> None:
    for name in ("../../state.json", "/etc/passwd", "state.json", "attempt-0/order.json"):
        with pytest.raises(CarryError):
            introduce(sink, name)
    with pytest.raises(CarryError, match="not introduced"):
        chunk(sink, b"", 0, number=9)


def test_nothing_is_written_through_a_link(sink: NodeSink, home: NodeDir, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"mine")
    home.attempt(0).log(0).symlink_to(outside)
    introduce(sink, "attempt-0/rank-0.log")
    with pytest.raises(OSError, match="symbolic links"):
        chunk(sink, b"theirs", 0)
    assert outside.read_bytes() == b"mine"


def test_a_file_that_is_replaced_is_never_seen_half(sink: NodeSink, home: NodeDir) -> None:
    introduce(sink, "attempt-0/rank-0.error.json")
    path = home.attempt(0).error(0)
    chunk(sink, b'{"a":', 0, wire.CHUNK_WHOLE)
    assert not path.exists()
    chunk(sink, b" 1}", 5, wire.CHUNK_WHOLE | wire.CHUNK_LAST)
    assert path.read_bytes() == b'{"a": 1}'
    chunk(sink, b"{}", 0, wire.CHUNK_WHOLE | wire.CHUNK_LAST)
    assert path.read_bytes() == b"{}"


def test_a_file_that_shrank_begins_again(sink: NodeSink, node: Path, home: NodeDir) -> None:
    log = node / "attempt-0" / "rank-0.log"
    log.write_bytes(b"first version\n")
    carrier = Carrier(str(node))
    carrier.begin({})
    carry(carrier, sink)
    log.write_bytes(b"2nd\n")
    carry(carrier, sink)
    assert home.attempt(0).log(0).read_bytes() == b"2nd\n"


def test_home_decides_where_to_go_on(sink: NodeSink, node: Path, home: NodeDir) -> None:
    log = node / "attempt-0" / "rank-0.log"
    log.write_bytes(b"0123456789")
    home.attempt(0).log(0).write_bytes(b"0123")
    carrier = Carrier(str(node))
    carrier.begin(sink.offsets())
    assert carry(carrier, sink) == 6
    assert home.attempt(0).log(0).read_bytes() == b"0123456789"


def test_a_flood_does_not_keep_small_files_waiting(sink: NodeSink, node: Path) -> None:
    (node / "attempt-0" / "rank-0.log").write_bytes(b"x" * 10_000_000)
    (node / "attempt-0" / "rank-1.log").write_bytes(b"y" * 10_000_000)
    (node / "attempt-0" / "rank-2.log").write_bytes(b"small\n")
    carrier = Carrier(str(node))
    carrier.begin({})
    carry(carrier, sink, 300_000)
    sizes = sink.offsets()
    assert sizes["attempt-0/rank-2.log"] == 6
    assert sizes["attempt-0/rank-0.log"] == sizes["attempt-0/rank-1.log"] == 131072
    for _ in range(3):
        carry(carrier, sink, 131072)
    sizes = sink.offsets()
    assert abs(sizes["attempt-0/rank-0.log"] - sizes["attempt-0/rank-1.log"]) <= 131072


def test_a_census_finds_what_is_missing(sink: NodeSink, node: Path, home: NodeDir) -> None:
    attempt = node / "attempt-0"
    (attempt / "rank-0.log").write_bytes(b"0123456789")
    (attempt / "rank-1.log").write_bytes(b"")
    (attempt / "state.json").write_bytes(b"{}")
    carrier = Carrier(str(node))
    carrier.begin({})
    carry(carrier, sink)
    assert sink.missing(carrier.sizes()) == {}
    os.truncate(home.attempt(0).log(0), 4)
    home.attempt(0).final_state.unlink()
    missing = sink.missing(carrier.sizes())
    assert missing == {"attempt-0/rank-0.log": 4, "attempt-0/state.json": 0}
    carrier.resend(missing)
    carry(carrier, sink)
    assert home.attempt(0).log(0).read_bytes() == b"0123456789"


def test_what_a_power_cut_took_from_the_node_stays_at_home(
    sink: NodeSink, node: Path, home: NodeDir
) -> None:
    (node / "attempt-0" / "rank-0.log").write_bytes(b"0123")
    home.attempt(0).log(0).write_bytes(b"0123456789")
    carrier = Carrier(str(node))
    carrier.begin(sink.offsets())
    carry(carrier, sink)
    assert sink.missing(carrier.sizes()) == {}
    assert home.attempt(0).log(0).read_bytes() == b"0123456789"


def test_a_file_that_vanishes_does_not_lend_its_number_to_another(
    sink: NodeSink, node: Path, home: NodeDir
) -> None:
    attempt, kept = node / "attempt-0", home.attempt(0).path
    carrier = Carrier(str(node))
    carrier.begin({})
    for name in ("a.log", "b.log", "c.log"):
        (attempt / name).write_text(name)
    carrier.look(0)
    first, *_, last = carrier._files
    (node / first).unlink()
    carry_looked(carrier, sink)
    (attempt / "d.log").write_text("d.log")
    carry(carrier, sink)
    with open(node / last, "a") as log:
        log.write(" and more")
    carry(carrier, sink)
    assert (kept / "d.log").read_text() == "d.log"
    assert (home.path / last).read_text() == f"{last.rpartition('/')[2]} and more"


def test_what_is_too_large_is_told(node: Path) -> None:
    path = node / "attempt-0" / "rank-0.stacks"
    path.touch()
    os.truncate(path, 65 << 20)
    carrier = Carrier(str(node))
    carrier.begin({})
    assert not carrier.look(0)
    assert carrier.left_out == ["attempt-0/rank-0.stacks"]


def test_links_and_strange_files_stay_where_they_are(sink: NodeSink, node: Path) -> None:
    attempt = node / "attempt-0"
    (attempt / "rank-0.log").symlink_to("/etc/passwd")
    os.mkfifo(attempt / "rank-1.log")
    (attempt / "rank-2.log").mkdir()
    carrier = Carrier(str(node))
    carrier.begin({})
    assert not carrier.look(0)


def test_states_are_small_and_arrive_whole(sink: NodeSink, node: Path) -> None:
    import json

    path = node / "state.json"
    file = StateFile(str(path), 0)
    sizes = []
    for seq in range(4):
        ranks = [
            {"rank": rank, "state": "stepping", "pid": rank, "cpu_percent": rank + seq / 7}
            for rank in range(8)
        ]
        document = {
            "attempt": 0, "phase": "running", "ranks": ranks, "problem": None, "stop": None,
            "launcher": None, "master_port": 0, "time": 1e9 + seq, "seq": seq,
        }  # fmt: skip
        path.write_bytes(json.dumps(document).encode())
        file.look()
        assert file.urgent == (seq == 0)
        assert file.lively == (seq == 0)
        ((_, payload),) = wire.Decoder().feed(file.take())
        assert sink.state(payload) == path.read_bytes()
        assert not file.new
        sizes.append(len(payload))
    assert max(sizes[1:]) < sizes[0] / 1.5


def test_a_state_that_does_not_fit_to_the_last_one_is_refused(sink: NodeSink) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, b"state " * 50)
    packed = packer.compress(b"state " * 60) + packer.flush()
    with pytest.raises(CarryError):
        sink.state(bytes((wire.STATE_DELTA,)) + packed)


def test_a_run_that_was_removed_takes_nothing_and_asks_for_nothing(
    sink: NodeSink, home: NodeDir
) -> None:
    import shutil

    introduce(sink, "attempt-0/rank-0.log")
    shutil.rmtree(home.path)
    chunk(sink, b"one\n", 0)
    assert sink.taken == 4
    sink.write_state(b"{}")
    assert sink.missing({"attempt-0/rank-0.log": 4}) == {}
    assert not home.path.exists()
