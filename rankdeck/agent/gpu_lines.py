"""What the GPU sampler prints and the agent reads: a line a GPU, as `nvidia-smi` prints CSV.

`index, uuid, name, busy %, MiB used, MiB in all, °C, W, uncorrected ECC errors` and, where the
sampler is ours, `throttle, xid, error, pids`. Lines with `#` are about the whole: see `word_of`.
Pure; never raises for what a driver may print.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FIELDS = (
    "index",
    "uuid",
    "name",
    "utilization.gpu",
    "memory.used",
    "memory.total",
    "temperature.gpu",
    "power.draw",
    "ecc.errors.uncorrected.volatile.total",
)
"""The columns by the names that `nvidia-smi --query-gpu` gives them."""
SOURCE, ASKS, NONE = "source", "asks", "none"
_MIB = 1024 * 1024
_LONGEST = 120
# what nvidia-smi prints in place of a figure when it is not the figure's fault
_BROKEN = ("GPU is lost", "Unknown Error", "GPU requires reset")


class Device:
    """One GPU as it was told last; None: not known."""

    def __init__(self, index: int, uuid: str) -> None:
        self.index = index
        self.uuid = uuid
        self.name = ""
        self.util: float | None = None
        self.mem_used: int | None = None
        self.mem_total: int | None = None
        self.temp: float | None = None
        self.power: float | None = None
        self.ecc_errors: int | None = None
        self.throttle = ""
        self.xid: int | None = None
        self.error = ""
        self.pids: tuple[int, ...] = ()

    def line(self) -> str:
        """As the sampler prints it."""
        columns = (
            self.index,
            self.uuid,
            self.name,
            self.util,
            _in_mib(self.mem_used),
            _in_mib(self.mem_total),
            self.temp,
            self.power,
            self.ecc_errors,
            self.throttle,
            self.xid,
            self.error.replace(",", ";"),
            " ".join(map(str, self.pids)),
        )
        return ", ".join("" if value is None else str(value) for value in columns)

    def record(self, fresh: bool) -> dict[str, Any]:
        """As it goes into the node's state (GpuDevice): what is not known is left out.

        Not `fresh`: figures are not known any more, faults that were seen stay.
        """
        values: dict[str, Any] = {"index": self.index, "mem_total": self.mem_total}
        if fresh:
            values.update(
                util=self.util, mem_used=self.mem_used, temp=self.temp, power=self.power,
                throttle=self.throttle,
            )  # fmt: skip
        values.update(ecc_errors=self.ecc_errors or None, xid=self.xid, error=self.error)
        return {name: value for name, value in values.items() if value not in (None, "")}


def _in_mib(count: int | None) -> int | None:
    return None if count is None else count // _MIB


def word_of(line: str) -> tuple[str, str] | None:
    """`# WORD REST` as a pair; None for any other line.

    `source NAME`: where figures come from; `asks INDEX`: the GPU that is asked next; `none`: there
    is nothing to sample here, and never will be.
    """
    if not line.startswith("# "):
        return None
    word, _, rest = line[2:].partition(" ")
    return word, rest.strip()


def read_device(line: str) -> Device | None:
    """One GPU's line; None: it is none."""
    columns = [column.strip() for column in line.split(",")]
    if len(columns) < len(FIELDS) or not columns[0].isdecimal():
        return None
    device = Device(int(columns[0]), columns[1])
    device.name = columns[2][:_LONGEST]
    device.util, used, total, device.temp, power, errors = map(_number, columns[3:9])
    device.mem_used, device.mem_total = _bytes(used), _bytes(total)
    device.power = None if power is None else float(round(power))
    device.ecc_errors = None if errors is None else int(errors)
    device.error = next((why for why in _BROKEN if any(why in c for c in columns[2:9])), "")
    if len(columns) >= len(FIELDS) + 4:
        throttle, xid, error, pids = columns[9:13]
        device.throttle = throttle[:_LONGEST]
        device.xid = int(xid) if xid.isdecimal() else None
        device.error = error[:_LONGEST]
        device.pids = tuple(int(pid) for pid in pids.split() if pid.isdecimal())
    return device


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None  # `[N/A]`, `[Not Supported]`
    return value if 0 <= value < 1e15 else None


def _bytes(mib: float | None) -> int | None:
    return None if mib is None else int(mib) * _MIB
