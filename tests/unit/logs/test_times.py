from __future__ import annotations

import math
import random
import struct
from typing import TYPE_CHECKING

import pytest

from rankdeck.logs.times import LogTimes

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, pairs: list[tuple[float, int]], torn: bytes = b"") -> LogTimes:
    path.write_bytes(b"".join(struct.pack("<dQ", *pair) for pair in pairs) + torn)
    return LogTimes(path)


def test_time_is_interpolated_inside_a_sample(tmp_path: Path) -> None:
    times = write(tmp_path / "t", [(10.0, 100), (10.1, 200), (10.2, 400)])
    assert times.time_at(100) == pytest.approx(10.0)
    assert times.time_at(150) == pytest.approx(10.05)
    assert times.time_at(300) == pytest.approx(10.15)


def test_what_came_after_a_silence_was_written_at_its_end(tmp_path: Path) -> None:
    times = write(tmp_path / "t", [(10.0, 100), (500.0, 200)])
    assert times.time_at(100) == pytest.approx(499.8)
    assert times.time_at(199) == pytest.approx(500.0, abs=0.01)


def test_past_the_last_sample_its_time_is_the_best_guess(tmp_path: Path) -> None:
    times = write(tmp_path / "t", [(10.0, 100)])
    assert times.time_at(100) == times.time_at(9999) == 10.0


def test_no_samples_no_time(tmp_path: Path) -> None:
    assert LogTimes(tmp_path / "absent").time_at(0) is None
    assert write(tmp_path / "t", [], torn=b"12345").time_at(0) is None


def test_a_torn_last_pair_is_no_pair_and_more_may_come(tmp_path: Path) -> None:
    times = write(tmp_path / "t", [(1.0, 10)], torn=b"torn")
    assert times.count == 1
    write(tmp_path / "t", [(1.0, 10), (2.0, 20)])
    times.refresh()
    assert (times.count, times.time_at(19)) == (2, pytest.approx(1.98, abs=0.01))


def test_any_order_of_asking_gives_the_same_times(tmp_path: Path) -> None:
    dice = random.Random(6)
    pairs, time, size = [], 1000.0, 0
    for _ in range(3000):
        time += dice.choice([0.1, 0.11, 60.0])
        size += dice.randrange(1, 500)
        pairs.append((time, size))
    times = write(tmp_path / "t", pairs)
    places = sorted(dice.randrange(size + 500) for _ in range(2000))
    in_order = [times.time_at(place) for place in places]
    assert in_order == sorted(in_order)
    shuffled = list(enumerate(places))
    dice.shuffle(shuffled)
    assert all(times.time_at(place) == in_order[number] for number, place in shuffled)
    for place, found in zip(places, in_order, strict=True):
        sample = next((pair for pair in pairs if pair[1] > place), pairs[-1])
        assert sample[0] - 0.2 <= found <= sample[0]


def test_places_are_found_by_time(tmp_path: Path) -> None:
    times = write(tmp_path / "t", [(10.0, 100), (10.1, 200), (10.2, 400)])
    assert [times.offset_at(time) for time in (5.0, 10.05, 10.1, 10.15, 11.0)] == [
        0,
        100,
        100,
        200,
        400,
    ]


def naive_time(pairs: list[tuple[float, int]], offset: int) -> float:
    before = (-math.inf, 0)
    for time, size in pairs:
        if size > offset:
            begin = max(before[0], time - 0.2)
            if begin >= time or offset < before[1]:
                return time
            return begin + (time - begin) * (offset - before[1]) / (size - before[1])
        before = (time, size)
    return pairs[-1][0]


@pytest.mark.parametrize("seed", range(4))
def test_places_and_times_are_those_that_a_walk_through_all_pairs_tells(
    tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    pairs: list[tuple[float, int]] = []
    time, size = 1000.0, 0
    times = write(tmp_path / "t", pairs)
    for _ in range(6):
        for _ in range(dice.choice([1, 40, 300])):
            time += dice.choice([0.0, 0.1, 0.1, 3.0, 5000.0])
            size += dice.choice([0, 1, 9, 9, 4000])
            pairs.append((time, size))
        write(tmp_path / "t", pairs)
        times.refresh()
        if dice.random() < 0.5:
            times.release()
        places = sorted(dice.randrange(size + 20) for _ in range(40))
        expected = [naive_time(pairs, place) for place in places]
        assert times.times_at(places) == expected
        for place, when in dice.sample(list(zip(places, expected, strict=True)), 20):
            assert times.time_at(place) == when
            moment = when + dice.choice([-0.07, 0.0, 0.1, 300.0])
            reached = [pair for pair in pairs if pair[0] < moment]
            assert times.offset_at(moment) == (reached[-1][1] if reached else 0)
            near = times.offset_near(moment)
            if near is None:
                assert moment > time
            else:
                assert near == 0 or naive_time(pairs, near - 1) <= moment + 1e-6
                assert near >= size or naive_time(pairs, near) >= moment - 1e-6
            begin, end = sorted((place, dice.randrange(size + 20)))
            inside = range(begin, end, max(1, (end - begin) // 9))
            latest = [naive_time(pairs, at) for at in inside]
            bound = times.latest_between(begin, end)
            assert bound is not None
            assert bound >= max(latest, default=-math.inf)
            assert bound <= (naive_time(pairs, end - 1) + 0.2 if end > begin else -math.inf)


def test_times_that_are_gone_from_the_disk_stop_nobody(tmp_path: Path) -> None:
    times = write(tmp_path / "t", [(float(number), number * 10) for number in range(1, 500)])
    times.release()
    (tmp_path / "t").write_bytes(b"")
    times.time_at(2000)
    times.offset_near(30.0)
    times.refresh()
    assert times.time_at(5) is None
