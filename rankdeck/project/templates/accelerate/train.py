"""Fits a small network to a noisy sine with Accelerate; a place to begin."""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

BATCH = 256


def save(accelerator: Accelerator, model: nn.Module, step: int, folder: Path) -> None:
    """Write a checkpoint that is either complete or not there."""
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / "model.pt.part"
    torch.save({"step": step, "model": accelerator.get_state_dict(model)}, unfinished)
    os.replace(unfinished, folder / "model.pt")


def main() -> None:
    """Train, print a line every few steps, save at the end."""
    steps = int(os.environ["steps"])
    torch.set_num_threads(1)
    torch.manual_seed(1)
    accelerator = Accelerator()

    x = torch.rand(64 * BATCH, 1) * 6 - 3
    y = torch.sin(x) + 0.05 * torch.randn_like(x)
    model: nn.Module = nn.Sequential(nn.Linear(1, 64), nn.Tanh(), nn.Linear(64, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=float(os.environ["lr"]))
    loader = DataLoader(TensorDataset(x, y), batch_size=BATCH, shuffle=True, drop_last=True)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)

    step = 0
    began = time.monotonic()
    while step < steps:
        for inputs, targets in loader:
            loss = nn.functional.mse_loss(model(inputs), targets)
            optimizer.zero_grad()
            accelerator.backward(loss)
            optimizer.step()
            step += 1
            if step % 20 == 0 or step == steps:
                speed = step * BATCH * accelerator.num_processes / (time.monotonic() - began)
                print(
                    f"step {step}/{steps} loss {loss.item():.4f} samples/s {speed:.0f}", flush=True
                )
            if step == steps:
                break

    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        folder = Path(os.environ["OUTPUT_DIR"]) / "checkpoint"
        save(accelerator, model, steps, folder)
        print(f"saved {folder / 'model.pt'}", flush=True)
    # nobody leaves while others still work, or keeps what talks to them beyond the end
    accelerator.wait_for_everyone()
    model, optimizer, loader = accelerator.free_memory(model, optimizer, loader)
    accelerator.end_training()


if __name__ == "__main__":
    main()
