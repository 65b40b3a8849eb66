"""The small programs and state directories that the benchmarks run on."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

HELLO = """
import os
print("first-line rank", os.environ["RANK"], flush=True)
"""

LOOP = """
import os, time
N, STEPS = 120, int(os.environ.get("BENCH_STEPS", "200"))
def work():
    total = 0
    for i in range(400_000):
        total += i * i % 7
    return total
# what happens once at the start of a run is the launch benchmark's matter
begun = time.perf_counter()
while time.perf_counter() - begun < 2:
    work()
start, busy = time.perf_counter(), time.process_time()
for step in range(STEPS):
    work()
    print(f"step {step + 1}/{STEPS} loss {1 / (step + 1):.4f}", flush=True)
elapsed, used = time.perf_counter() - start, time.process_time() - busy
with open(os.environ["BENCH_RESULT"], "w") as out:
    out.write(repr((elapsed, used)))
"""

WRITER = """
import os, time
line = b"x" * 119 + b"\\n"
block = line * 512
total = int(os.environ.get("BENCH_BYTES", str(1 << 30)))
start = time.perf_counter()
written = 0
while written < total:
    written += os.write(1, block)
elapsed = time.perf_counter() - start
with open(os.environ["BENCH_RESULT"], "w") as out:
    out.write(repr((written, elapsed)))
"""

SLEEPER = """
import os, time
step = 0
end = time.monotonic() + float(os.environ.get("BENCH_SECONDS", "20"))
while time.monotonic() < end:
    step += 1
    print(f"step {step} loss {1 / step:.4f}", flush=True)
    time.sleep(0.1)
"""


def write_program(folder: Path, name: str, text: str) -> Path:
    """Put a program into `folder`, which is made if needed."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text)
    return path


def environment(home: Path, **extra: str) -> dict[str, str]:
    """This process's environment with a private Rankdeck state directory.

    Compiled modules may be kept, as they are in any installation.
    """
    kept = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "RANKDECK_HOME": str(home), "NO_COLOR": "1", **extra}


def rankdeck(*args: str) -> list[str]:
    """The installed command beside this interpreter, as a user would run it."""
    script = os.path.join(os.path.dirname(sys.executable), "rankdeck")
    head = [script] if os.access(script, os.X_OK) else [sys.executable, "-m", "rankdeck.cli.entry"]
    return [*head, *args]
