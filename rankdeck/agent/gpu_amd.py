"""AMD's GPUs through the files of the amdgpu driver. Only the sampler process may read them."""

from __future__ import annotations

import glob
import os
import re

from rankdeck.agent.gpu_lines import Device

_CARD = re.compile(r"card[0-9]+")


class AmdGpus:
    """The GPUs below a /sys, in the order of their places on the bus, as ROCm counts them."""

    def __init__(self, sysfs: str = "/sys") -> None:
        found = [
            os.path.realpath(os.path.dirname(path))
            for path in glob.glob(f"{glob.escape(sysfs)}/class/drm/card*/device/gpu_busy_percent")
            if _CARD.fullmatch(path.split("/")[-3])  # not its outputs: card0-DP-1
        ]
        self._folders = sorted(set(found))

    def __len__(self) -> int:
        return len(self._folders)

    def ask(self, index: int) -> Device:
        """One GPU now; what is wrong with it is in its `error`."""
        folder = self._folders[index]
        unique = _text(f"{folder}/unique_id")
        device = Device(index, f"GPU-{unique}" if unique else "")
        device.name = _text(f"{folder}/product_name").replace(",", " ") or "AMD GPU"
        device.mem_used = _number(f"{folder}/mem_info_vram_used")
        device.mem_total = _number(f"{folder}/mem_info_vram_total")
        try:
            with open(f"{folder}/gpu_busy_percent", encoding="ascii") as file:
                device.util = float(file.read())
        except (OSError, ValueError) as error:
            device.error = getattr(error, "strerror", None) or "no figures"
        sensors = next(iter(sorted(glob.glob(f"{glob.escape(folder)}/hwmon/hwmon*"))), "")
        degrees = _number(f"{sensors}/temp1_input") if sensors else None
        device.temp = None if degrees is None else degrees / 1000
        for name in ("power1_average", "power1_input") if sensors else ():
            microwatts = _number(f"{sensors}/{name}")
            if microwatts is not None:
                device.power = microwatts / 1e6
                break
        return device

    def end_round(self) -> None:
        """There is nothing to be taken besides."""


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def _number(path: str) -> int | None:
    text = _text(path)
    return int(text) if text.isdecimal() else None
