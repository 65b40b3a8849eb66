from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from rankdeck.cli.main import cli
from rankdeck.errors import UserError
from rankdeck.run.layout import RunDir
from tests.tui.fake_run import write_run

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory with one run that has told numbers."""
    home = tmp_path / "state"
    monkeypatch.setenv("RANKDECK_HOME", str(home))
    monkeypatch.setenv("RANKDECK_CONFIG", str(tmp_path / "config"))
    run = RunDir(home / "runs" / write_run(home, text="seed=1 warmup=50.5"))
    for rank in range(4):
        with run.node("node01").attempt(0).log(rank).open("a") as log:
            for step in range(1, 41):
                loss = "nan" if step == 30 else f"{2 + rank + 1 / step:.3f}"
                log.write(f"step {step}/40 loss {loss} lr {step / 1000}\n")
    return home


def metrics(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["metrics", "last", *arguments], catch_exceptions=False)


def test_table_tells_each_metric_what_was_told_once_and_what_is_odd(home: Path) -> None:
    told = metrics().output.splitlines()
    assert told[0].split() == ["METRIC", "LAST", "LEAST", "MOST", "STEP", "VALUES"]
    assert told[1].split()[:6] == ["loss", "2.025", "2.025", "3", "40", "40"]
    assert "1 not a number" in told[1]
    assert told[2].split()[:2] == ["lr", "0.04"]
    assert "told once: warmup 50.5" in told
    assert told[-1].split()[0] == "nan"
    assert told[-1].endswith("rank 0  loss is NaN at step 30")


def test_csv_has_every_value_of_the_chosen_ranks(home: Path) -> None:
    rows = list(csv.reader(io.StringIO(metrics("--csv", "--key", "loss", "--rank", "1-2").output)))
    assert rows[0] == ["rank", "metric", "step", "time", "value"]
    assert len(rows) == 81
    assert rows[1] == ["1", "loss", "1", "", "4.0"]
    assert rows[30][4] == "nan"
    assert rows[41][0] == "2"


def test_json_is_one_document_without_nan(home: Path) -> None:
    document = json.loads(metrics("--json", "--rank", "all").output)
    assert [rank["rank"] for rank in document["ranks"]] == [0, 1, 2, 3]
    loss = document["ranks"][0]["metrics"]["loss"]
    assert loss["count"] == 40
    assert loss["step"][:2] == [1.0, 2.0]
    assert loss["value"][29] == "nan"
    assert document["ranks"][0]["total_steps"] == 40
    assert [(alert["kind"], alert["rank"]) for alert in document["alerts"]] == [
        ("nan", rank) for rank in range(4)
    ]


def test_alerts_alone(home: Path) -> None:
    assert metrics("--alerts", "--key", "lr").output == "nothing is odd\n"
    assert "loss is NaN" in metrics("--alerts").output
    assert "ranks" not in json.loads(metrics("--alerts", "--json").output)


def test_what_cannot_be_is_told(home: Path) -> None:
    with pytest.raises(UserError) as caught:
        metrics("--key", "los")
    assert "did you mean 'loss'?" in caught.value.hint
    with pytest.raises(UserError, match="there is no rank 7"):
        metrics("--rank", "7")
    assert metrics("--csv", "--json").exit_code == 2


def test_a_projects_bad_expression_is_a_warning(home: Path) -> None:
    (home / "project" / "metrics.yaml").write_text("patterns:\n  - '(?P<x>'\n")
    done = metrics()
    assert done.exit_code == 0
    assert "metrics.yaml:2: patterns: '(?P<x>' is not a valid regular expression" in done.stderr
