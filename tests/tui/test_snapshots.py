"""What every screen looks like at three sizes: `pytest --snapshot-update` redraws the pictures.

Everything that differs between machines and moments is held still: clock, time zone, paths, host.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rankdeck.config.settings import Settings
from rankdeck.nodes.notes import NodeNotes
from rankdeck.run.state import Failure, RunPhase
from rankdeck.run.store import RunStore
from tests.tui.fake_run import NOW, gpus_of, write_cluster_run, write_loads, write_run
from tests.tui.pilot import screen_text, until_shown
from tests.tui.settled import threads_rest
from tui.deck import Deck

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from textual.pilot import Pilot

pytestmark = pytest.mark.xdist_group("looks")

SIZES = ((80, 24), (120, 40), (200, 60))
LOSSES = [3.2 / (1 + step / 15) + (step % 7) * 0.02 for step in range(1, 120)]
LOG = "\n".join(
    f"[rank0] step {step}/500 loss {loss:.4f} lr {3e-4:.1e} tok/s {11_200 + step % 37 * 9}"
    for step, loss in enumerate(LOSSES, 1)
)
TRACEBACK = (
    "Traceback (most recent call last):",
    '  File "/home/ada/mnist/train.py", line 19, in <module>',
    "    check(loss, step)",
    "ValueError: loss is nan at step 7",
)
FAILURE = Failure(
    rank=2,
    node="node01",
    category="exception",
    summary="rank 2 on node01 raised ValueError: loss is nan at step 7 (train.py:9 in check)",
    certainty="certain",
    evidence=TRACEBACK,
    collateral_ranks=(0, 1, 3),
    hint="look at the learning rate and the data of that step",
    time=NOW - 40,
)
HYPERPARAMETERS = """{"HyperParameters": [
 {"name": "lr", "types": "float", "defaultValue": "3e-4", "description": "Learning rate"},
 {"name": "batch", "types": "int", "defaultValue": "32", "description": "Samples per rank"},
 {"name": "amp", "types": "bool", "defaultValue": "true", "description": "Mixed precision"}
]}"""
SCREENS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "runs": ("", (), "llama-sft"),
    "runs-filtered": ("", ("slash", *"state:failed", "enter"), "mnist"),
    "run": ("llama-sft", (), "stepping"),
    "ranks-512": ("pretrain", ("1", "z"), "node064"),
    "log": ("mnist", ("2",), "step 119"),
    "curves": ("mnist", ("3", "z"), "loss"),
    "nodes-of-run": ("llama-sft", ("4", "z"), "node016"),
    "node-details": ("llama-sft", ("4", "d"), "NVIDIA H100"),
    "ranks-by-gpu": ("llama-sft", ("1", "z", "v", "v", "v"), "gpu idle"),
    "events": ("mnist", ("5", "z"), "created"),
    "failure": ("mnist", ("2", "6", "z"), "ended because of it"),
    "signals": ("llama-sft", ("S",), "TERM"),
    "stop": ("llama-sft", ("s",), "Stop llama-sft?"),
    "form": ("", ("n",), "ready"),
    "form-hyperparameters": ("", ("n", "f3"), "Learning rate"),
    "form-nodes": ("", ("n", "f4"), "Backend"),
    "preview": ("", ("n", "f6"), "train.py"),
    "nodes": ("", ("N",), "node1"),
    "templates": ("", ("colon", *"templates", "enter"), "nightly"),
    "workspaces": ("", ("colon", *"workspaces", "enter"), "lab"),
    "settings": ("", ("comma",), "theme"),
    "commands": ("", ("grave_accent",), "command log"),
    "palette": ("", ("ctrl+p",), "new job"),
    "help": ("llama-sft", ("question_mark",), "The rank grid."),
}
"""By name: which run is opened, what is pressed, and what is on the screen then."""
WITH_LOAD = ("nodes-of-run", "node-details", "ranks-by-gpu")
"""On these screens the agents have spoken."""
_LOOKS = 16


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of always the same name, in UTC; one test at a time has it."""
    # parts of its path are in the pictures: neither $TMPDIR nor who runs the tests may be
    folder = Path("/tmp/rankdeck-looks-0")
    with open(f"/tmp/rankdeck-looks-{os.getuid()}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        monkeypatch.setenv("TZ", "UTC")
        time.tzset()
        for name in ("TMUX", "STY", "SSH_CONNECTION", "NO_COLOR", "RANKDECK_THEME"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("RANKDECK_CONFIG", str(folder / "config"))
        monkeypatch.setenv("RANKDECK_HOME", str(folder / "state"))
        monkeypatch.setattr("backends.local.backend.host_name", lambda: "login1")
        monkeypatch.setattr("backends.local.backend._cpu_count", lambda: 16)
        monkeypatch.setattr("rankdeck.probe.preflight.free_bytes", lambda _folder: 64 << 30)
        monkeypatch.setattr("rankdeck.probe.preflight._gpus", lambda: 4)
        monkeypatch.setattr("tui.node_survey._ASKED_UNBIDDEN", 0)
        yield folder
        shutil.rmtree(folder, ignore_errors=True)
    monkeypatch.undo()
    time.tzset()


def furnish(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Runs, a project, templates and a workspace; the runs' ids by name."""
    home, config, project = folder / "state", folder / "config", folder / "mnist"
    runs = {
        "llama-sft": write_cluster_run(home, "llama-sft", nodes=16, age=7961),
        "pretrain": write_cluster_run(home, "pretrain", nodes=64, age=90_000, silent=(7,)),
        "vit-b16": write_cluster_run(
            home,
            "vit-b16",
            RunPhase.QUEUED,
            nodes=4,
            age=300,
            reason="job 4711: Priority, estimated start 14:20",
            placeholders=True,
        ),
        "mnist": write_run(
            home, "mnist", RunPhase.FAILED, text=LOG, failure=FAILURE, age=70, reason="failed"
        ),
        "warm-up": write_run(home, "warm-up", RunPhase.SUCCEEDED, text=LOG, age=86_400 * 2),
    }
    project.mkdir()
    (project / "train.py").write_text("print('training')\n")
    (project / "HyperParameters.json").write_text(HYPERPARAMETERS)
    (project / "python").write_text('#!/bin/sh\nexec python3 "$@"\n')
    (project / "python").chmod(0o700)
    (project / "hostfile").write_text("node1 slots=8\nnode2 slots=8\nnode3 slots=8\n")
    (project / "job.yaml").write_text(
        "entry: train.py\nlauncher: direct\nnproc_per_node: 4\npython: ./python\n"
    )
    for kind, name, text in (
        ("templates", "nightly", "# Every night on four nodes\nbackend: slurm\nnnodes: 4\n"),
        ("templates", "debug", "# Two ranks here\nnproc_per_node: 2\n"),
        ("workspaces", "lab", "# The four machines of the lab\nbackend: ssh\nhost: [lab1, lab2]\n"),
    ):
        (config / kind).mkdir(parents=True, exist_ok=True)
        (config / kind / f"{name}.yaml").write_text(text)
    NodeNotes(home).write("node2", "bad NVLink", avoid=True)
    monkeypatch.chdir(project)
    return runs


async def until_still(pilot: Pilot[None], seconds: float = 0.8) -> None:
    """Let the interface go on until it has looked the same for so long, with nothing to do."""
    deck, seen, since, looks = pilot.app, "", time.monotonic(), 0
    deadline = since + 90
    # looks are counted, too: a machine that stood still has shown nothing meanwhile
    while looks < _LOOKS or time.monotonic() < since + seconds:
        assert time.monotonic() < deadline, "it is never still"
        await pilot.pause(seconds / _LOOKS)
        now = screen_text(deck)  # type: ignore[arg-type]
        looks += 1
        if now != seen or not threads_rest():
            seen, since, looks = now, time.monotonic(), 0


def draw(first: str, keys: tuple[str, ...], shown: str) -> Callable[[Pilot[None]], Awaitable[None]]:
    """Waits for a text, presses keys, waits for another text and for everything to be still."""

    async def run_before(pilot: Pilot[None]) -> None:
        await until_shown(pilot, first)
        await until_still(pilot)
        for key in keys:
            await pilot.press(key)
        await until_shown(pilot, shown)
        await until_still(pilot)

    return run_before


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", SCREENS)
def test_screen(
    name: str,
    size: tuple[int, int],
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    snap_compare: Callable[..., bool],
) -> None:
    run, keys, shown = SCREENS[name]
    runs = furnish(place, monkeypatch)
    if name in WITH_LOAD:
        write_loads(place / "state", runs[run], gpus=gpus_of)
    store = RunStore(place / "state")
    deck = Deck(store, runs[run] if run else None, settings=Settings(), clock=lambda: NOW)
    # the ranks, or the card of the failure, which opens by itself
    first = "rank 2, node" if run == "mnist" else "no backend named" if run else "rankdeck"
    assert snap_compare(deck, terminal_size=size, run_before=draw(first, keys, shown))
