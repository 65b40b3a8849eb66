"""GpuFigures: what the sampler's lines say, for as long as that is fresh. Pure: time is given."""

from __future__ import annotations

from rankdeck.agent.gpu_lines import ASKS, NONE, SOURCE, read_device, word_of
from rankdeck.agent.gpu_map import gpu_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Mapping

    from rankdeck.agent.gpu_lines import Device

STALE = 10.0
"""Seconds after which a figure is not known any more."""
_LONGEST = 200


class GpuFigures:
    """The GPUs of this node as they were heard."""

    def __init__(self) -> None:
        self.source = ""
        self.nothing = False
        """There is no GPU here."""
        self.since = 0.0
        """When a figure came last, or the sampler was started (monotonic seconds)."""
        self._devices: dict[int, Device] = {}
        self._heard: dict[int, float] = {}
        self._heard_at: float | None = None
        self._asks: int | None = None
        self._problem = ("", 0.0)

    def take(self, line: str, now: float, tick: float) -> None:
        """One line, heard at this time."""
        told = word_of(line)
        device = read_device(line)
        if told is not None:
            self._take_word(*told)
        elif device is not None:
            self._devices[device.index] = device
            self._heard[device.index] = self.since = tick
            self._heard_at = now
        elif line:
            self._problem = (line[:_LONGEST], tick)

    def _take_word(self, word: str, rest: str) -> None:
        if word == SOURCE:
            self.source = rest
        elif word == ASKS and rest.isdecimal():
            self._asks = int(rest)
        elif word == NONE:
            self.nothing = True

    def gpu_of(self, pid: int, local_rank: int, environ: Mapping[str, str]) -> int | None:
        """The index of a rank's GPU; None: not known."""
        devices = [self._devices[index] for index in sorted(self._devices)]
        return gpu_of(pid, local_rank, environ, devices, self.source)

    def record(self, tick: float, asked: bool) -> dict[str, Any] | None:
        """As it goes into the node's state (GpuLoad); None: nothing is known yet, or ever.

        Args:
            tick: The time (monotonic seconds).
            asked: Whether there is a sampler that could answer.
        """
        silent = tick - self.since > STALE
        problem, said = self._problem
        if not self._devices and (self.nothing or not (silent or problem)):
            return None
        if silent and asked:
            place = "" if self._asks is None else f" at GPU {self._asks}"
            problem = f"the driver does not answer{place}"
        elif not silent and tick - said > STALE:
            problem = ""
        names = [device.name for device in self._devices.values() if device.name]
        return {
            "source": self.source,
            "model": max(names, key=names.count) if names else "",
            "heard": self._heard_at,
            "silent": silent,
            "problem": problem,
            "devices": [
                self._devices[index].record(tick - self._heard[index] <= STALE)
                for index in sorted(self._devices)
            ],
        }
