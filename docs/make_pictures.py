"""Draws the README's picture from the real interface on a real run: python docs/make_pictures.py.

A stand-in job of eight ranks is started in a directory of its own, watched for a moment, drawn
and ended. With a folder as argument, every screen is drawn there at three sizes instead.
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
from rankdeck.run.control import RunCommand, RunCommandKind, send_command
from rankdeck.run.launch import submit
from rankdeck.run.store import RunStore
from rankdeck.run.view import RunReader
from tui.deck import Deck

ROOT = Path(__file__).parents[1]
PROGRAM = """
import math, os, sys, time
rank, steps, pause = int(os.environ["RANK"]), int(sys.argv[1]), float(sys.argv[2])
for step in range(1, steps + 1):
    loss = 1.9 + 2.2 * math.exp(-step / 90) + 0.02 * math.sin(step * 1.7 + rank)
    rate = 11200 + step % 37 * 9
    print(f"step {step}/{steps} loss {loss:.4f} lr 3.0e-04 tok/s {rate}", flush=True)
    if len(sys.argv) > 3 and rank == 5 and step == int(sys.argv[3]):
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
    time.sleep(pause)
"""
HYPERPARAMETERS = """{"HyperParameters": [
 {"name": "lr", "types": "float", "defaultValue": "3e-4", "description": "Learning rate"},
 {"name": "batch", "types": "int", "defaultValue": "32", "description": "Samples per rank"},
 {"name": "amp", "types": "bool", "defaultValue": "true", "description": "Mixed precision"}
]}"""


def start(store: RunStore, project: Path, name: str, *args: str) -> RunReader:
    draft = JobDraft(
        project=str(project), name=name, launcher="direct", entry="train.py", nproc_per_node=8,
        args=args,
    )  # fmt: skip
    environ = dict(os.environ)
    spec = resolve_job(None, draft, project, environ)
    return RunReader(submit(spec, store, cwd=project, environ=environ))


def wait(reader: RunReader, step: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        run = reader.snapshot().run
        if run.state.final or (run.progress and (run.progress.step or 0) >= step):
            return
        time.sleep(0.1)


async def draw(
    store: RunStore, run: str | None, keys: str, size: tuple[int, int], file: Path
) -> None:
    deck = Deck(store, run)
    async with deck.run_test(size=size) as pilot:
        await pilot.pause(1.5)
        for key in keys.split():
            await pilot.press(key)
            await pilot.pause(0.5)
        deck.save_screenshot(file.name, str(file.parent))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "llama-sft"
        project.mkdir()
        (project / "train.py").write_text(PROGRAM)
        (project / "HyperParameters.json").write_text(HYPERPARAMETERS)
        store = RunStore(Path(folder) / "state")
        store.ensure()
        live = start(store, project, "llama-sft", "500" if len(sys.argv) == 1 else "2000", "0.05")
        wait(live, 190)
        if len(sys.argv) == 1:
            target = ROOT / "docs" / "images" / "run.svg"
            asyncio.run(draw(store, live.dir.id, "", (110, 30), target))
        else:
            failed = start(store, project, "mnist-ddp", "200", "0.02", "40")
            done = start(store, project, "warm-up", "60", "0.01")
            wait(failed, 1000)
            wait(done, 1000)
            gallery(store, live, failed, Path(sys.argv[1]), project)
        os.chdir(ROOT)
        send_command(live.dir, RunCommand(command=RunCommandKind.KILL))
        wait(live, 1_000_000)


def gallery(
    store: RunStore, live: RunReader, failed: RunReader, folder: Path, project: Path
) -> None:
    os.chdir(project)
    for width, height in ((80, 24), (120, 40), (200, 60)):
        for name, run, keys in (
            ("runs", None, ""),
            ("run", live.dir.id, ""),
            ("events", live.dir.id, "3"),
            ("failure", failed.dir.id, ""),
            ("form", None, "n"),
            ("hyperparameters", None, "n f3 4 x"),
            ("preview", None, "n f6"),
            ("help", live.dir.id, "f1"),
            ("stop", live.dir.id, "s"),
        ):
            file = folder / f"{name}-{width}x{height}.svg"
            asyncio.run(draw(store, run, keys, (width, height), file))


if __name__ == "__main__":
    main()
