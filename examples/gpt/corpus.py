"""The text to learn: Python files of `$DATASET_DIR`, else the standard library's own source."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path

import torch

_LEFT_OUT = {"__pycache__", "site-packages", "dist-packages", "test", "tests", "idlelib"}


def find_corpus() -> Path:
    """`$DATASET_DIR` when it holds Python files, else the folder of the standard library."""
    dataset = os.environ.get("DATASET_DIR")
    if dataset and next(_python_files(Path(dataset)), None):
        return Path(dataset)
    return Path(sysconfig.get_paths()["stdlib"])


def read_corpus(folder: Path, limit: int) -> torch.Tensor:
    """The first `limit` bytes of all files in a fixed order, so that every rank has the same.

    One token is one byte: nothing has to be trained or stored before the training can start.
    """
    text = bytearray()
    for path in _python_files(folder):
        if len(text) >= limit:
            break
        text += path.read_bytes()
    if len(text) < 10_000:
        raise SystemExit(f"{folder}: {len(text)} bytes of Python are too little to learn from")
    return torch.frombuffer(text[:limit], dtype=torch.uint8)


def _python_files(folder: Path):
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(set(folders) - _LEFT_OUT)
        for name in sorted(files):
            if name.endswith(".py"):
                yield Path(parent, name)


class Batches:
    """Which bytes each rank sees at each step: a function of seed, step and rank alone.

    Every rank draws the whole step's sequences from the same generator and takes its own part, so
    no two ranks share one, and a resumed training goes on exactly where it was.
    """

    def __init__(self, text: torch.Tensor, block: int, batch: int, seed: int) -> None:
        self.text = text
        self.batch = batch
        self.seed = seed
        self._window = torch.arange(block + 1)

    def at(self, step: int, rank: int, world_size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs and targets of one rank for one step, each of shape (batch, block)."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        starts = torch.randint(
            len(self.text) - len(self._window) + 1,
            (world_size * self.batch,),
            generator=generator,
        )
        mine = starts[rank * self.batch : (rank + 1) * self.batch]
        sequences = self.text[mine[:, None] + self._window].long()
        return sequences[:, :-1], sequences[:, 1:]
