"""What there is to say of a node's GPUs: a few figures, and what is wrong with which. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rankdeck.text import ranges

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rankdeck.run.node_state import GpuDevice, GpuLoad

_PROGRAMS_OWN = frozenset({13, 31, 43, 45, 68, 109})
"""Xids after which a GPU is still good: NVIDIA's device plugin for Kubernetes ignores them."""


@dataclass(frozen=True, slots=True)
class GpuFault:
    """Something that is wrong."""

    text: str
    """Hostile: drivers have their own words."""
    grave: bool
    """The GPU cannot be relied on; otherwise it is only slower than it could be."""


@dataclass(frozen=True, slots=True)
class GpuSummary:
    """All GPUs of a node together; None: no GPU tells."""

    mean: float | None
    """Percent busy, on average."""
    least: GpuDevice | None
    """The one that is least busy."""
    fullest: GpuDevice | None
    """The one with most of its memory in use."""
    hottest: GpuDevice | None
    faults: tuple[GpuFault, ...]


def summarise(load: GpuLoad) -> GpuSummary:
    """The figures and faults of a node's GPUs."""
    busy = [(device.util, device) for device in load.devices if device.util is not None]
    full = [(part, device) for device in load.devices if (part := memory_part(device)) is not None]
    hot = [(device.temp, device) for device in load.devices if device.temp is not None]
    places: dict[GpuFault, list[int]] = {}
    for device in load.devices:
        for fault in faults_of(device):
            places.setdefault(fault, []).append(device.index)
    faults = [
        GpuFault(f"GPU{'s' if len(where) > 1 else ''} {ranges(where)}: {fault.text}", fault.grave)
        for fault, where in places.items()
    ]
    if load.problem:
        faults.insert(0, GpuFault(load.problem, grave=load.silent))
    return GpuSummary(
        mean=sum(util for util, _ in busy) / len(busy) if busy else None,
        least=min(busy, key=_first)[1] if busy else None,
        fullest=max(full, key=_first)[1] if full else None,
        hottest=max(hot, key=_first)[1] if hot else None,
        faults=tuple(sorted(faults, key=lambda fault: not fault.grave)),
    )


def in_order(load: GpuLoad) -> bool:
    """Whether nothing at all is wrong: for those who ask of hundreds of nodes at a time."""
    return not load.problem and not any(
        device.error or device.xid is not None or device.ecc_errors or device.throttle
        for device in load.devices
    )


def memory_part(device: GpuDevice) -> float | None:
    """How much of its memory is in use, 0 to 1."""
    if not device.mem_total or device.mem_used is None:
        return None
    return device.mem_used / device.mem_total


def answers(device: GpuDevice) -> bool:
    """Whether any figure of it is known; some GPUs (slices) never tell how busy they are."""
    return any(value is not None for value in (device.util, device.mem_used, device.temp))


def faults_of(device: GpuDevice) -> Iterable[GpuFault]:
    """What is wrong with one GPU."""
    if device.error:
        yield GpuFault(device.error, grave=True)
    if device.xid is not None:
        own = device.xid in _PROGRAMS_OWN
        why = " (by itself the program's fault)" if own else ""
        yield GpuFault(f"Xid {device.xid}{why}", grave=not own)
    if device.ecc_errors:
        s = "" if device.ecc_errors == 1 else "s"
        yield GpuFault(f"{device.ecc_errors} uncorrected memory error{s}", grave=True)
    if device.throttle:
        yield GpuFault(f"slowed down ({device.throttle})", grave=False)


def _first(pair: tuple[float, GpuDevice]) -> float:
    return pair[0]
