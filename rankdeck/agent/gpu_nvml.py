"""NVIDIA's GPUs through NVML (libnvidia-ml.so.1), by ctypes.

Only the sampler process may use it: any call here may block for seconds, or for ever.
Names, layouts and codes are those of NVIDIA's nvml.h; functions that a driver lacks are left out.
"""

from __future__ import annotations

import ctypes
import os

from rankdeck.agent.gpu_lines import Device

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LIBRARIES = ("libnvidia-ml.so.1", "/usr/lib/wsl/lib/libnvidia-ml.so.1")
_SUCCESS, _UNINITIALIZED = 0, 1
_NOT_SUPPORTED, _NO_PERMISSION, _INSUFFICIENT_SIZE, _FUNCTION_NOT_FOUND = 3, 4, 7, 13
# nothing is wrong with a GPU that does not have a figure
_HARMLESS = (_NOT_SUPPORTED, _NO_PERMISSION, _FUNCTION_NOT_FOUND)
_TEMPERATURE_GPU = 0
_UNCORRECTED, _VOLATILE = 1, 0
_XID_CRITICAL_ERROR = 0x8
_MEMORY_VERSION_2 = 2 << 24
_TEXT = 96
_MOST_PIDS = 64
_SELDOM = 5
"""Every so many rounds: what changes seldom, and costs."""
_THROTTLES = ((0x60, "thermal"), (0x80, "power brake"), (0x08, "hardware"))
"""Of the reasons for lower clocks those that mean trouble; power caps are everyday."""
_INITIAL_PID_NAMESPACE = "pid:[4026531836]"


class _Utilization(ctypes.Structure):
    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


class _Memory(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_ulonglong) for name in ("total", "free", "used"))


class _Memory2(ctypes.Structure):
    _fields_ = (
        ("version", ctypes.c_uint),
        *((name, ctypes.c_ulonglong) for name in ("total", "reserved", "free", "used")),
    )


class _Process(ctypes.Structure):
    _fields_ = (
        ("pid", ctypes.c_uint),
        ("memory", ctypes.c_ulonglong),
        ("gpu_instance", ctypes.c_uint),
        ("compute_instance", ctypes.c_uint),
    )


class _Event(ctypes.Structure):
    _fields_ = (
        ("device", ctypes.c_void_p),
        ("type", ctypes.c_ulonglong),
        ("data", ctypes.c_ulonglong),
        ("gpu_instance", ctypes.c_uint),
        ("compute_instance", ctypes.c_uint),
    )


class NvmlError(Exception):
    """NVML refuses altogether; says why."""


class _BrokenError(Exception):
    """One GPU cannot be asked; says why."""


class _HiddenError(Exception):
    """One GPU is not for us."""


class Nvml:
    """The GPUs that this process may see."""

    def __init__(self) -> None:
        """Load the library and let it find the driver.

        Raises:
            OSError: There is no such library.
            NvmlError: It cannot reach the driver.
        """
        self._library = _load()
        self._error_string = self._library.nvmlErrorString
        self._error_string.restype = ctypes.c_char_p
        self._must("nvmlInit_v2")
        count = ctypes.c_uint()
        self._must("nvmlDeviceGetCount_v2", ctypes.byref(count))
        self._handles: list[ctypes.c_void_p | None] = [None] * count.value
        self._known: dict[int, Device] = {}
        self._round = 0
        # pids are the host's: in a container they would mean somebody else
        self._pids_are_ours = _pid_namespace() == _INITIAL_PID_NAMESPACE
        self._events = self._event_set()

    def __len__(self) -> int:
        return len(self._handles)

    def ask(self, index: int) -> Device | None:
        """One GPU now; what is wrong with it is in its `error`. None: it is not for us.

        Raises:
            NvmlError: NVML has lost the driver.
        """
        before = self._known.get(index)
        device = Device(index, before.uuid if before else "")
        try:
            handle = self._handle(index)
            if before is None:
                device.uuid = self._text("nvmlDeviceGetUUID", handle)
                device.name = self._text("nvmlDeviceGetName", handle)
            self._measure(device, handle)
            if before is None or self._round % _SELDOM == 0:
                self._look_closer(device, handle)
            else:
                device.ecc_errors, device.pids = before.ecc_errors, before.pids
        except _BrokenError as broken:
            device.error = str(broken)
        except _HiddenError:
            return None
        if before is not None:
            device.name, device.xid = before.name, before.xid
            device.mem_total = device.mem_total or before.mem_total
        self._known[index] = device
        return device

    def end_round(self) -> None:
        """All were asked: take what the driver has reported meanwhile."""
        self._round += 1
        event = _Event()
        while self._events is not None:
            code = self._call("nvmlEventSetWait_v2", self._events, ctypes.byref(event), 0)
            if code != _SUCCESS:
                return  # a timeout: there is nothing
            for index, handle in enumerate(self._handles):
                if handle is not None and handle.value == event.device and index in self._known:
                    self._known[index].xid = event.data

    def _measure(self, device: Device, handle: ctypes.c_void_p) -> None:
        utilization = _Utilization()
        if self._get("nvmlDeviceGetUtilizationRates", handle, ctypes.byref(utilization)):
            device.util = float(utilization.gpu)
        memory = self._memory(handle)
        if memory is not None:
            device.mem_total, device.mem_used = memory.total, memory.used
        value = ctypes.c_uint()
        if self._get("nvmlDeviceGetTemperature", handle, _TEMPERATURE_GPU, ctypes.byref(value)):
            device.temp = float(value.value)
        if self._get("nvmlDeviceGetPowerUsage", handle, ctypes.byref(value)):
            device.power = value.value / 1000
        reasons = ctypes.c_ulonglong()
        if self._get("nvmlDeviceGetCurrentClocksThrottleReasons", handle, ctypes.byref(reasons)):
            words = (word for mask, word in _THROTTLES if reasons.value & mask)
            device.throttle = next(words, "")

    def _look_closer(self, device: Device, handle: ctypes.c_void_p) -> None:
        errors = ctypes.c_ulonglong()
        place = ctypes.byref(errors)
        if self._get("nvmlDeviceGetTotalEccErrors", handle, _UNCORRECTED, _VOLATILE, place):
            device.ecc_errors = errors.value
        if self._pids_are_ours:
            device.pids = self._pids(handle)

    def _memory(self, handle: ctypes.c_void_p) -> _Memory | _Memory2 | None:
        newer = _Memory2(version=ctypes.sizeof(_Memory2) | _MEMORY_VERSION_2)
        # the first version counts what the driver keeps for itself as used
        if self._get("nvmlDeviceGetMemoryInfo_v2", handle, ctypes.byref(newer)):
            return newer
        older = _Memory()
        if self._get("nvmlDeviceGetMemoryInfo", handle, ctypes.byref(older)):
            return older
        return None

    def _pids(self, handle: ctypes.c_void_p) -> tuple[int, ...]:
        count = ctypes.c_uint(_MOST_PIDS)
        found = (_Process * _MOST_PIDS)()
        for version in ("_v3", "_v2"):
            name = f"nvmlDeviceGetComputeRunningProcesses{version}"
            if hasattr(self._library, name):
                code = self._call(name, handle, ctypes.byref(count), found)
                return tuple(p.pid for p in found[: count.value]) if code == _SUCCESS else ()
        return ()

    def _handle(self, index: int) -> ctypes.c_void_p:
        known = self._handles[index]
        if known is not None:
            return known
        handle = ctypes.c_void_p()
        if not self._get("nvmlDeviceGetHandleByIndex_v2", index, ctypes.byref(handle)):
            raise _HiddenError
        self._handles[index] = handle
        if self._events is not None:
            xid = ctypes.c_ulonglong(_XID_CRITICAL_ERROR)
            self._call("nvmlDeviceRegisterEvents", handle, xid, self._events)
        return handle

    def _event_set(self) -> ctypes.c_void_p | None:
        made = ctypes.c_void_p()
        code = self._call("nvmlEventSetCreate", ctypes.byref(made))
        return made if code == _SUCCESS else None

    def _text(self, name: str, handle: ctypes.c_void_p) -> str:
        buffer = ctypes.create_string_buffer(_TEXT)
        if not self._get(name, handle, buffer, _TEXT):
            return ""
        return buffer.value.decode("utf-8", "replace").replace(",", " ")

    def _get(self, name: str, *arguments: Any) -> bool:
        """Whether the driver has filled the answer in; False: this GPU has no such figure."""
        code = self._call(name, *arguments)
        if code == _SUCCESS:
            return True
        if code in _HARMLESS:
            return False
        if code == _UNINITIALIZED:
            raise NvmlError(self._why(code))
        raise _BrokenError(self._why(code))

    def _must(self, name: str, *arguments: Any) -> None:
        code = self._call(name, *arguments)
        if code != _SUCCESS:
            raise NvmlError(self._why(code))

    def _call(self, name: str, *arguments: Any) -> int:
        function = getattr(self._library, name, None)
        return _FUNCTION_NOT_FOUND if function is None else int(function(*arguments))

    def _why(self, code: int) -> str:
        text = self._error_string(code)
        return text.decode("utf-8", "replace") if text else f"NVML error {code}"


def _load() -> ctypes.CDLL:
    *others, last = _LIBRARIES
    for name in others:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return ctypes.CDLL(last)


def _pid_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""
