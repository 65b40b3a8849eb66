from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from rankdeck.cli.nodes import nodes_command
from rankdeck.errors import InvalidJobError

if TYPE_CHECKING:
    from pathlib import Path

HOSTS = "alice@h1:2222 slots=4\nfe80::2 port=2200\nh3 # the last\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "hostfile").write_text(HOSTS)
    return tmp_path


def output(*words: str) -> str:
    done = CliRunner().invoke(nodes_command, list(words), catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_the_inventory_is_a_table(project: Path) -> None:
    lines = output(str(project), "--include", "h1:0,2@fe80::2").splitlines()
    assert [line.split() for line in lines] == [
        ["NODE", "ADDRESS", "SLOTS", "GPUS", "CPUS", "STATE", "FROM"],
        ["h1", "alice@h1:2222", "2", "(0,2)", "–", "–", "–", f"{project}/hostfile:1"],
        ["fe80::2", "[fe80::2]:2200", "–", "–", "–", "–", f"{project}/hostfile:2"],
    ]


def test_json_has_every_fact(project: Path) -> None:
    document = json.loads(output(str(project), "--json", "--backend", "ssh", "--nnodes", "1"))
    (listed,) = document["nodes"]
    node = listed.pop("node")
    assert listed == {"state": "", "usable": None}
    assert {key: node[key] for key in ("name", "user", "port", "slots", "origin")} == {
        "name": "h1", "user": "alice", "port": 2222, "slots": 4,
        "origin": f"{project}/hostfile:1",
    }  # fmt: skip


def test_options_win_over_the_projects_file(project: Path) -> None:
    assert output(str(project), "-H", "x[2,1]").splitlines()[1:] == [
        "x2    x2           –     –     –  –      --host",
        "x1    x1           –     –     –  –      --host",
    ]


def test_mistakes_are_told(project: Path) -> None:
    with pytest.raises(InvalidJobError, match=r"--exclude: host 'h9' is not in"):
        output(str(project), "--exclude", "h9")


def test_notes_are_written_shown_and_forgotten(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANKDECK_HOME", str(tmp_path / "home"))
    assert output("--note", "h[1,3]", "bad NVLink", "--avoid", "--until", "2090-01-01") == ""
    assert output("--note", "fe80::2", "slow disk") == ""
    lines = output(str(project)).splitlines()
    notes = [line.partition("hostfile:")[2][1:].strip() for line in lines]
    assert notes[1:] == [
        "avoid until 2090-01-01: bad NVLink",
        "slow disk",
        "avoid until 2090-01-01: bad NVLink",
    ]
    assert json.loads(output(str(project), "--json"))["notes"]["h1"]["avoid"] is True
    output("--clear", "h[1,3]")
    output("--clear", "fe80::2")
    assert "NOTE" not in output(str(project))


@pytest.mark.parametrize(
    "words",
    [["--avoid"], ["--note", "n", "x", "--until", "3d"], ["--note", "n", "x", "--clear", "n"],
     ["--note", "n[", "x"], ["--note", "n", "x", "--avoid", "--until", "soon"]],
)  # fmt: skip
def test_notes_that_make_no_sense_are_refused(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANKDECK_HOME", str(tmp_path / "home"))
    done = CliRunner().invoke(nodes_command, words)
    assert done.exit_code == 2
    assert not (tmp_path / "home" / "nodes.json").exists()
