"""What the agent reads from others' files: orders, error records, the shim's lines, and its own."""

from __future__ import annotations

import json
import os
import struct
from typing import TYPE_CHECKING

import msgspec
import pytest

from rankdeck.agent.environment import shim_text
from rankdeck.agent.errors import read_error
from rankdeck.agent.kernel import bytes_written
from rankdeck.agent.load import Load, ProcSource, find_source
from rankdeck.agent.logwatch import LogWatch
from rankdeck.agent.order import Order, OrderError, read_order
from rankdeck.agent.ranks import Rank
from rankdeck.agent.report import Reporter
from rankdeck.agent.spawned import SpawnFile
from rankdeck.agent_order import AgentOrder

if TYPE_CHECKING:
    from pathlib import Path


def full_order(**fields: object) -> AgentOrder:
    values: dict[str, object] = {
        "run_id": "r",
        "node": "n",
        "node_dir": "/n",
        "attempt": 2,
        "node_rank": 1,
        "nnodes": 2,
        "nproc": 2,
        "first_rank": 2,
        "world_size": 4,
        "spawn": "launcher",
        "launcher": "torchrun",
        "argv": ("a", "b"),
        "env": {"X": "1"},
        "cwd": "/c",
        "python": "/p",
        **fields,
    }
    return msgspec.convert(values, AgentOrder)


def test_every_field_of_an_order_is_read(tmp_path: Path) -> None:
    path = tmp_path / "order.json"
    written = full_order(entry="/e", output_dir="/o", grace=3.5, wait_for_go=True, hooks=False)
    path.write_bytes(msgspec.json.encode(written))
    order = read_order(str(path))
    for name in written.__struct_fields__:
        if name not in ("version", "spawn"):
            value = getattr(written, name)
            assert getattr(order, name) == (list(value) if isinstance(value, tuple) else value)
    assert not order.spawns_ranks
    assert list(order.ranks) == [2, 3]
    assert order.attempt_dir == "/n/attempt-2"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 99}', "nul"])
def test_a_broken_order_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "order.json"
    path.write_text(text)
    with pytest.raises(OrderError, match=r"order\.json"):
        read_order(str(path))


@pytest.mark.parametrize(
    ("message", "kind", "rest"),
    [
        ("ValueError: boom", "ValueError", "boom"),
        ("torch.OutOfMemoryError: CUDA: no", "torch.OutOfMemoryError", "CUDA: no"),
        ("KeyboardInterrupt", "KeyboardInterrupt", ""),
        ("no type here", "", "no type here"),
    ],
)
def test_an_error_record(tmp_path: Path, message: str, kind: str, rest: str) -> None:
    path = tmp_path / "error.json"
    extra = {"timestamp": "12.5", "py_callstack": ""}
    path.write_text(json.dumps({"message": {"message": message, "extraInfo": extra}}))
    error = read_error(str(path))
    assert error is not None
    assert (error["type"], error["time"]) == (kind, 12.5)
    if kind != "KeyboardInterrupt":
        assert error["message"] == rest


def record_at(time: str) -> str:
    return f'{{"message": {{"message": "X: y", "extraInfo": {{"timestamp": {time}}}}}}}'


@pytest.mark.parametrize(
    "text",
    [
        *("", "[1]", "{}", '{"message": "flat"}', '{"message": null}'),
        *(record_at(time) for time in ("NaN", "1e999", "9" * 400, "[]")),
        '{"message": ' + "[" * 100_000,
    ],
    ids=range(10),
)
def test_what_is_no_error_record(tmp_path: Path, text: str) -> None:
    path = tmp_path / "error.json"
    path.write_text(text)
    assert read_error(str(path)) is None
    assert read_error(str(tmp_path / "missing")) is None


def test_what_is_no_unicode_leaves_the_state_readable(tmp_path: Path) -> None:
    Reporter(str(tmp_path)).write({"message": "caf\udce9.txt – 日本 🚀"})
    written = (tmp_path / "state.json").read_bytes()
    assert msgspec.json.decode(written) == {"message": "caf?.txt – 日本 🚀"}


def test_what_is_no_number_leaves_the_state_readable(tmp_path: Path) -> None:
    nan, inf = float("nan"), float("inf")
    Reporter(str(tmp_path)).write({"a": nan, "b": ({"c": [inf, -inf, 1.5]}, "x", None, True)})
    written = (tmp_path / "state.json").read_bytes()
    assert msgspec.json.decode(written) == {
        "a": None,
        "b": [{"c": [None, None, 1.5]}, "x", None, True],
    }


def test_the_shims_lines_are_read_once_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "spawned"
    path.write_text("")
    reader = SpawnFile(str(path))
    assert reader.read() == []
    with path.open("a") as file:
        file.write("0 0 100 1 3\n1 1 1")
        file.flush()
        (entry,) = reader.read()
        assert (entry.rank, entry.pid, entry.restarts_left) == (0, 100, 2)
        file.write("01 0 0\n 1 7 0 0\n")
        file.flush()
        (entry,) = reader.read()
        assert (entry.rank, entry.pid, entry.restarts_left) == (1, 101, 0)
    assert reader.read() == []


def test_a_quote_in_a_path_does_not_break_the_shim() -> None:
    order = Order(json.loads(msgspec.json.encode(full_order(node_dir="/it's $HOME"))))
    text = shim_text(order, {"PET_LOG_DIR": "my'logs"})
    assert ">>'/it'\"'\"'s $HOME/attempt-2/spawned'" in text
    assert "export PET_LOG_DIR='my'\"'\"'logs'" in text
    assert "unset PYTHON_EXEC" in text


def test_a_rung_is_reached_once_and_never_left() -> None:
    rank = Rank(0, 0)
    rank.spawned(5, 1, 1.0)
    assert rank.reach("stepping", 2.0)
    assert rank.reach("output", 3.0)
    assert not rank.reach("output", 4.0)
    assert rank.state == "stepping"
    assert rank.times == {"spawned": 1.0, "stepping": 2.0, "output": 3.0}
    rank.end("lost", None, 5.0)
    assert not rank.reach("rendezvous", 6.0)
    assert rank.final


def test_times_do_not_go_back_with_the_clock(tmp_path: Path) -> None:
    log = tmp_path / "rank-0.log"
    log.write_bytes(b"")
    rank = Rank(0, 0)
    rank.spawned(5, 1, 0.0)
    watch = LogWatch(rank, str(tmp_path))
    for number, now in enumerate((100.0, 50.0, 101.0), 1):
        log.write_bytes(b"x" * number)
        watch.look(now, tick=float(number))
    pairs = list(struct.iter_unpack("<dQ", (tmp_path / "rank-0.times").read_bytes()))
    assert pairs == [(100.0, 1), (100.0, 2), (101.0, 3)]


def test_times_are_sparse(tmp_path: Path) -> None:
    log = tmp_path / "rank-0.log"
    log.write_bytes(b"")
    rank = Rank(0, 0)
    rank.spawned(5, 1, 0.0)
    watch = LogWatch(rank, str(tmp_path))
    for number in range(100):
        log.write_bytes(b"x" * number)
        watch.look(number / 100, tick=number / 100)
    watch.look(1.0, tick=1.0, last=True)
    pairs = list(struct.iter_unpack("<dQ", (tmp_path / "rank-0.times").read_bytes()))
    assert 8 <= len(pairs) <= 12
    assert pairs[-1][1] == 99


def test_a_state_is_replaced_whole(tmp_path: Path) -> None:
    reporter = Reporter(str(tmp_path))
    assert reporter.write({"seq": 1})
    with (tmp_path / "state.json").open() as before:
        assert reporter.write({"seq": 2}, durable=True)
        assert json.load(before) == {"seq": 1}
    assert json.loads((tmp_path / "state.json").read_text()) == {"seq": 2}
    assert os.listdir(tmp_path) == ["state.json"]
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600
    assert not Reporter(str(tmp_path / "gone")).write({})


def test_both_sources_of_load_agree() -> None:
    psutil, proc = find_source(), ProcSource()
    assert type(psutil).__name__ == "PsutilSource"
    for source in (psutil, proc):
        figures = source.process(os.getpid())
        assert figures is not None
        seconds, rss, threads = figures
        assert seconds > 0
        assert rss > 1 << 20
        assert threads >= 1
        assert source.process(2**22 - 1) is None
    assert psutil.memory()[0] == proc.memory()[0]
    assert psutil.memory()[1] == pytest.approx(proc.memory()[1], rel=0.2)
    assert psutil.busy_and_total()[1] == pytest.approx(proc.busy_and_total()[1], rel=0.01)


def test_much_that_is_written_is_noted_and_little_is_not(tmp_path: Path) -> None:
    rank = Rank(0, 0)
    rank.spawned(os.getpid(), 1, 0.0)
    load = Load(ProcSource())
    target = tmp_path / "checkpoint"
    load.sample([rank], 100.0, 100.0)
    target.write_bytes(b"x" * 4096)
    load.sample([rank], 102.0, 102.0)
    assert rank.last_write is None, "what was written before the first look does not count either"
    target.write_bytes(b"x" * (2 << 20))
    load.sample([rank], 104.0, 104.0)
    load.sample([rank], 106.0, 106.0)
    assert rank.last_write == rank.record()["last_write"] == 104.0
    assert bytes_written(2**22 - 1) is None


def test_load_is_taken_over_the_time_between() -> None:
    class Source:
        seconds = 10.0

        def busy_and_total(self) -> tuple[float, float]:
            return self.seconds, self.seconds * 4

        def memory(self) -> tuple[int, int]:
            return 100, 40

        def process(self, pid: int) -> tuple[float, int, int]:
            return self.seconds, 7, 3

    rank, source = Rank(0, 0), Source()
    rank.spawned(5, 1, 0.0)
    load = Load(source)
    assert load.sample([rank], 0.0, 100.0)["cpu_percent"] is None
    assert rank.cpu_percent is None
    source.seconds = 13.0
    node = load.sample([rank], 0.0, 102.0)
    assert node["cpu_percent"] == 25.0
    assert (node["mem_total"], node["mem_used"]) == (100, 40)
    assert (rank.cpu_percent, rank.rss_bytes, rank.threads) == (150.0, 7, 3)
