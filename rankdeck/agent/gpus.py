"""`--gpus SOURCE [SYSFS]`: a process of its own that prints the GPUs' figures (`gpu_lines`).

A driver that is in trouble may hold whoever asks it for seconds or for ever, and not even KILL ends
that. Nothing but this process ever asks; the agent reads what it prints, and waits for nothing.
"""

from __future__ import annotations

import os
import shutil
import sys
import time

from rankdeck.agent import kernel
from rankdeck.agent.gpu_lines import ASKS, FIELDS, NONE, SOURCE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from rankdeck.agent.gpu_lines import Device

    class Gpus(Protocol):
        """All GPUs of a kind."""

        def __len__(self) -> int: ...

        def ask(self, index: int) -> Device | None:
            """One of them now, None: it is not for us; may take for ever."""
            ...

        def end_round(self) -> None:
            """All were asked."""
            ...


GAP = 2.0
"""Seconds from one round to the next."""


def main(arguments: list[str]) -> int:
    """Print figures until nobody reads them; SOURCE: `nvml`, `nvidia-smi`, `amdgpu` or `any`."""
    wanted = arguments[0] if arguments else "any"
    kernel.set_name("rankdeck-gpus")
    try:
        return _sample(wanted, arguments[1] if len(arguments) > 1 else "/sys")
    except BrokenPipeError:
        return 0  # the agent has gone


def _sample(wanted: str, sysfs: str) -> int:
    if wanted in ("any", "nvml"):
        from rankdeck.agent.gpu_nvml import Nvml, NvmlError

        try:
            gpus = Nvml()
            if len(gpus):
                _print_rounds("nvml", gpus)
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            if wanted == "any":
                _become_nvidia_smi()
        except NvmlError as error:
            _say(f"NVML: {error}")
            return 1
    elif wanted == "nvidia-smi":
        _become_nvidia_smi()
    if wanted in ("any", "amdgpu"):
        from rankdeck.agent.gpu_amd import AmdGpus

        cards = AmdGpus(sysfs)
        if len(cards):
            _print_rounds("amdgpu", cards)
    _say(f"# {NONE}")
    return 0


def _print_rounds(source: str, gpus: Gpus) -> None:
    _say(f"# {SOURCE} {source}\n# {ASKS} 0")
    due = time.monotonic()
    while True:
        for index in range(len(gpus)):
            device = gpus.ask(index)
            line = "" if device is None else f"{device.line()}\n"
            # with the next one's number: whoever reads knows which did not answer
            _say(f"{line}# {ASKS} {(index + 1) % len(gpus)}")
        gpus.end_round()
        due = max(due + GAP, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))


def _become_nvidia_smi() -> None:
    """Let NVIDIA's own program print in this process's place; returns where there is none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return
    _say(f"# {SOURCE} nvidia-smi")
    words = [f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader,nounits", f"-l{GAP:.0f}"]
    os.execv(program, [program, *words])


def _say(text: str) -> None:
    os.write(sys.stdout.fileno(), f"{text}\n".encode("utf-8", "replace"))
