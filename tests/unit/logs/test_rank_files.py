from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from rankdeck.logs.merge import Glue
from rankdeck.logs.nearby import Nearby
from rankdeck.logs.rank_files import RankFiles
from tests.unit.logs.rank_writers import Writer

if TYPE_CHECKING:
    from pathlib import Path

LINES = (
    b"step 1\n",
    b"  indented\n",
    b"\n",
    b"\tx\n",
    b"[rank3]:   inside\n",
    b"[rank3]: said\n",
    b"Traceback (most recent call last):\n",
    b"[rank3]: Traceback (most recent call last):\n",
    b"KeyError: 1\n",
    b"During handling of the above exception, another exception occurred:\n",
    b"The above exception was the direct cause of the following exception:\n",
    b"x" * 700 + b"\n",
    b"no newline",
)


def naive_boundary(data: bytes, offset: int, limit: int) -> int:
    if offset <= 0 or offset >= limit:
        return max(0, min(offset, limit))
    glue, at = Glue(), 0
    while (stop := data.find(b"\n", at, limit)) >= 0:
        held = glue.holds(data[at:stop])
        if at >= offset and not held:
            return at
        at = stop + 1
    return at if offset <= at < limit else limit


@pytest.mark.parametrize("seed", range(6))
def test_tracebacks_and_what_is_indented_stay_in_one_piece(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    weights = (9, 4, 1, 1, 2, 3, 2, 1, 4, 1, 1, 1, 0)
    text = b"".join(dice.choices(LINES, weights, k=40)) + dice.choice([b"", LINES[-1]])
    writer = Writer(tmp_path, 0)
    writer.write(text[:3900])
    files = RankFiles([writer.log])
    files.look(0)
    for limit in (files.size(0), dice.randrange(files.size(0))):
        for offset in range(files.size(0) + 1):
            assert files.boundary(0, offset, limit) == naive_boundary(writer.text, offset, limit), (
                offset
            )


def many_logs(folder: Path, count: int) -> list[Writer]:
    writers = [Writer(folder, rank) for rank in range(count)]
    for writer in writers:
        for step in range(30):
            writer.write(b"rank %d step %d\n" % (writer.log.rank, step) * (1 + step % 3))
            writer.note(1000.0 + step)
    return writers


def test_many_logs_are_read_right_in_any_order_while_they_change(tmp_path: Path) -> None:
    dice = random.Random(2)
    writers = many_logs(tmp_path, 150)
    files = RankFiles([writer.log for writer in writers])
    for _ in range(3):
        for index in range(len(writers)):
            files.look(index)
        for _ in range(3000):
            index = dice.randrange(len(writers))
            offset, size = dice.randrange(700), dice.choice([1, 30, 400, 5000, 100_000])
            assert files.read(index, offset, size) == writers[index].text[offset : offset + size]
        for writer in dice.sample(writers, 40):
            if dice.random() < 0.5:
                writer.write(b"more %d\n" % dice.randrange(10**6) * dice.randrange(30))
            else:
                writer.replace(b"anew %d\n" % dice.randrange(10**6) * dice.randrange(30))


def test_pieces_of_files_are_bounded() -> None:
    nearby = Nearby(100_000)
    for number in range(20_000):
        nearby.keep(number, 0, bytes(nearby.piece))
    kept = [number for number in range(20_000) if nearby.get(number, 5, 10) is not None]
    assert 0 < len(kept) * nearby.piece <= 8 << 20
    assert kept[-1] == 19_999
    assert nearby.get(19_999, nearby.piece - 5, 10) is None
