from __future__ import annotations

import pytest

from rankdeck.errors import UserError
from rankdeck.logs.ranks import name_ranks, parse_ranks, rank_prefix


@pytest.mark.parametrize(
    ("text", "ranks"),
    [
        ("0", (0,)),
        ("0,4-7", (0, 4, 5, 6, 7)),
        (" 3 - 4 , 1 ", (1, 3, 4)),
        ("5,5,4-6", (4, 5, 6)),
        ("7-7", (7,)),
    ],
)
def test_ranks_in_words(text: str, ranks: tuple[int, ...]) -> None:
    assert parse_ranks(text, 8) == ranks


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "'' is not a rank"),
        ("a", "'a' is not a rank"),
        ("1,,2", "'' is not a rank|'1,,2' is not a rank"),
        ("0,x", "'x' in '0,x' is not a rank"),
        ("-1", "'-1' is not a rank"),
        ("1.5", "'1.5' is not a rank"),
        ("٣,1", None),
        ("3-1", "the range 3-1 .* runs backwards"),
        ("8", "there is no rank 8"),
        ("6-9", "there are no ranks 6-9"),
        ("0-99999999999999", "is not a rank"),
    ],
)
def test_what_is_no_rank_is_told(text: str, told: str | None) -> None:
    with pytest.raises(UserError, match=told) as caught:
        parse_ranks(text, 8)
    assert caught.value.hint


def test_prefixes_are_equally_wide() -> None:
    assert [rank_prefix(rank, 12) for rank in (0, 11)] == ["[ 0] ", "[11] "]
    assert [rank_prefix(rank, size) for rank, size in ((0, 1), (9, 10), (7, 1024))] == [
        "[0] ",
        "[9] ",
        "[   7] ",
    ]


@pytest.mark.parametrize(
    ("ranks", "most", "name"),
    [
        ((), None, ""),
        ((3,), None, "3"),
        ((0, 1, 2, 3, 7, 9, 10), None, "0-3,7,9-10"),
        ((0, 2, 4, 6), 2, "0,2,…"),
        ((0, 1, 4), 2, "0-1,4"),
    ],
)
def test_ranks_are_named_shortly(ranks: tuple[int, ...], most: int | None, name: str) -> None:
    assert name_ranks(ranks, most) == name
