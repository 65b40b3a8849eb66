"""Fits a small network to a noisy sine with MindSpore, data-parallel; a place to begin.

msrun runs this file once more as the scheduler, which stays in `init()`.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import nn
from mindspore.communication import get_group_size, get_rank, init

BATCH = 256


def main() -> None:
    """Train, print a line every few steps, save at the end."""
    steps, lr = int(os.environ["steps"]), float(os.environ["lr"])
    ms.set_context(mode=ms.GRAPH_MODE)
    ms.set_device(os.environ.get("MS_DEVICE", "CPU"))
    init()
    rank, world_size = get_rank(), get_group_size()

    ms.set_seed(1)
    ms.set_auto_parallel_context(parallel_mode=ms.ParallelMode.DATA_PARALLEL, gradients_mean=True)
    model = nn.SequentialCell(nn.Dense(1, 64), nn.Tanh(), nn.Dense(64, 1))
    optimizer = nn.Adam(model.trainable_params(), learning_rate=lr)
    train = nn.TrainOneStepCell(nn.WithLossCell(model, nn.MSELoss()), optimizer)
    train.set_train()
    random = np.random.default_rng(rank)

    began = time.monotonic()
    for step in range(1, steps + 1):
        x = random.uniform(-3, 3, (BATCH, 1)).astype(np.float32)
        y = (np.sin(x) + 0.05 * random.standard_normal((BATCH, 1))).astype(np.float32)
        loss = train(ms.Tensor(x), ms.Tensor(y))
        if step % 20 == 0 or step == steps:
            speed = step * BATCH * world_size / (time.monotonic() - began)
            print(
                f"step {step}/{steps} loss {float(loss.asnumpy()):.4f} samples/s {speed:.0f}",
                flush=True,
            )

    if rank == 0:
        folder = Path(os.environ["OUTPUT_DIR"]) / "checkpoint"
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / "model.part.ckpt"
        ms.save_checkpoint(model, str(unfinished))
        os.replace(unfinished, folder / "model.ckpt")
        print(f"saved {folder / 'model.ckpt'}", flush=True)


if __name__ == "__main__":
    main()
