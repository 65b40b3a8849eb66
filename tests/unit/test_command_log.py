from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from rankdeck import command_log
from rankdeck.command_log import (
    Executed,
    Logged,
    executed,
    keep_in,
    read_commands,
    without_secrets,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    keep_in(tmp_path)
    yield tmp_path
    keep_in(None)


def test_a_command_is_kept_as_one_line(folder: Path) -> None:
    executed(["squeue", "--me"], why="ask Slurm", seconds=0.25, exit_code=0)
    [line] = (folder / "commands.jsonl").read_bytes().splitlines()
    told = json.loads(line)
    assert told.pop("t") > 0
    assert told == {
        "argv": ["squeue", "--me"],
        "why": "ask Slurm",
        "seconds": 0.25,
        "exit_code": 0,
    }
    assert (folder / "commands.jsonl").stat().st_mode & 0o777 == 0o600


def test_without_a_run_it_is_kept_in_the_state_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANKDECK_HOME", str(tmp_path))
    keep_in(None)
    executed(["sinfo"], why="ask")
    assert [record.argv for record in read_commands([tmp_path / "commands.jsonl"])] == [("sinfo",)]


def test_what_is_repeated_with_the_same_outcome_is_counted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(command_log.time, "time", lambda: now)
    for _ in range(5):
        executed(["squeue"], why="ask", exit_code=0)
    executed(["squeue"], why="ask", exit_code=1)
    now = 2000.0
    executed(["squeue"], why="ask", exit_code=0)
    records = read_commands([folder / "commands.jsonl"])
    assert [(record.exit_code, record.times) for record in records] == [(0, 1), (1, 1), (0, 5)]


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        (["run", "--api-key", "abcdefgh"], ["run", "--api-key", "<hidden>"]),
        (["run", "--api-key=abcdefgh"], ["run", "--api-key=<hidden>"]),
        (["env", "HF_TOKEN=abcdefgh", "ls"], ["env", "HF_TOKEN=<hidden>", "ls"]),
        (["sh", "-c", "HF_TOKEN=abcdefgh ls"], ["sh", "-c", "HF_TOKEN=<hidden> ls"]),
        (["sh", "-c", "x --password abcdefgh  y"], ["sh", "-c", "x --password <hidden>  y"]),
        (["git", "clone", "https://me:word@host/x"], ["git", "clone", "<hidden>"]),
        (["ls", "--num-tokens", "512", "A=b"], ["ls", "--num-tokens", "512", "A=b"]),
    ],
)
def test_secrets_are_taken_out(argv: list[str], shown: list[str]) -> None:
    assert list(without_secrets(argv)) == shown


def test_no_command_is_kept_at_any_length() -> None:
    shown = without_secrets(["sh", "-c", "x" * 100_000, "and", "more"])
    assert sum(map(len, shown)) < 5000
    assert shown[-1].endswith("…")


def test_the_file_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_log, "_MOST_BYTES", 1000)
    for number in range(200):
        executed(["ls", str(number)], why="look")
    sizes = [path.stat().st_size for path in folder.iterdir()]
    assert len(sizes) <= 2
    assert max(sizes) < 1200
    assert read_commands([folder / "commands.jsonl"])[-1].argv == ("ls", "199")


def test_where_nothing_can_be_written_nothing_happens(tmp_path: Path) -> None:
    keep_in(tmp_path / "missing")
    try:
        executed(["ls"], why="look")
    finally:
        keep_in(None)


def test_a_torn_line_and_a_foreign_one_are_left_out(folder: Path) -> None:
    executed(["one"], why="look")
    with (folder / "commands.jsonl").open("ab") as stream:
        stream.write(b'{"t": 1, "argv"\n[]\n{"t":1.0,"argv":["two"],"why":"","new":1}\n')
    assert [record.argv[0] for record in read_commands([folder / "commands.jsonl"])] == [
        "two",
        "one",
    ]


@pytest.mark.parametrize(
    "argv", [("ssh", "a\x1b]52;c;x\x07 b"), ("x", "it's \\ \n\t训练 \u202e"), ("plain", "a b", "")]
)
def test_a_command_is_written_in_printable_characters_and_means_the_same(
    argv: tuple[str, ...],
) -> None:
    line = Logged(run="", command=Executed(t=0.0, argv=argv, why="")).line
    assert line.isprintable()
    script = f"for word in {line}; do printf '%s\\0' \"$word\"; done"
    heard = subprocess.run(["bash", "-c", script], capture_output=True, check=True).stdout
    assert heard.decode().split("\0")[:-1] == list(argv)
