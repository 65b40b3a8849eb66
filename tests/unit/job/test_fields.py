from __future__ import annotations

import pytest

from rankdeck.job.draft import JobDraft
from rankdeck.job.fields import (
    FIELDS,
    FieldKind,
    Section,
    check_field,
    field_named,
    fields_of,
    option_of,
)
from rankdeck.job.spec import JobSpec


def test_every_field_of_a_job_is_described_once() -> None:
    names = [field.name for field in FIELDS]
    assert sorted(names) == sorted(JobSpec.__struct_fields__)
    assert sorted([*names, "sources"]) == sorted(JobDraft.__struct_fields__)


def test_every_field_has_a_place_a_label_and_a_sentence() -> None:
    shown = [field for section in Section for field in fields_of(section)]
    assert sorted(field.name for field in shown) == sorted(field.name for field in FIELDS)
    assert len({field.label for field in FIELDS}) == len(FIELDS)
    for field in FIELDS:
        assert field.help.endswith(".")
        assert (field.kind is FieldKind.CHOICE) == bool(field.choices)


def test_options_are_spelled_as_the_fields() -> None:
    options = {field.name: field.option for field in FIELDS}
    assert options["nproc_per_node"] == "--nproc-per-node"
    assert options["hyperparameters"] == "--set"
    assert options["args"] == ""
    given = [option for option in options.values() if option]
    assert len(set(given)) == len(given)
    assert option_of("hyperparameters.lr") == "--set lr"
    assert option_of("args") == "args"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nproc_per_node", "0"), ("nproc_per_node", "many"), ("master_port", "0"),
        ("master_port", "65536"), ("time_limit", "soon"), ("time_limit", "0"), ("grace", "-1"),
        ("pass_as", "files"), ("hooks", "perhaps"), ("nnodes", "0"), ("max_restarts", "-1"),
        ("env", "NAME"), ("host", "a,,b"), ("args", "'open"), ("name", "a b"), ("entry", "a\0b"),
    ],
)  # fmt: skip
def test_wrong_text_is_told_as_it_is_typed(name: str, text: str) -> None:
    problem = check_field(name, text)
    assert problem is not None
    assert problem.field == name
    assert problem.key == field_named(name).label


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nproc_per_node", "auto"), ("master_port", "29500"), ("time_limit", "2h30m"),
        ("grace", "0"), ("pass_as", "both"), ("hooks", "off"), ("env", "A=b=c"),
        ("host", "a, b"), ("args", "--lr 1 'x y'"), ("output_dir", "~/out"), ("name", "运行1"),
    ],
)  # fmt: skip
def test_right_text_is_taken(name: str, text: str) -> None:
    assert check_field(name, text) is None


def test_an_empty_field_is_never_wrong() -> None:
    assert [check_field(field.name, "") for field in FIELDS] == [None] * len(FIELDS)
