"""The training's settings: environment variables of their own names, with their defaults here.

`HyperParameters.json` declares the same names, types and defaults for whoever starts the training.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """Hyperparameters; each field is read from the variable of its name."""

    steps: int = 1200
    batch_size: int = 8
    """Sequences per rank and step."""
    learning_rate: float = 3e-3
    warmup_steps: int = 20
    weight_decay: float = 0.1
    n_layer: int = 3
    n_head: int = 4
    n_embd: int = 96
    block_size: int = 96
    """Bytes the model sees at once."""
    corpus_megabytes: float = 4.0
    log_every: int = 10
    checkpoint_every: int = 200
    sample_bytes: int = 240
    """Length of the text written at the end; 0: none."""
    seed: int = 1234

    @classmethod
    def from_environment(cls) -> Settings:
        """Read every setting that is set; a value that does not fit is said by name."""
        values = {}
        for field in fields(cls):
            text = os.environ.get(field.name)
            if text is None:
                continue
            # the annotations are text: "int" or "float"
            convert = int if field.type == "int" else float
            try:
                values[field.name] = convert(text)
            except ValueError:
                raise SystemExit(f"{field.name}={text!r} is not of type {field.type}") from None
        settings = cls(**values)
        settings.check()
        return settings

    def check(self) -> None:
        """End with a sentence when the values cannot work together."""
        for name in ("steps", "batch_size", "n_layer", "n_head", "n_embd", "block_size"):
            if getattr(self, name) < 1:
                raise SystemExit(f"{name}={getattr(self, name)} must be at least 1")
        if self.log_every < 1 or self.checkpoint_every < 1:
            raise SystemExit("log_every and checkpoint_every must be at least 1")
        if self.n_embd % self.n_head:
            raise SystemExit(f"n_embd={self.n_embd} is not a multiple of n_head={self.n_head}")


@dataclass(frozen=True)
class Place:
    """This process among all ranks, as the launcher's variables tell it."""

    rank: int
    local_rank: int
    local_world_size: int
    world_size: int
    output: Path

    @classmethod
    def from_environment(cls) -> Place:
        """Read it; without a launcher this is the only rank."""
        return cls(
            rank=int(os.environ.get("RANK", "0")),
            local_rank=int(os.environ.get("LOCAL_RANK", "0")),
            local_world_size=int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
            world_size=int(os.environ.get("WORLD_SIZE", "1")),
            output=Path(os.environ.get("OUTPUT_DIR") or Path(__file__).parent / "output"),
        )

    @property
    def first(self) -> bool:
        """Whether this rank writes what is written once."""
        return self.rank == 0
