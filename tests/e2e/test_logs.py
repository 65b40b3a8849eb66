"""`rankdeck logs` on real runs: ranks, merging, searching, following."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.conftest import Cli

# one after the other, with enough time between them for the agent to tell them apart
TALK = """
import os, pathlib, time
rank = int(os.environ["RANK"])
folder = pathlib.Path(__file__).parent
for turn in range(4):
    before = folder / (f"said-0-{turn}" if rank else f"said-1-{turn - 1}")
    while (rank or turn) and not before.exists():
        time.sleep(0.02)
    time.sleep(0.2)
    print(f"turn {turn} of rank {rank}", flush=True)
    (folder / f"said-{rank}-{turn}").touch()
"""


@pytest.fixture
def talked(cli: Cli, program: Callable[..., Path]) -> Cli:
    done = cli("run", "--launcher", "direct", "--nproc-per-node", "2", program(TALK))
    assert done.returncode == 0, done.stderr
    return cli


def test_ranks_one_after_the_other_by_default(talked: Cli) -> None:
    lines = talked.ok("logs", "last").splitlines()
    assert lines == [f"[{rank}] turn {turn} of rank {rank}" for rank in (0, 1) for turn in range(4)]


def test_chosen_ranks_only(talked: Cli) -> None:
    assert talked.ok("logs", "last", "--rank", "1").splitlines() == [
        f"turn {turn} of rank 1" for turn in range(4)
    ]
    wrong = talked("logs", "last", "--rank", "0-7")
    assert wrong.returncode == 2
    assert "0 to 1" in wrong.stderr


def test_merged_by_time_keeps_each_ranks_order(talked: Cli) -> None:
    lines = talked.ok("logs", "last", "--merge").splitlines()
    assert len(lines) == 8
    assert lines[0] == "[0] turn 0 of rank 0"
    for rank in (0, 1):
        own = [line for line in lines if line.startswith(f"[{rank}]")]
        assert own == [f"[{rank}] turn {turn} of rank {rank}" for turn in range(4)]
    assert lines != sorted(lines)


def test_matching_lines_only(talked: Cli) -> None:
    found = talked.ok("logs", "last", "--grep", r"turn [23]", "--merge").splitlines()
    assert len(found) == 4
    assert all("turn 2" in line or "turn 3" in line for line in found)
    assert (
        talked.ok("logs", "last", "--grep", "TURN 1", "-i", "--rank", "0") == "turn 1 of rank 0\n"
    )
    wrong = talked("logs", "last", "--grep", "(")
    assert wrong.returncode == 2
    assert "regular expression" in wrong.stderr


def test_last_lines(talked: Cli) -> None:
    assert talked.ok("logs", "last", "-n", "1").splitlines() == [
        "[0] turn 3 of rank 0",
        "[1] turn 3 of rank 1",
    ]
    assert talked.ok("logs", "last", "-n", "0") == ""


def test_one_document(talked: Cli) -> None:
    document = json.loads(talked.ok("logs", "last", "--json", "--rank", "1"))
    assert document["lines"][0] == {"rank": 1, "line": "turn 0 of rank 1"}
    assert talked("logs", "last", "--json", "--follow").returncode == 2


@pytest.mark.parametrize("options", [(), ("--merge",), ("-n", "2")])
def test_following_sees_every_line_once_and_ends_with_the_run(
    cli: Cli, program: Callable[..., Path], options: tuple[str, ...]
) -> None:
    path = program(TALK.replace("range(4)", "range(8)"))
    cli.ok("run", "-d", "--launcher", "direct", "--nproc-per-node", "2", path)
    cli.until_rank(0, "output", "stepping")
    lines = cli.ok("logs", "last", "--follow", *options).splitlines()
    for rank in (0, 1):
        own = [line for line in lines if line.startswith(f"[{rank}]")]
        whole = [f"[{rank}] turn {turn} of rank {rank}" for turn in range(8)]
        assert own == whole[len(whole) - len(own) :]
        assert len(own) == 8 or options == ("-n", "2")


def test_attempts_are_kept_apart(cli: Cli, program: Callable[..., Path], tmp_path: Path) -> None:
    marker = tmp_path / "tried"
    text = f"""
import pathlib, sys
marker = pathlib.Path({str(marker)!r})
print("second" if marker.exists() else "first", flush=True)
if not marker.exists():
    marker.write_text("")
    sys.exit(1)
"""
    done = cli("run", "--launcher", "direct", "--max-restarts", "1", program(text))
    assert done.returncode == 0, done.stderr
    assert cli.ok("logs", "last") == "second\n"
    assert cli.ok("logs", "last", "--attempt", "0") == "first\n"
    assert done.stdout.splitlines() == ["[0] first", "[0] second"]


DIFFER = """
import os, pathlib, time
rank = int(os.environ["RANK"])
print(f"[rank{rank}]: step 1 on cuda:{os.environ['LOCAL_RANK']}", flush=True)
if rank == 2:
    print("loss is nan", flush=True)
time.sleep(0.3)
print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} step 2", flush=True)
folder = pathlib.Path(__file__).parent
while rank == 1 and not (folder / "go").exists():
    time.sleep(0.02)
if rank == 1:
    raise ValueError("boom")
time.sleep(600)
"""


def test_what_ranks_say_alike_and_what_only_some_say(
    cli: Cli, program: Callable[..., Path]
) -> None:
    script = program(DIFFER)
    cli.ok("run", "-d", "--launcher", "direct", "--nproc-per-node", "3", script)

    def all_noticed() -> bool:
        # what the agent sees at one look has one time
        logs = [cli.log(rank) for rank in range(3)]
        node = cli.node_state()
        return (
            node is not None
            and all(b" step 2\n" in log for log in logs)
            and [rank["log_bytes"] for rank in node["ranks"]] == [len(log) for log in logs]
        )

    cli.until_rank(2, "output")
    until(all_noticed)
    script.with_name("go").touch()
    assert cli("wait", "last").returncode == 1
    folded = cli.ok("logs", "last", "--fold", "--grep", "step").splitlines()
    assert len(folded) == 2
    assert all(line.startswith("[0-2 ×3] ") for line in folded)
    assert "[2] loss is nan" in cli.ok("logs", "last", "--minority").splitlines()
    assert "step" not in cli.ok("logs", "last", "--minority")
    (error,) = cli.ok("logs", "last", "--errors").splitlines()
    assert error.endswith("ValueError: boom")
    told = json.loads(cli.ok("logs", "last", "--errors", "--json"))
    assert [(item["rank"], item["whole"]) for item in told["errors"]] == [(1, True)]
    lines = json.loads(cli.ok("logs", "last", "--fold", "--json", "-n", "1"))["lines"]
    assert lines == [{"ranks": [1], "line": "ValueError: boom"}]
    assert cli("logs", "last", "--fold", "-f").returncode == 2
