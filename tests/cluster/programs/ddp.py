"""The smallest real training: torch, gloo, an all_reduce that is checked, a few steps of DDP."""

from __future__ import annotations

import argparse
import os
import socket
import time

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--step-seconds", type=float, default=0.0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank, world_size = dist.get_rank(), dist.get_world_size()
    total = torch.tensor([float(rank)])
    dist.all_reduce(total)
    if total.item() != world_size * (world_size - 1) / 2:
        raise SystemExit(f"all_reduce over {world_size} ranks gave {total.item()}")
    where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    print(f"rank {rank} of {world_size} on {socket.gethostname()}: sum {total.item():g}, {where}")
    model = DistributedDataParallel(torch.nn.Linear(8, 8))
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01)
    for step in range(1, options.steps + 1):
        optimiser.zero_grad()
        loss = model(torch.ones(4, 8)).pow(2).mean()
        loss.backward()
        optimiser.step()
        print(f"step {step}/{options.steps} loss={loss.item():.4f}", flush=True)
        time.sleep(options.step_seconds)
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
