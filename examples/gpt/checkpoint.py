"""Checkpoints that are whole or not there: written beside, flushed to disk, then renamed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

KEPT = 2
_TEMPORARY = ".tmp"


def save(folder: Path, step: int, state: dict[str, Any]) -> Path:
    """Write the state after `step`, remove all but the newest `KEPT`, and return its path.

    Whoever is killed at any point of this leaves the earlier checkpoints as they were.
    """
    path = folder / f"step-{step:08d}.pt"
    temporary = path.with_suffix(_TEMPORARY)
    with temporary.open("wb") as file:
        torch.save({"step": step, **state}, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    _flush_folder(folder)
    for old in _found(folder)[:-KEPT]:
        old.unlink()
    return path


def load_newest(folder: Path) -> dict[str, Any] | None:
    """The newest checkpoint that can be read; None when there is none.

    Also removes what a killed writer left half done.
    """
    for leftover in folder.glob(f"step-*{_TEMPORARY}"):
        leftover.unlink()
    for path in reversed(_found(folder)):
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # torch.load raises whatever the damage leads it to
            print(f"{path} cannot be read ({error}); trying the one before", flush=True)
    return None


def _found(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*.pt"))


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
