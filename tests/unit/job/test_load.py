from __future__ import annotations

from pathlib import Path

import pytest

from rankdeck.errors import InvalidJobError
from rankdeck.job.load import load_job_yaml, parse_job_yaml

JOB = """\
# a job
name: llama-sft
entry: train.py
args: [--resume, "a b", 010]
launcher: torchrun
nnodes: 2
nproc_per_node: auto
host: [node1, node2]
hyperparameters:
  lr: 1e-4
  amp: yes
  note: "$(id) \\n 中"
  skipped:
pass_as: both
env:
  NCCL_DEBUG: INFO
dataset_dir: data
output_dir: /abs/out
python: python3.11
time_limit: 1:30:00
hooks: no
grace: ~
"""


def problems(text: str) -> list[str]:
    return [str(problem) for problem in parse_job_yaml(text, "/p/job.yaml").problems]


def test_values_keep_the_text_that_was_written(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(JOB)
    draft = load_job_yaml(path)
    assert draft.name == "llama-sft"
    assert draft.args == ("--resume", "a b", "010")
    assert (draft.nnodes, draft.nproc_per_node) == ("2", "auto")
    assert draft.host == ("node1", "node2")
    assert draft.hyperparameters == {"lr": "1e-4", "amp": "yes", "note": "$(id) \n 中"}
    assert draft.env == {"NCCL_DEBUG": "INFO"}
    assert draft.time_limit == "1:30:00"
    assert draft.hooks == "no"
    assert draft.grace is None
    assert draft.backend is None


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(JOB + "project: ..\nhostfile: ~/hosts\n")
    draft = load_job_yaml(path)
    assert draft.dataset_dir == str(tmp_path / "data")
    assert draft.output_dir == "/abs/out"
    assert draft.project == str(tmp_path.parent)
    assert draft.hostfile == str(Path.home() / "hosts")
    assert draft.entry == "train.py"
    assert draft.python == "python3.11"


def test_every_value_knows_its_line() -> None:
    draft = parse_job_yaml(JOB, "/p/job.yaml").draft
    where = {name: source.line for name, source in draft.sources.items()}
    assert where["name"] == 2
    assert where["hyperparameters.lr"] == 10
    assert where["hyperparameters.note"] == 12
    assert where["env.NCCL_DEBUG"] == 16
    assert {source.file for source in draft.sources.values()} == {"/p/job.yaml"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("entry: a\nnproc_per_nod: 2", "/p/job.yaml:2: nproc_per_nod: is not a known key"),
        ("entry: a\nentry: b", "/p/job.yaml:2: entry: is given twice, first on line 1"),
        ("name: [a]", "/p/job.yaml:1: name: must be a single value, not a list"),
        ("env:\n  A: {b: c}", "/p/job.yaml:2: env.A: must be a single value"),
        ("env:\n  A: 1\n  A: 2", "/p/job.yaml:3: env.A: is given twice, first on line 2"),
        ("env: [A=1]", "/p/job.yaml:1: env: must be a mapping of names to values"),
        ("args:\n- a\n- [b]", "/p/job.yaml:3: args: must hold single values only"),
        ("args: {a: b}", "/p/job.yaml:1: args: must be a single value, not a mapping"),
        ("- a", "/p/job.yaml:1: must be a mapping of keys to values"),
        ("? [a]\n: b", "/p/job.yaml:1: a key must be a word"),
        ("a: b\nname: 'open\nentry: a", "/p/job.yaml:3: is not valid YAML"),
        ("name: a\n\tentry: b", "/p/job.yaml:2: is not valid YAML"),
        ("a: \x01", "/p/job.yaml: is not valid YAML"),
        ("a: *nowhere", "/p/job.yaml:1: is not valid YAML"),
    ],
)
def test_problems_name_file_line_and_key(text: str, said: str) -> None:
    (problem,) = problems(text)
    assert problem.startswith(said)


def test_an_open_quote_is_told_with_the_line_where_it_begins() -> None:
    (problem,) = problems("a: b\nname: 'open\nentry: a")
    assert "which begins on line 2" in problem


def test_every_problem_of_a_file_is_found() -> None:
    found = problems("nam: x\nname: [a]\nenv: 3\nnproc_per_node: 2\nnproc_per_node: 3\n")
    assert [text.split(":")[1] for text in found] == ["5", "1", "2", "3"]
    hints = [p.hint for p in parse_job_yaml("nproc-per-node: 2", "j").problems]
    assert hints == ["did you mean nproc_per_node?"]


def test_an_empty_file_says_nothing() -> None:
    for text in ("", "# only a comment\n"):
        read = parse_job_yaml(text, "/p/job.yaml")
        assert not read.problems
        assert not read.draft.sources


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidJobError, match="cannot be read: No such file"):
        load_job_yaml(tmp_path / "none.yaml")
    path = tmp_path / "job.yaml"
    path.write_bytes(b"name: a\nentry: \xff\n")
    with pytest.raises(InvalidJobError, match=r"job.yaml:2: is not valid UTF-8"):
        load_job_yaml(path)


def test_tags_build_no_objects() -> None:
    read = parse_job_yaml('name: !!python/object/apply:os.system ["true"]', "j")
    assert [problem.key for problem in read.problems] == ["name"]


def test_an_option_of_a_backend_may_have_several_lines() -> None:
    text = "backend_options:\n  line: [--mem=0, --nice]\n  queue: day\nenv:\n  A: [1]\n"
    read = parse_job_yaml(text, "/p/job.yaml")
    assert read.draft.backend_options == {"line": "--mem=0\n--nice", "queue": "day"}
    assert [str(problem) for problem in read.problems] == [
        "/p/job.yaml:5: env.A: must be a single value"
    ]
