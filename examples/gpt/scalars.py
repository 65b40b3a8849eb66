"""Curves for later: TensorBoard files when it is installed, else one JSON object a line."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path


class TensorBoardScalars:
    """Writes event files that `tensorboard --logdir` reads."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.described = f"TensorBoard files in {folder}"
        self._writer = SummaryWriter(str(folder))

    def write(self, step: int, **values: float) -> None:
        """Add one point to each curve."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush to disk."""
        self._writer.close()


class JsonScalars:
    """Appends to `scalars.jsonl`."""

    def __init__(self, folder: Path) -> None:
        path = folder / "scalars.jsonl"
        self.described = f"{path} (tensorboard is not installed)"
        self._file = path.open("a", buffering=1)

    def write(self, step: int, **values: float) -> None:
        """Append one line."""
        self._file.write(json.dumps({"step": step, **values}) + "\n")

    def close(self) -> None:
        """Flush to disk."""
        self._file.close()


def open_scalars(folder: Path) -> TensorBoardScalars | JsonScalars:
    """The better of the two that is possible here."""
    if importlib.util.find_spec("tensorboard"):
        return TensorBoardScalars(folder)
    return JsonScalars(folder)
