from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest

from rankdeck.cli.job_options import draft_from, split_at_target
from rankdeck.cli.run import run_command
from rankdeck.errors import InvalidJobError
from rankdeck.job.fields import FIELDS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("train.py --lr 1", "train.py -- --lr 1"),
        ("--nproc-per-node 2 train.py --lr 1", "--nproc-per-node 2 train.py -- --lr 1"),
        ("--nproc_per_node 2 train.py --lr 1", "--nproc_per_node 2 train.py -- --lr 1"),
        ("--nproc-per-node=2 train.py -x", "--nproc-per-node=2 train.py -- -x"),
        ("-d -H a,b train.py -x", "-d -H a,b train.py -- -x"),
        ("-Ha,b train.py -x", "-Ha,b train.py -- -x"),
        ("--no-hooks train.py -x", "--no-hooks train.py -- -x"),
        ("train.py -- -x", "train.py -- -x"),
        ("job.yaml --nproc-per-node 2", "job.yaml --nproc-per-node 2"),
        ("--nproc-per-node 2", "--nproc-per-node 2"),
        ("--nproc-per-node 2 -- -x", "--nproc-per-node 2 . -- -x"),
        ("-- -x", ". -- -x"),
    ],
)
def test_what_stands_behind_a_script_is_the_scripts(words: str, expected: str) -> None:
    assert split_at_target(run_command, words.split()) == expected.split()


def test_options_behind_a_project_folder_are_ours(tmp_path: Path) -> None:
    words = [str(tmp_path), "--nproc-per-node", "2"]
    assert split_at_target(run_command, words) == words


def test_option_of_ours_behind_a_script_is_pointed_out(capsys: pytest.CaptureFixture[str]) -> None:
    split_at_target(run_command, ["train.py", "--master_port", "1"])
    assert "--master_port" in capsys.readouterr().err
    split_at_target(run_command, ["train.py", "--learning-rate", "1"])
    assert capsys.readouterr().err == ""


def test_every_field_has_its_option() -> None:
    names = {param.name for param in run_command.params if isinstance(param, click.Option)}
    missing = {field.name for field in FIELDS if field.option} - names
    assert missing <= {"project", "entry"}


def test_assignments_become_mappings_and_keep_their_equals_signs() -> None:
    draft = draft_from({"hyperparameters": ("a=1", "b=x=y", "c=")}, ("--x", "1"))
    assert draft.hyperparameters == {"a": "1", "b": "x=y", "c": ""}
    assert draft.args == ("--x", "1")


def test_every_assignment_without_a_value_is_told() -> None:
    with pytest.raises(InvalidJobError) as caught:
        draft_from({"hyperparameters": ("a", "b=1"), "env": ("c",)})
    assert [problem.key for problem in caught.value.problems] == ["--set", "--env"]


def test_nothing_given_is_an_empty_draft() -> None:
    draft = draft_from({field.name: None for field in FIELDS})
    assert all(
        getattr(draft, name) is None for name in draft.__struct_fields__ if name != "sources"
    )
