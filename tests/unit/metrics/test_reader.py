from __future__ import annotations

import math
import os
import struct
from typing import TYPE_CHECKING

import msgspec
import pytest

from rankdeck.metrics.alerts import AlertKind
from rankdeck.metrics.reader import MetricsReader
from rankdeck.run.layout import RunDir
from rankdeck.run.progress import MetricsPoint
from tests.tui.fake_run import write_run

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from rankdeck.metrics.joiner import RankMetrics


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """A run of four ranks that have said nothing of interest."""
    home = tmp_path / "state"
    return RunDir(home / "runs" / write_run(home, text="hello"))


def say(run: RunDir, rank: int, lines: Iterable[str], *, attempt: int = 0, end: str = "\n") -> None:
    folder = run.node("node01").attempt(attempt)
    folder.path.mkdir(exist_ok=True)
    with folder.log(rank).open("a") as log:
        log.write("".join(line + end for line in lines))


def steps(first: int, last: int, value: float | str = 1.0) -> list[str]:
    return [f"step {step}/100 loss {value}" for step in range(first, last + 1)]


def read_all(reader: MetricsReader) -> tuple[RankMetrics, ...]:
    while reader.read_some():
        pass
    return reader.ranks()


def test_the_lowest_rank_that_tells_numbers_speaks(run: RunDir) -> None:
    say(run, 2, steps(1, 3))
    reader = MetricsReader(run)
    (told,) = read_all(reader)
    assert told.rank == 2
    assert list(told.series["loss"].steps) == [1, 2, 3]
    assert told.total_steps == 100
    assert (reader.world_size, reader.speaker, reader.part) == (4, 2, 1.0)


def test_the_last_rank_is_asked_early(run: RunDir) -> None:
    say(run, 3, steps(1, 3))
    (told,) = read_all(MetricsReader(run))
    assert told.rank == 3


def test_rank_0_speaks_where_it_was_only_late(run: RunDir) -> None:
    say(run, 3, steps(1, 3))
    reader = MetricsReader(run)
    assert read_all(reader)[0].rank == 3
    say(run, 0, steps(1, 2))
    (told,) = read_all(reader)
    assert told.rank == 0
    assert list(told.series["loss"].steps) == [1, 2]


def test_new_lines_are_read_on(run: RunDir) -> None:
    reader = MetricsReader(run)
    assert read_all(reader) == ()
    say(run, 0, steps(1, 3))
    assert len(read_all(reader)[0].series["loss"]) == 3
    say(run, 0, ["step 4/100 loss 9."], end="")
    read_all(reader)
    assert reader.ranks()[0].series["loss"].last_step == 3, "the line is still being written"
    say(run, 0, ["5"])
    assert read_all(reader)[0].series["loss"].last == 9.5
    assert not reader.read_some()


def test_chosen_ranks_are_read_and_others_forgotten(run: RunDir) -> None:
    for rank in range(4):
        say(run, rank, steps(1, 2, rank))
    reader = MetricsReader(run, ranks=(1, 3))
    assert [told.rank for told in read_all(reader)] == [1, 3]
    reader.choose((0,))
    assert [told.rank for told in read_all(reader)] == [0]
    reader.choose(())
    assert [told.rank for told in read_all(reader)] == [0]


def test_the_first_picture_comes_from_the_supervisors_points(run: RunDir) -> None:
    points = [
        MetricsPoint(t=10.0 + s, attempt=0, rank=1, step=s, total_steps=9, values={"loss": 1.0})
        for s in (1, 5)
    ]
    run.metrics.write_bytes(b"".join(msgspec.json.encode(p) + b"\n" for p in points))
    say(run, 1, steps(1, 5))
    reader = MetricsReader(run)
    assert reader.read_some(1)
    (told,) = reader.ranks()
    assert (told.rank, told.complete, list(told.series["loss"].steps)) == (1, False, [1, 5])
    (told,) = read_all(reader)
    assert (told.complete, list(told.series["loss"].steps)) == (True, [1, 2, 3, 4, 5])


def test_attempts_are_joined_and_steps_done_again_replace_the_first(run: RunDir) -> None:
    say(run, 0, [*steps(1, 7), "step 8/100 loss nan"])
    say(run, 0, steps(6, 9, 5.0), attempt=1)
    (told,) = read_all(MetricsReader(run))
    loss = told.series["loss"]
    assert list(loss.steps) == list(range(1, 10))
    assert list(loss.values) == [1.0] * 5 + [5.0] * 4
    assert (loss.rewinds, told.attempt) == (1, 1)
    assert [(a.kind, a.attempt) for a in told.alerts] == [(AlertKind.NAN, 0)]


def test_numbers_without_a_step_follow_a_step_back(run: RunDir) -> None:
    say(run, 0, [*steps(1, 7), "{'acc': 0.5}"])
    say(run, 0, [*steps(3, 4), "{'acc': 0.75}"], attempt=1)
    (told,) = read_all(MetricsReader(run))
    assert list(told.series["acc"].steps) == [4]


def test_a_truncated_log_is_read_anew(run: RunDir) -> None:
    say(run, 0, steps(1, 50))
    reader = MetricsReader(run)
    assert len(read_all(reader)[0].series["loss"]) == 50
    log = run.node("node01").attempt(0).log(0)
    os.truncate(log, 0)
    say(run, 0, steps(1, 3, 7.0))
    assert list(read_all(reader)[0].series["loss"].values) == [7.0] * 3


def test_times_are_those_of_the_bytes(run: RunDir) -> None:
    log = run.node("node01").attempt(0).log(0)
    log.write_bytes(b"")
    times = b""
    for step in range(1, 4):
        say(run, 0, steps(step, step))
        times += struct.pack("<dQ", 1000.0 + 10 * step, log.stat().st_size)
    run.node("node01").attempt(0).times(0).write_bytes(times)
    (told,) = read_all(MetricsReader(run))
    assert list(told.series["loss"].times) == pytest.approx([1010, 1020, 1030], abs=0.25)


def test_without_times_nobody_knows_when(run: RunDir) -> None:
    say(run, 0, steps(1, 1))
    (told,) = read_all(MetricsReader(run))
    assert math.isnan(told.series["loss"].times[0])


def test_epochs_are_counted_on(run: RunDir) -> None:
    say(run, 0, [f"Epoch {e}/3 [{b}/10] loss=1" for e in (1, 2, 3) for b in (5, 10)])
    (told,) = read_all(MetricsReader(run))
    assert list(told.series["loss"].steps) == [5, 10, 15, 20, 25, 30]


def test_steps_that_begin_anew_with_each_epoch_are_counted_on(run: RunDir) -> None:
    say(run, 0, [f"epoch: {e} step: {s}, loss is 1.5" for e in (1, 2) for s in (50, 100)])
    (told,) = read_all(MetricsReader(run))
    assert list(told.series["loss"].steps) == [50, 100, 150, 200]


def test_the_bar_of_an_evaluation_does_not_move_the_training_back(run: RunDir) -> None:
    bar = "{:3}%|###| {}/{} [00:0{}<00:10, 1.5it/s]"
    say(
        run,
        0,
        [
            bar.format(50, 50, 100, 1),
            bar.format(10, 1, 10, 1),
            bar.format(20, 2, 10, 2),
            "{'eval_loss': 2.5}",
            bar.format(51, 51, 100, 1),
            "{'loss': 1.5}",
        ],
        end="\r",
    )
    say(run, 0, [""])
    (told,) = read_all(MetricsReader(run))
    assert list(told.series["it/s"].steps) == [50, 51]
    assert list(told.series["eval_loss"].steps) == [50]
    assert list(told.series["loss"].steps) == [51]


def test_the_bar_of_an_attempt_that_has_less_left_to_do_goes_on(run: RunDir) -> None:
    bar = "{0}%|###| {0}/{1} [00:0{0}<00:10, 1.5it/s, loss={2}]"
    say(run, 0, [bar.format(step, 100, 3.0) for step in range(1, 6)], end="\r")
    say(run, 0, [""])
    say(run, 0, [bar.format(step, 60, 2.0) for step in range(1, 4)], end="\r", attempt=1)
    say(run, 0, [""], attempt=1)
    (told,) = read_all(MetricsReader(run))
    assert list(told.series["loss"].values) == [2.0, 2.0, 2.0]
    assert (told.total_steps, told.attempt) == (60, 1)


def test_a_line_without_end_is_passed_over(run: RunDir) -> None:
    say(run, 0, ["x" * 3_000_000, *steps(1, 2)])
    (told,) = read_all(MetricsReader(run))
    assert list(told.series["loss"].steps) == [1, 2]


def test_bytes_that_are_no_text_do_no_harm(run: RunDir) -> None:
    with run.node("node01").attempt(0).log(0).open("ab") as log:
        log.write(b"\xff\xfe\x00 step 1 loss 2.5\n" + "训练 step 2 loss 1.5\n".encode())
    (told,) = read_all(MetricsReader(run))
    assert list(told.series["loss"].values) == [2.5, 1.5]


def test_in_a_large_log_unusual_names_are_found_again(run: RunDir) -> None:
    filler = ["nothing to see here " + "." * 80] * 2000
    for part in range(40):
        say(run, 0, filler)
        say(run, 0, [f"zeta={part}.5"])
    (told,) = read_all(MetricsReader(run))
    assert run.node("node01").attempt(0).log(0).stat().st_size > 7 << 20
    assert list(told.series["zeta"].values) == [part + 0.5 for part in range(40)]
