from __future__ import annotations

import pytest

from rankdeck.project.relaxed_json import (
    JsonError,
    JsonList,
    JsonObject,
    JsonScalar,
    JsonValue,
    parse_relaxed_json,
)


def plain(value: JsonValue) -> object:
    if isinstance(value, JsonObject):
        return {member.key: plain(member.value) for member in value.members}
    if isinstance(value, JsonList):
        return [plain(item) for item in value.items]
    return value.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{}", {}),
        ("[]", []),
        ('"a"', "a"),
        (' { "a" : [ 1 , 2 ] } ', {"a": ["1", "2"]}),
        ('{"a": 1e-4, "b": -0.50}', {"a": "1e-4", "b": "-0.50"}),
        ("[true, false, null]", [True, False, None]),
        ("[1, 2, ]", ["1", "2"]),
        ('{"a": 1,\n}', {"a": "1"}),
        ("// first\n[1] // last", ["1"]),
        ("/* a\n b */ [1 /* c */, 2]", ["1", "2"]),
        ('["// no comment", "/* nor this */"]', ["// no comment", "/* nor this */"]),
        (r'["a\"b\\", "\u4e2d\ud83d\ude00", "中"]', ['a"b\\', "中\U0001f600", "中"]),
        ("\ufeff[1]", ["1"]),
        ('["/etc", "http://x"]', ["/etc", "http://x"]),
    ],
)
def test_reads(text: str, value: object) -> None:
    assert plain(parse_relaxed_json(text)) == value


@pytest.mark.parametrize(
    ("text", "line", "column", "said"),
    [
        ("", 1, 1, "expected a value, found the end of the file"),
        ("{\n  'a': 1}", 2, 3, "expected a \"key\" or '}', found \"'a'\""),
        ('{"a" 1}', 1, 6, "expected ':' after \"a\", found '1'"),
        ('{\n "a": 1\n "b": 2}', 3, 2, "expected ',' or '}' after the value of \"a\""),
        ("[1 2]", 1, 4, "expected ',' or ']'"),
        ("[1,,2]", 1, 4, "expected a value, found ','"),
        ('{"a": 1,,}', 1, 9, 'expected a "key"'),
        ('{"a": tru}', 1, 7, "expected a value, found 'tru'"),
        ("[01]", 1, 2, "expected a value, found '01'"),
        ("[NaN]", 1, 2, "found 'NaN'"),
        ('\n\n["abc]', 3, 2, "not closed on its line"),
        ('["a\nb"]', 1, 2, "not closed on its line"),
        ('["\\x41"]', 1, 2, "invalid escape"),
        ('{\n"a": [1,\n2', 2, 6, "this '[' is never closed"),
        ('{"a": 1', 1, 1, "this '{' is never closed"),
        ("[1] /* never", 1, 5, "never closed with */"),
        ("{} {}", 1, 4, "nothing may follow"),
        ("[" * 5000, 1, 66, "nested more than 64 deep"),
    ],
)
def test_errors_say_where_and_what(text: str, line: int, column: int, said: str) -> None:
    with pytest.raises(JsonError) as caught:
        parse_relaxed_json(text)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert said in caught.value.message


def test_every_value_has_its_line() -> None:
    document = parse_relaxed_json('{\n "a": 1,\n\n "b": [\n  {"c":\n   "x"}\n ]\n}')
    assert isinstance(document, JsonObject)
    first, second = document.members
    assert (first.line, second.line) == (2, 4)
    assert isinstance(second.value, JsonList)
    inner = second.value.items[0]
    assert isinstance(inner, JsonObject)
    assert inner.line == 5
    assert inner.members[0].value == JsonScalar("x", 6)
