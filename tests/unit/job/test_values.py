from __future__ import annotations

import pytest

from rankdeck.job import values


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90), ("90s", 90), ("10m", 600), ("2h30m", 9000), ("1:30:00", 5400), ("1h", 3600),
        ("1d", 86400), ("1d12h", 129600), ("1-12:00:00", 129600), ("0:00:05", 5), ("1.5h", 5400),
        ("2m30", 150), (" 10M ", 600), (45, 45), (0.5, 0.5),
    ],
)  # fmt: skip
def test_durations(text: object, seconds: float) -> None:
    assert values.read_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "m", "10x", "-5", "1:30", "1:99:00", "10m2h", "h10", "1e3", True, [1], float("nan"),
     float("inf")],
)  # fmt: skip
def test_no_durations(text: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        values.read_duration(text)


@pytest.mark.parametrize("seconds", [0, 1, 59.5, 90, 600, 9000, 86400, 90061, 0.25])
def test_durations_survive_their_text(seconds: float) -> None:
    assert values.read_duration(values.duration_text(seconds)) == seconds


def test_durations_read_well() -> None:
    assert [values.duration_text(s) for s in (90, 9000, 86400)] == ["1m30s", "2h30m", "1d"]


@pytest.mark.parametrize("value", ["4", 4, " 4 ", "+4"])
def test_whole_numbers(value: object) -> None:
    assert values.read_whole(value, 1) == 4


@pytest.mark.parametrize("value", ["4.0", "", "four", True, 4.5, [4], {"a": 1}, "1" * 30, "٤"])
def test_no_whole_numbers(value: object) -> None:
    with pytest.raises(ValueError, match="must be a"):
        values.read_whole(value, 1)


def test_bounds_are_told() -> None:
    with pytest.raises(ValueError, match=r"must be at least 1 \(got 0\)"):
        values.read_whole("0", 1)
    with pytest.raises(ValueError, match=r"must be between 1 and 65535 \(got 99999\)"):
        values.read_whole("99999", 1, 65535)


@pytest.mark.parametrize(("value", "read"), [("8", 8), (2, 2), ("auto", "auto"), ("GPU", "gpu")])
def test_ranks_per_node(value: object, read: object) -> None:
    assert values.read_nproc(value) == read


@pytest.mark.parametrize("value", ["0", "-1", "xpu", "", 1.5])
def test_no_ranks_per_node(value: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        values.read_nproc(value)


@pytest.mark.parametrize("name", ["llama-sft", "a", "7b", "实验_1", "v1.2", "a" * 64])
def test_names(name: str) -> None:
    assert values.read_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "-x", ".x", "a/b", "a b", "a\n", "last", "a" * 65, "\x1b[2J", "a\u202eb"]
)
def test_no_names(name: str) -> None:
    with pytest.raises(ValueError, match="must"):
        values.read_name(name)


@pytest.mark.parametrize(
    ("text", "name"),
    [("my project", "my-project"), ("..", "job"), ("last", "job"), ("实验", "实验"),
     ("a/b\n", "a-b"), ("x" * 99, "x" * 64)],
)  # fmt: skip
def test_slugs_are_names(text: str, name: str) -> None:
    assert values.slug(text) == name
    assert values.read_name(values.slug(text)) == name


def test_a_long_value_is_cut_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="must be") as caught:
        values.read_whole("x" * 10**6, 1)
    assert len(str(caught.value)) < 120
    assert values.quoted("\x1b[2J\u202e") == r"'\x1b[2J\u202e'"


def test_words_are_split_as_a_shell_does() -> None:
    assert values.read_words("--a 'b c' \"d\"", None) == ("--a", "b c", "d")
    assert values.read_words(("a b", ""), None) == ("a b", "")
    assert values.read_words(" a , b", ",") == ("a", "b")
    with pytest.raises(ValueError, match="no closing quotation"):
        values.read_words("'a", None)
    with pytest.raises(ValueError, match="empty entry"):
        values.read_words("a,,b", ",")
    with pytest.raises(ValueError, match="NUL"):
        values.read_words(("a\0",), None)


def test_assignments_keep_every_byte_of_the_value() -> None:
    assert values.split_assignment("a= b=c\n") == ("a", " b=c\n")
    assert values.read_mapping("a=$(x)") == {"a": "$(x)"}
    for text in ("a", "=b", ""):
        with pytest.raises(ValueError, match="must be NAME=VALUE"):
            values.split_assignment(text)


def test_a_comma_of_a_range_splits_no_list() -> None:
    assert values.read_words("a, n[1,3] ,b[2]", ",") == ("a", "n[1,3]", "b[2]")
    with pytest.raises(ValueError, match="has an empty entry"):
        values.read_words("n[1,3],", ",")
