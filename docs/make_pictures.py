"""Draws the README's pictures from the real interface: python docs/make_pictures.py [FOLDER].

Two runs on simulated clusters of 16 nodes (`rankdeck demo --simulate`) are started in a directory
of their own, watched, drawn and ended. With a folder, every screen is drawn there at three sizes.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from rankdeck.job.draft import JobDraft
from rankdeck.job.resolve import resolve_job
from rankdeck.project.scaffold import scaffold
from rankdeck.run.control import RunCommand, RunCommandKind, send_command
from rankdeck.run.launch import submit
from rankdeck.run.lock import lock_holder
from rankdeck.run.store import RunStore
from rankdeck.run.view import RunReader
from tui.deck import Deck
from tui.environment import prepare_environment

ROOT = Path(__file__).parents[1]
HYPERPARAMETERS = """{"HyperParameters": [
 {"name": "lr", "types": "float", "defaultValue": "3e-4", "description": "Learning rate"},
 {"name": "batch", "types": "int", "defaultValue": "32", "description": "Samples per rank"},
 {"name": "amp", "types": "bool", "defaultValue": "true", "description": "Mixed precision"}
]}"""
README_SIZE = (120, 36)
README = (("run", "2"), ("failure", ""))
"""The README's pictures and the keys that lead to them."""
SCREENS = {
    "runs": ("", ""),
    "run": ("live", ""),
    "ranks": ("live", "1 z"),
    "log": ("live", "2"),
    "merged": ("live", "2 m x"),
    "curves": ("live", "3 z"),
    "nodes-of-run": ("live", "4 z"),
    "events": ("live", "5 z"),
    "failure": ("failed", ""),
    "signals": ("live", "S"),
    "form": ("", "n"),
    "hyperparameters": ("", "n f3"),
    "preview": ("", "n f6"),
    "nodes": ("", "N"),
    "palette": ("", "ctrl+p"),
    "settings": ("", "comma"),
    "commands": ("", "grave_accent"),
    "help": ("live", "f1"),
}


def start(store: RunStore, project: Path, name: str, **options: str | float) -> RunReader:
    """Start a job on a simulated cluster."""
    draft = JobDraft(
        project=str(project),
        name=name,
        backend="demo",
        nnodes=16,
        nproc_per_node=8,
        backend_options=options,
    )
    environ = dict(os.environ)
    spec = resolve_job(None, draft, project, environ)
    return RunReader(submit(spec, store, cwd=project, environ=environ))


def wait(reader: RunReader, step: int) -> None:
    """Until the run has come so far, or has ended."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        run = reader.snapshot().run
        if run.state.final or (run.progress and (run.progress.step or 0) >= step):
            return
        time.sleep(0.1)


async def draw(
    store: RunStore, run: str | None, keys: str, size: tuple[int, int], file: Path
) -> None:
    """Open the interface, press the keys, and keep what is seen."""
    deck = Deck(store, run)
    async with deck.run_test(size=size) as pilot:
        await pilot.pause(2.0)
        for key in keys.split():
            await pilot.press(key)
            await pilot.pause(0.7)
        await pilot.pause(1.0)
        deck.save_screenshot(file.name, str(file.parent))


def main() -> None:
    """Start the runs, draw, and end what still runs."""
    prepare_environment(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "llama-sft"
        scaffold(project, "direct")
        (project / "HyperParameters.json").write_text(HYPERPARAMETERS)
        os.environ["RANKDECK_CONFIG"] = str(Path(folder) / "config")
        store = RunStore(Path(folder) / "state")
        store.ensure()
        live = start(store, project, "llama-sft", steps=500, step_seconds=0.2)
        failed = start(store, project, "mnist-ddp", scenario="oom", steps=80, step_seconds=0.1)
        wait(failed, 1_000_000)
        wait(live, 150)
        os.chdir(project)
        runs = {"": None, "live": live.dir.id, "failed": failed.dir.id}
        if len(sys.argv) == 1:
            for name, keys in README:
                run = runs["failed" if name == "failure" else "live"]
                target = ROOT / "docs" / "images" / f"{name}.svg"
                asyncio.run(draw(store, run, keys, README_SIZE, target))
        else:
            for size in ((80, 24), (120, 40), (200, 60)):
                for name, (run_name, keys) in SCREENS.items():
                    file = Path(sys.argv[1]).resolve() / f"{name}-{size[0]}x{size[1]}.svg"
                    asyncio.run(draw(store, runs[run_name], keys, size, file))
        os.chdir(ROOT)
        send_command(live.dir, RunCommand(command=RunCommandKind.KILL))
        wait(live, 1_000_000)
        # a run has ended before its supervisor has written its last
        for reader in (live, failed):
            while lock_holder(reader.dir.supervisor_lock) is not None:
                time.sleep(0.1)


if __name__ == "__main__":
    main()
