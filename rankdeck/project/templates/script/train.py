"""Fits a small network to a noisy sine by data-parallel training; a place to begin."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel


def save(model: nn.Module, step: int, folder: Path) -> None:
    """Write a checkpoint that is either complete or not there."""
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / "model.pt.part"
    torch.save({"step": step, "model": model.state_dict()}, unfinished)
    os.replace(unfinished, folder / "model.pt")


def main() -> None:
    """Train, print a line every few steps, save at the end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--optimizer", choices=["sgd", "adam"], required=True)
    parser.add_argument("--output-dir", type=Path, required=True)
    options = parser.parse_args()

    gpus = torch.cuda.is_available()
    dist.init_process_group("nccl" if gpus else "gloo")
    rank, local_rank = dist.get_rank(), int(os.environ["LOCAL_RANK"])
    device = torch.device("cuda", local_rank) if gpus else torch.device("cpu")
    torch.manual_seed(rank)
    torch.set_num_threads(1)

    layers = nn.Sequential(nn.Linear(1, 64), nn.Tanh(), nn.Linear(64, 1)).to(device)
    model = DistributedDataParallel(layers, device_ids=[local_rank] if gpus else None)
    kind = torch.optim.Adam if options.optimizer == "adam" else torch.optim.SGD
    optimizer = kind(model.parameters(), lr=options.lr)

    began = time.monotonic()
    for step in range(1, options.steps + 1):
        x = torch.rand(256, 1, device=device) * 6 - 3
        y = torch.sin(x) + 0.05 * torch.randn_like(x)
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 20 == 0 or step == options.steps:
            speed = step * 256 * dist.get_world_size() / (time.monotonic() - began)
            print(
                f"step {step}/{options.steps} loss {loss.item():.4f} samples/s {speed:.0f}",
                flush=True,
            )

    if rank == 0:
        save(layers, options.steps, options.output_dir / "checkpoint")
        print(f"saved {options.output_dir / 'checkpoint' / 'model.pt'}", flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
