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
import torch
torch.set_num_threads(1)
torch.manual_seed(0)
layers = torch.nn.Linear(256, 512), torch.nn.GELU(), torch.nn.Linear(512, 256)
model = torch.nn.Sequential(*layers)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
batch = torch.randn(64, 256)
STEPS = int(os.environ.get("BENCH_STEPS", "1500"))
def train():
    optimizer.zero_grad()
    loss = ((model(batch) - batch) ** 2).mean()
    loss.backward()
    optimizer.step()
    return loss.item()
# what happens once at the start of a run is the launch benchmark's matter
begun = time.perf_counter()
while time.perf_counter() - begun < 2:
    train()
start, busy = time.perf_counter(), time.process_time()
for step in range(STEPS):
    loss = train()
    if step % 10 == 0:
        print(f"step {step + 1}/{STEPS} loss {loss:.4f}", flush=True)
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
