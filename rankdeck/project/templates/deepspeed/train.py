"""Fits a small network to a noisy sine with DeepSpeed (ZeRO stage 1); a place to begin.

Without a GPU the ranks talk by gloo, and DeepSpeed compiles a small library when it starts: that
needs a C++ compiler and takes about a minute.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import torch

if not torch.cuda.is_available():
    os.environ.setdefault("DS_ACCELERATOR", "cpu")

import deepspeed
from torch import nn


def main() -> None:
    """Train, print a line every few steps, save at the end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--local_rank", type=int, default=-1)
    options = deepspeed.add_config_arguments(parser).parse_args()
    steps, lr = int(os.environ["steps"]), float(os.environ["lr"])

    torch.set_num_threads(1)
    deepspeed.init_distributed("nccl" if torch.cuda.is_available() else "gloo")
    layers = nn.Sequential(nn.Linear(1, 64), nn.Tanh(), nn.Linear(64, 1))
    engine, _, _, _ = deepspeed.initialize(
        args=options,
        model=layers,
        optimizer=torch.optim.Adam(layers.parameters(), lr=lr),
        dist_init_required=False,
    )
    rank, world_size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    batch = engine.train_micro_batch_size_per_gpu()
    torch.manual_seed(rank)

    began = time.monotonic()
    for step in range(1, steps + 1):
        x = torch.rand(batch, 1, device=engine.device) * 6 - 3
        y = torch.sin(x) + 0.05 * torch.randn_like(x)
        loss = nn.functional.mse_loss(engine(x), y)
        engine.backward(loss)
        engine.step()
        if step % 20 == 0 or step == steps:
            speed = step * batch * world_size / (time.monotonic() - began)
            print(f"step {step}/{steps} loss {loss.item():.4f} samples/s {speed:.0f}", flush=True)

    folder = Path(os.environ["OUTPUT_DIR"]) / "checkpoint"
    engine.save_checkpoint(str(folder), tag="last")
    if rank == 0:
        print(f"saved {folder / 'last'}", flush=True)
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
