"""Train a small GPT on Python source text with DistributedDataParallel.

    torchrun --nproc-per-node 2 train.py

Gloo on CPUs, NCCL when every rank has a GPU of its own. Settings come from environment variables
(see settings.py); results go to $OUTPUT_DIR. SIGTERM saves a checkpoint and ends the training; the
next start with the same $OUTPUT_DIR goes on from the newest one.
"""

from __future__ import annotations

import math
import os
import signal
import time
from typing import Any

import torch
import torch.distributed as dist
from checkpoint import load_newest, save
from corpus import Batches, find_corpus, read_corpus
from model import GPT
from scalars import open_scalars
from settings import Place, Settings
from torch.nn.parallel import DistributedDataParallel


def say(text: str) -> None:
    """Print whole lines in one write, so that ranks sharing a terminal do not mix within one."""
    print(text + "\n", end="", flush=True)


class StopRequest:
    """Remembers a SIGTERM until a step is finished."""

    def __init__(self) -> None:
        self.received = False
        signal.signal(signal.SIGTERM, self._receive)

    def _receive(self, *_: object) -> None:
        self.received = True


def connect(place: Place) -> torch.device:
    """Join the other ranks and return the device this rank computes on."""
    own_gpu = torch.cuda.is_available() and place.local_world_size <= torch.cuda.device_count()
    device = torch.device("cuda", place.local_rank) if own_gpu else torch.device("cpu")
    if own_gpu:
        torch.cuda.set_device(device)
    else:
        cores = len(os.sched_getaffinity(0))
        torch.set_num_threads(max(1, cores // place.local_world_size))
    if place.world_size > 1:
        dist.init_process_group("nccl" if own_gpu else "gloo")
    return device


class Agreement:
    """Numbers that all ranks share on the CPU, apart from the gradients.

    It has a process group of its own: the gradients' group is held by DistributedDataParallel to
    the very end, and a thread of it that still gives back a Python tensor while the interpreter
    goes down would abort the process. This one is gone when `close` returns.
    """

    def __init__(self, place: Place) -> None:
        self._group = dist.new_group(backend="gloo") if place.world_size > 1 else None

    def total(self, number: float) -> float:
        """The sum of every rank's number."""
        if self._group is None:
            return number
        shared = torch.tensor(number, dtype=torch.float64)
        dist.all_reduce(shared, group=self._group)
        return shared.item()

    def close(self) -> None:
        """End the groups and their threads."""
        if self._group is not None:
            self._group = None
            dist.destroy_process_group()


def learning_rate(step: int, settings: Settings) -> float:
    """Linear warm-up, then half a cosine down to a tenth."""
    if step < settings.warmup_steps:
        return settings.learning_rate * (step + 1) / settings.warmup_steps
    done = (step - settings.warmup_steps) / max(1, settings.steps - settings.warmup_steps)
    return settings.learning_rate * (0.1 + 0.45 * (1 + math.cos(math.pi * min(1.0, done))))


def restore(
    place: Place, model: GPT, optimizer: torch.optim.Optimizer, device: torch.device
) -> int:
    """Load the newest checkpoint on rank 0, hand it to all, and return the steps already done.

    Only rank 0 needs to see the folder, so nodes may have output folders of their own.
    """
    state = load_newest(place.output / "checkpoint") if place.first else None
    if place.world_size > 1:
        parcel = [state]
        dist.broadcast_object_list(parcel, src=0, device=device)
        state = parcel[0]
    if state is None:
        return 0
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return state["step"]


class Training:
    """One rank's part of the training."""

    def __init__(self, settings: Settings, place: Place) -> None:
        self.settings = settings
        self.place = place
        self.device = connect(place)
        self.agreement = Agreement(place)
        torch.manual_seed(settings.seed)
        self.model = GPT(
            settings.n_layer, settings.n_head, settings.n_embd, settings.block_size
        ).to(self.device)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), betas=(0.9, 0.95), weight_decay=settings.weight_decay
        )
        for folder in ("checkpoint", "tensorboard"):
            (place.output / folder).mkdir(parents=True, exist_ok=True)
        self.first_step = restore(place, self.model, self.optimizer, self.device)
        self.parallel = self.model
        if place.world_size > 1:
            devices = [self.device.index] if self.device.type == "cuda" else None
            self.parallel = DistributedDataParallel(self.model, device_ids=devices)
        self.folder = find_corpus()
        text = read_corpus(self.folder, int(settings.corpus_megabytes * 1e6))
        self.batches = Batches(text, settings.block_size, settings.batch_size, settings.seed)

    def announce(self, scalars: str) -> None:
        """Say what is about to happen; once, on rank 0."""
        parameters = sum(tensor.numel() for tensor in self.model.parameters())
        say(
            f"GPT with {parameters / 1e6:.2f} M parameters on {self.place.world_size} rank(s),"
            f" {self.device.type}; {len(self.batches.text) / 1e6:.1f} MB of Python from"
            f" {self.folder}\ncurves: {scalars}"
        )
        if self.first_step:
            say(f"resumed after step {self.first_step}")

    def step(self, number: int) -> torch.Tensor:
        """Do one step and return this rank's loss, still on the device."""
        inputs, targets = self.batches.at(number, self.place.rank, self.place.world_size)
        loss = self.parallel(inputs.to(self.device), targets.to(self.device))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(number, self.settings)
        self.optimizer.step()
        return loss.detach()

    def run(self) -> None:
        """Train until the last step or a SIGTERM."""
        settings, place = self.settings, self.place
        stop = StopRequest()
        scalars = open_scalars(place.output / "tensorboard") if place.first else None
        if scalars:
            self.announce(scalars.described)
        tokens = settings.batch_size * settings.block_size * place.world_size
        losses: list[torch.Tensor] = []
        since = time.perf_counter()
        for number in range(self.first_step, settings.steps):
            losses.append(self.step(number))
            done = number + 1
            # ranks get a SIGTERM at different moments; all must leave after the same step
            asked = self.agreement.total(stop.received) > 0
            if done % settings.log_every == 0 or done in (1, settings.steps) or asked:
                mean = self.agreement.total(torch.stack(losses).mean().item()) / place.world_size
                now = time.perf_counter()
                rate = len(losses) * tokens / (now - since)
                lr = learning_rate(number, settings)
                say(f"step {done}/{settings.steps} loss {mean:.3f} lr {lr:.1e} tok/s {rate:.0f}")
                if scalars:
                    scalars.write(done, loss=mean, lr=lr, tokens_per_second=rate)
                losses, since = [], now
            if done % settings.checkpoint_every == 0 or done == settings.steps or asked:
                self.save(done)
            if asked:
                if place.first:
                    say(f"stopped by SIGTERM after step {done}; the checkpoint is saved")
                break
        if scalars:
            scalars.close()

    def save(self, step: int) -> None:
        """Rank 0 saves; the others go on and meet it at the next step."""
        if self.place.first:
            state: dict[str, Any] = {
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
            }
            path = save(self.place.output / "checkpoint", step, state)
            say(f"saved {path}")

    def sample(self) -> None:
        """Let the trained model write a little Python; rank 0 only."""
        length = self.settings.sample_bytes
        if self.place.first and length:
            text = self.model.write(b"def ", length).decode(errors="replace")
            say("what it writes now:\n" + text)


def main() -> None:
    """Read the settings, train, show what was learned."""
    settings, place = Settings.from_environment(), Place.from_environment()
    training = Training(settings, place)
    if training.first_step >= settings.steps:
        if place.first:
            say(f"already trained for {training.first_step} steps; raise `steps` to go on")
    else:
        training.run()
        training.sample()
    training.agreement.close()


if __name__ == "__main__":
    main()
