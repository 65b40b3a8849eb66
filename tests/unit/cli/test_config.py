from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from rankdeck.cli.main import cli
from rankdeck.command_log import executed, keep_in
from rankdeck.run.layout import rankdeck_home
from rankdeck.run.store import RunStore

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RANKDECK_CONFIG", str(tmp_path))
    return tmp_path


def _run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(cli, arguments)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def test_path_is_that_of_the_folder(config: Path) -> None:
    assert _run("config", "path") == (0, f"{config}\n", "")


def test_show_tells_every_setting(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (config / "config.yaml").write_text("mouse: no\n")
    monkeypatch.setenv("RANKDECK_THEME", "nord")
    code, out, _ = _run("config", "show")
    assert code == 0
    assert "theme            nord  (by $RANKDECK_THEME)" in out
    assert "mouse            false" in out
    settings = json.loads(_run("config", "show", "--json")[1])["settings"]
    assert (settings["theme"], settings["mouse"]) == ("nord", False)


def test_check_tells_what_does_not_count_with_its_line(config: Path) -> None:
    assert _run("config", "check")[:2] == (0, f"{config}: nothing is wrong\n")
    (config / "config.yaml").write_text("theme: nord\nmuose: no\n")
    (config / "keymap.yaml").write_text("run.stop: r\nruns.opne: x\n")
    code, _, told = _run("config", "check")
    assert code == 2
    assert f"{config}/config.yaml:2: muose: is not a setting\n  did you mean mouse?" in told
    assert f"{config}/keymap.yaml:1: run.stop: r is already run.rerun" in told
    assert f"{config}/keymap.yaml:2: runs.opne: is not the name of a key" in told
    code, out, _ = _run("config", "check", "--json")
    assert code == 2
    assert [problem["line"] for problem in json.loads(out)["problems"]] == [2, 1, 2]


def test_keys_are_listed_by_the_name_that_a_keymap_takes() -> None:
    rows = json.loads(_run("config", "keys", "--json")[1])["keys"]
    assert {"id": "runs.open", "keys": "enter", "help": "Open the run."} in rows


def test_commands_are_told_newest_last() -> None:
    RunStore(rankdeck_home()).ensure()
    keep_in(None)
    executed(["squeue", "--me"], why="ask", exit_code=0)
    executed(["sbatch", "a b"], why="submit", exit_code=1, host="login\x1b[2J")
    code, out, _ = _run("commands")
    assert code == 0
    first, second = out.splitlines()
    assert first.endswith(" squeue --me")
    assert second.endswith(" login: sbatch 'a b'  ✖ 1")
    told = json.loads(_run("commands", "--json")[1])["commands"]
    assert [one["argv"] for one in told] == [["squeue", "--me"], ["sbatch", "a b"]]
