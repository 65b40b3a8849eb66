from __future__ import annotations

import pytest

from rankdeck.logs.fold import Folder, Sameness, Text, Texts, alike, minority, said_near
from rankdeck.logs.lines import LogLine

PAIRS: list[tuple[str, str, bool, bool]] = [
    # rank 3 (local 1) wrote the first, rank 6 (local 2) the second: same, and if loose
    ("step 10 done", "step 10 done", True, True),
    ("step 10 done", "step 11 done", False, False),
    ("[rank3]: boom", "[rank6]: boom", True, True),
    ("[default1]:boom", "[default2]:boom", True, True),
    ("[3] boom", "[6] boom", True, True),
    ("[rank3]: boom", "[rank3]: boom", False, False),
    ("rank=3 ready", "rank=6 ready", True, True),
    ("global_rank: 3", "global_rank: 6", True, True),
    ("RANK 3 of 8, local_rank 1", "RANK 6 of 8, local_rank 2", True, True),
    ("waits for rank 4", "waits for rank 5", False, False),
    ("rank 3 waits for rank 6", "rank 6 waits for rank 3", False, False),
    ("on cuda:1", "on cuda:2", True, True),
    ("on cuda:1", "on cuda:3", False, False),
    ("ranking 3", "ranking 6", False, False),
    ("2026-01-02 03:04:05,678 INFO up", "2026-01-02 03:04:06,001 INFO up", True, True),
    ("2026-01-02T03:04:05Z up", "2026-01-02T03:04:07.5Z up", True, True),
    ("I0102 03:04:05.678901 up", "I0102 03:04:05.999999 up", True, True),
    ("[12:00:01] up", "[12:00:02] up", True, True),
    ("\x1b[32mup\x1b[0m", "up", True, True),
    ("epoch 1-2-3", "epoch 1-2-4", False, False),
    ("pid 4711 up", "pid 4712 up", False, True),
    ("at 0x7f0011223344", "at 0x7f0011223355", False, True),
    ("loss 1.8401", "loss 1.8403", False, True),
    ("loss 1.84", "loss 97.3", False, False),
    ("loss 1.84", "loss nan", False, False),
    ("lr 3.0e-05", "lr 3.01e-05", False, True),
    ("version 1.2.3", "version 1.2.4", False, False),
    ("size 100", "size 101", False, False),
    ("eta ~ left", "eta 1.5 left", False, False),
]


@pytest.mark.parametrize(("first", "second", "same", "loosely"), PAIRS)
def test_what_tells_ranks_apart_is_no_difference(
    first: str, second: str, same: bool, loosely: bool
) -> None:
    for loose, expected in ((False, same), (True, loosely)):
        sameness = Sameness(loose)
        texts = sameness.text(first.encode(), 3, 1), sameness.text(second.encode(), 6, 2)
        assert alike(*texts) is expected


@pytest.mark.parametrize("loose", [False, True])
def test_a_number_of_thousands_of_digits_is_no_rank_s(loose: bool) -> None:
    line = b"rank " + b"1" * 5000
    assert Sameness(loose).text(line, 3, 1).words == line


@pytest.mark.parametrize("loose", [False, True])
def test_what_is_remembered_of_one_rank_holds_for_the_others(loose: bool) -> None:
    local_ranks = {rank: rank % 4 for rank in range(8)}
    texts, sameness = Texts(Sameness(loose), local_ranks), Sameness(loose)
    lines = [line.encode() for pair in PAIRS for line in pair[:2]]
    lines += [b"[rank3]: " + line for line in lines] + [b"[3] " + line for line in lines]
    for _ in range(2):
        for line in lines:
            for rank, local_rank in local_ranks.items():
                assert texts.of(line, rank) == sameness.text(line, rank, local_rank)


def folded(script: list[tuple[float, int, str]]) -> list[tuple[str, list[int]]]:
    folder = Folder()
    for number, (time, rank, text) in enumerate(script):
        line = LogLine(number * 10, 9, text.encode(), rank=rank)
        folder.add(line, Text(text.encode()), time)
    return [(group.text.words.decode(), sorted(group.ranks)) for group in folder.groups]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ([(0, 0, "a"), (0, 1, "a"), (0, 2, "b")], [("a", [0, 1]), ("b", [2])]),
        # a rank's second goes with the others' second
        (
            [(0, 0, "a"), (0, 0, "a"), (0, 1, "a"), (0, 1, "a")],
            [("a", [0, 1]), ("a", [0, 1])],
        ),
        ([(0, 0, "a"), (1.9, 1, "a"), (2.1, 2, "a")], [("a", [0, 1]), ("a", [2])]),
        ([(0, 1, "a"), (0, 0, "b"), (0, 0, "a"), (0, 1, "b")], [("a", [0, 1]), ("b", [0, 1])]),
    ],
)
def test_lines_of_several_ranks_become_one(
    script: list[tuple[float, int, str]], expected: list[tuple[str, list[int]]]
) -> None:
    assert folded(script) == expected


def test_who_said_the_same_at_about_that_time() -> None:
    folder = Folder()
    for time, rank, text in ((0.0, 0, b"a"), (3.0, 1, b"a"), (3.0, 2, b"b"), (8.0, 3, b"a")):
        folder.add(LogLine(0, 1, text, rank=rank), Text(text), time)
    assert said_near(folder.groups, Text(b"a"), 2.0) == {0, 1}


@pytest.mark.parametrize(
    ("ranks", "total", "shown"),
    [(1, 1, False), (1, 2, True), (2, 2, False), (1, 3, True), (2, 4, False), (3, 8, True)],
)
def test_fewer_than_half_are_a_minority(ranks: int, total: int, shown: bool) -> None:
    assert minority(ranks, total) is shown
