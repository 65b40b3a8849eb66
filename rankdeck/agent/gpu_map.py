"""Which GPU a rank computes on, by the variables that CUDA and ROCm obey. Pure.

The variables tell what a rank may use; the driver's list of processes, where there is one, tells
what it does use, and comes first.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Mapping, Sequence

    from rankdeck.agent.gpu_lines import Device

AMD = "amdgpu"
_NVIDIA_VARIABLES: tuple[tuple[str, ...], ...] = (("CUDA_VISIBLE_DEVICES",),)
# ROCR filters first; HIP counts among what is left, and takes CUDA's variable as well
_AMD_VARIABLES: tuple[tuple[str, ...], ...] = (
    ("ROCR_VISIBLE_DEVICES",),
    ("HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"),
)
_MIG_OF_GPU = "MIG-GPU-"


def gpu_of(
    pid: int,
    local_rank: int,
    environ: Mapping[str, str],
    devices: Sequence[Device],
    source: str,
) -> int | None:
    """The index of the rank's GPU; None: it cannot be told, or it has none.

    A rank takes the visible GPU that its local rank counts to, and the only one where there is but
    one: this is how launchers are used, and not how they must be.
    """
    seen = devices
    for alternatives in _AMD_VARIABLES if source == AMD else _NVIDIA_VARIABLES:
        text = next((environ[name] for name in alternatives if name in environ), None)
        if text is not None:
            seen = visible(text, seen)
    planned = None
    if local_rank < len(seen):
        planned = seen[local_rank].index
    elif len(seen) == 1:
        planned = seen[0].index
    used = [device.index for device in devices if pid in device.pids]
    if not used or planned in used:
        # many programs leave a context on the first GPU besides: the planned one is its own
        return planned
    return used[-1] if len(used) == 1 else None


def visible(text: str, devices: Sequence[Device]) -> list[Device]:
    """The devices that such a list makes visible, in its order.

    Numbers, and beginnings of UUIDs; what follows an entry that means no device does not count, and
    one that is there twice makes the whole list mean none.
    """
    found: list[Device] = []
    for word in text.split(","):
        device = _named(word.strip(), devices)
        if device is None:
            break
        if device in found:
            return []
        found.append(device)
    return found


def _named(word: str, devices: Sequence[Device]) -> Device | None:
    if word.isdecimal():
        number = int(word)
        return devices[number] if number < len(devices) else None
    if word.startswith(_MIG_OF_GPU):
        word = word[len("MIG-") :].partition("/")[0]
    if not word.startswith("GPU-"):
        return None
    meant = [device for device in devices if device.uuid.startswith(word)]
    return meant[0] if len(meant) == 1 else None
