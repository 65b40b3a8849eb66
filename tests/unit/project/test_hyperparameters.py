from __future__ import annotations

import json
from pathlib import Path

import pytest

from rankdeck.errors import Severity
from rankdeck.project.hyperparameters import (
    HyperParameterFile,
    ValueType,
    check_value,
    load_hyperparameters,
    parse_hyperparameters,
    resolve_values,
)

CASES = json.loads((Path(__file__).parent / "data" / "hyperparameter_files.json").read_text())

FILE = """{
  "HyperParameters": [
    {"name": "lr", "types": "float", "defaultValue": "1e-4"},
    {"name": "epochs", "types": "int", "required": true},
    {"name": "amp", "types": "bool", "defaultValue": "False"}, // mixed precision
    {"name": "kind", "types": "enum", "choices": ["sgd", "adam"], "defaultValue": "sgd"},
    {"name": "note", "types": "string"},
  ]
}
"""


def parsed(*entries: str) -> HyperParameterFile:
    text = '{"HyperParameters": [\n' + ",\n".join(entries) + "\n]}"
    return parse_hyperparameters(text, "H.json")


def only_problem(*entries: str) -> str:
    (problem,) = parsed(*entries).problems
    return str(problem)


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_reads_the_files_platforms_ship(case: dict[str, object]) -> None:
    file = parse_hyperparameters(str(case["text"]))
    assert not file.problems
    read = [
        {
            "name": entry.name,
            "types": entry.type.value,
            "defaultValue": entry.default,
            **({"description": entry.description} if entry.description else {}),
        }
        for entry in file.entries
    ]
    assert read == case["expect"]


def test_entries_have_their_types_defaults_and_lines() -> None:
    file = parse_hyperparameters(FILE)
    assert not file.problems
    facts = [(e.name, e.type, e.default, e.required, e.line) for e in file.entries]
    assert facts == [
        ("lr", ValueType.FLOAT, "1e-4", False, 3),
        ("epochs", ValueType.INT, None, True, 4),
        ("amp", ValueType.BOOL, "false", False, 5),
        ("kind", ValueType.ENUM, "sgd", False, 6),
        ("note", ValueType.STRING, None, False, 7),
    ]


@pytest.mark.parametrize(
    ("given", "text"),
    [("10", "10"), ("1e-5", "1e-5"), ("true", "true"), ('"  a b "', "  a b "), ('""', "")],
)
def test_native_defaults_keep_their_text(given: str, text: str) -> None:
    file = parsed(f'{{"name": "a", "types": "string", "defaultValue": {given}}}')
    assert not file.problems
    assert file.entries[0].default == text


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (('{"types": "int"}',), 'H.json:2: HyperParameters[0]: has no "name"'),
        (('{"name": 3}',), "H.json:2: HyperParameters[0].name: must be text in quotes"),
        (('{"name": "a",\n "types": "number"}',),
         "H.json:3: a.types: must be one of string, int, float, bool, enum (got 'number')"),
        (('{"name": "a",\n "types": "int",\n "defaultValue": "x"}',),
         "H.json:4: a.defaultValue: must be a whole number (got 'x')"),
        (('{"name": "a", "types": "bool", "defaultValue": "2"}',),
         "H.json:2: a.defaultValue: must be true or false (got '2')"),
        (('{"name": "a", "types": "enum", "choices": ["x"], "defaultValue": "y"}',),
         "H.json:2: a.defaultValue: must be one of x (got 'y')"),
        (('{"name": "a", "types": "float", "defaultValue": [1]}',),
         "H.json:2: a.defaultValue: must be a single value"),
        (('{"name": "a"}', '{"name": "a"}'),
         "H.json:3: a: is declared twice, first on line 2"),
        (('{"name": "a", "name": "b"}',), "H.json:2: HyperParameters[0].name: is given twice"),
        (('{"name": "a", "defualt": 1}',),
         "H.json:2: HyperParameters[0].defualt: is not a known key"),
        (('{"name": "a", "type": "int", "types": "float"}',),
         'H.json:2: a: "type" and "types" contradict each other'),
        (('{"name": "a", "types": "enum", "choices": {"x": 1}}',),
         "H.json:2: a.choices: must be a list of values"),
        (('{"name": "a", "required": "maybe"}',),
         "H.json:2: a.required: must be true or false"),
        (('"a"',), 'H.json:2: HyperParameters[0]: must be an object with at least a "name"'),
        (('{"name": "PYTHONPATH"}',),
         "H.json:2: PYTHONPATH: is reserved: a variable of that name changes how programs run"),
        (('{"name": "a b"}',), "H.json:2: a b: is not a usable name"),
    ],
)  # fmt: skip
def test_problems_name_file_line_and_key(entries: tuple[str, ...], said: str) -> None:
    assert only_problem(*entries).startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "H.json:1: HyperParameters: must be a list of objects"),
        ("{}", "H.json:1: HyperParameters: is missing"),
        ('{\n"hyperparameters": []}', "H.json:2: hyperparameters: is not a known key"),
        ('{"HyperParameters": 3}', "H.json:1: HyperParameters: must be a list of objects"),
        ('{"HyperParameters": [\n{"name": "a",,}]}', 'H.json:2: expected a "key"'),
    ],
)
def test_a_file_of_another_shape_is_told(text: str, said: str) -> None:
    (problem,) = parse_hyperparameters(text, "H.json").problems
    assert str(problem).startswith(said)


def test_every_problem_of_a_file_is_found() -> None:
    file = parsed('{"name": "a", "types": "x"}', '{"types": "int"}', '{"name": "ok"}', "3")
    assert [problem.line for problem in file.problems] == [2, 3, 5]
    assert [entry.name for entry in file.entries] == ["a", "ok"]


def test_an_enum_without_choices_takes_anything_but_says_so() -> None:
    file = parsed('{"name": "a", "types": "enum", "defaultValue": "x"}')
    (problem,) = file.problems
    assert problem.severity is Severity.WARNING
    assert check_value(file.entries[0], "whatever") == "whatever"


def test_a_file_that_is_not_text_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "HyperParameters.json"
    path.write_bytes(b'{"HyperParameters": [\n{"name": "\xff"}]}')
    (problem,) = load_hyperparameters(path).problems
    assert str(problem) == f"{path}:2: is not valid UTF-8"


def test_a_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    (problem,) = load_hyperparameters(tmp_path / "none.json").problems
    assert "cannot be read: No such file or directory" in str(problem)


@pytest.mark.parametrize(
    ("kind", "given", "canonical"),
    [
        ("int", " 10 ", "10"),
        ("int", "+007", "7"),
        ("int", "-3", "-3"),
        ("float", " 1e-4", "1e-4"),
        ("float", "3", "3"),
        ("float", ".5", ".5"),
        ("float", "inf", "inf"),
        ("bool", "YES", "true"),
        ("bool", "0", "false"),
        ("string", " $(id) 'q' \"d\"\n中 ", " $(id) 'q' \"d\"\n中 "),
        ("string", "", ""),
    ],
)
def test_values_become_canonical(kind: str, given: str, canonical: str) -> None:
    (entry,) = parsed(f'{{"name": "a", "types": "{kind}"}}').entries
    assert check_value(entry, given) == canonical


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("int", "1.0"), ("int", "1e3"), ("int", "1_000"), ("int", ""), ("int", "٣"),
        ("int", "9" * 5000), ("float", "fast"), ("float", ""), ("float", "nan"),
        ("float", "1_0.0"), ("float", "1,5"), ("bool", "maybe"), ("bool", ""),
        ("string", "a\0b"), ("string", "\udcff"),
    ],
)  # fmt: skip
def test_wrong_values_are_refused(kind: str, given: str) -> None:
    (entry,) = parsed(f'{{"name": "a", "types": "{kind}"}}').entries
    with pytest.raises(ValueError, match=r"must be|holds a NUL|is not valid UTF-8"):
        check_value(entry, given)


def test_resolving_fills_defaults_and_keeps_the_files_order() -> None:
    file = parse_hyperparameters(FILE)
    resolved, problems = resolve_values(file, {"amp": "1", "epochs": " 3"})
    assert not problems
    assert list(resolved.items()) == [
        ("lr", "1e-4"), ("epochs", "3"), ("amp", "true"), ("kind", "sgd"),
    ]  # fmt: skip


def test_resolving_collects_every_problem() -> None:
    file = parse_hyperparameters(FILE)
    given = {"rl": "1", "lr": "fast", "kind": "rmsprop", "note": "a\0b"}
    resolved, problems = resolve_values(file, given)
    assert {problem.field for problem in problems} == {
        "hyperparameters.lr", "hyperparameters.epochs", "hyperparameters.kind",
        "hyperparameters.note", "hyperparameters.rl",
    }  # fmt: skip
    by_name = {problem.key: problem for problem in problems}
    assert by_name["rl"].hint == "did you mean lr?"
    assert by_name["epochs"].message == "is required and has no default"
    assert resolved["lr"] == "fast"
