"""What the simulated ranks do, and when. Pure: the same moment always gives the same facts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_JOIN_SECONDS = 1.5
_WARM_UP_SECONDS = 1.0
_SLOW = 1.8
"""How many times longer a straggler's steps take on the way to where it waits for nobody."""


@dataclass(frozen=True, slots=True)
class Story:
    """One simulated training run."""

    world_size: int
    scenario: str = "healthy"
    steps: int = 200
    step_seconds: float = 1.0
    nproc: int = 8
    """Ranks of a node."""

    @property
    def culprit(self) -> int:
        """The rank with which it begins."""
        return self.world_size // 3

    @property
    def turn(self) -> int:
        """The step at which it begins."""
        return max(1, self.steps // 2)

    def spawned(self, rank: int) -> float:
        """Seconds after the start when this rank is there."""
        return 0.2 + _jitter(rank, 1) * 0.4

    def joined(self, rank: int) -> float:
        """When it has joined the others."""
        return self.spawned(rank) + 0.4 + _jitter(rank, 2) * _JOIN_SECONDS

    def first_line(self, rank: int) -> float:
        """When it prints its first line: all have joined."""
        return 0.6 + 0.4 + _JOIN_SECONDS + _jitter(rank, 3) * 0.3

    def step_at(self, rank: int, seconds: float) -> int:
        """The last step it has done by then."""
        begin = 0.6 + 0.4 + _JOIN_SECONDS + _WARM_UP_SECONDS
        done = int((seconds - begin - _jitter(rank, 4) * 0.1) / self.step_seconds)
        if self.scenario == "straggler" and self.slow(rank):
            done = int(done / _SLOW)
        if self.scenario == "hang":
            done = min(done, self.turn - (rank == self.culprit))
        if self.scenario in ("oom", "segfault") and rank == self.culprit:
            done = min(done, self.turn)
        return max(0, min(done, self.steps))

    def slow(self, rank: int) -> bool:
        """Whether the rank is on the node that is the slow one where there is one."""
        return rank // self.nproc == self.culprit // self.nproc

    def fails(self, rank: int, step: int) -> bool:
        """Whether the rank dies once it has done this step."""
        fatal = self.scenario in ("oom", "segfault")
        return fatal and rank == self.culprit and step >= self.turn

    def loses_node(self, first_rank: int, step: int) -> bool:
        """Whether the node with these ranks falls silent after this step."""
        its = self.culprit // self.nproc == first_rank // self.nproc
        return self.scenario == "node-lost" and its and step >= self.turn

    def metrics(self, rank: int, step: int) -> dict[str, float]:
        """The numbers a rank tells of a step."""
        loss = 1.6 + 8.9 * math.exp(-step / (self.steps / 5)) + 0.05 * math.sin(step * 1.7 + rank)
        if self.scenario == "nan" and step >= self.turn:
            loss = math.nan
        rate = 11_200 + 300 * math.sin(step / 9) + _jitter(rank, step) * 60
        return {
            "loss": loss,
            "lr": 3e-4 * min(1.0, step / 20) * (1 - 0.9 * step / max(1, self.steps)),
            "grad_norm": abs(1.1 + 2 / (1 + step / 10) + 0.2 * math.sin(step * 0.9)),
            "tok/s": rate,
        }

    def line(self, rank: int, step: int, metrics: Mapping[str, float]) -> str:
        """What it prints of a step."""
        return (
            f"[rank{rank}] step {step}/{self.steps} loss {metrics['loss']:.4f} "
            f"lr {metrics['lr']:.2e} grad_norm {metrics['grad_norm']:.3f} "
            f"tok/s {metrics['tok/s']:.0f}\n"
        )

    def greeting(self, rank: int) -> str:
        """Its first line: what it is."""
        return f"[rank{rank}] simulated rank {rank} of {self.world_size}: nothing is trained\n"

    def last_words(self, rank: int) -> tuple[str, str, str]:
        """Of the rank that dies: what it prints, the type and the message of its exception."""
        if self.scenario == "segfault":
            return "Fatal Python error: Segmentation fault\n", "", ""
        kind = "torch.OutOfMemoryError"
        message = "CUDA out of memory. Tried to allocate 2.00 GiB (simulated)"
        text = (
            "Traceback (most recent call last):\n"
            '  File "train.py", line 88, in <module>\n    main()\n'
            '  File "train.py", line 61, in main\n    loss.backward()\n'
            f"{kind}: {message}\n"
        )
        return text, kind, message


def _jitter(rank: int, salt: int) -> float:
    """A number from 0 to 1 that looks random and is always the same."""
    mixed = (rank * 2_654_435_761 + salt * 40_503 + 12_345) & 0xFFFFFFFF
    mixed ^= mixed >> 15
    return (mixed * 2_246_822_519 & 0xFFFFFFFF) / 0xFFFFFFFF
