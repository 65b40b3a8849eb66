"""Fits a line by data-parallel gradient descent, with nothing but the standard library.

Every rank has its own data. Rank 0 listens on MASTER_ADDR:MASTER_PORT, averages the gradients of
all ranks and sends the average back.
"""

from __future__ import annotations

import json
import os
import random
import socket
import time
from pathlib import Path
from typing import TextIO

RANK = int(os.environ["RANK"])
WORLD_SIZE = int(os.environ["WORLD_SIZE"])
MASTER = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
LR = float(os.environ["lr"])
STEPS = int(os.environ["steps"])
OUTPUT_DIR = Path(os.environ["OUTPUT_DIR"])


class Peers:
    """The other ranks: a star with rank 0 in the middle."""

    def __init__(self) -> None:
        self.files: list[TextIO] = []
        if RANK == 0:
            with socket.create_server(MASTER) as server:
                server.settimeout(60)
                for _ in range(WORLD_SIZE - 1):
                    connection, _ = server.accept()
                    self.files.append(connection.makefile("rw"))
        else:
            self.files.append(self.connect().makefile("rw"))

    def connect(self) -> socket.socket:
        """Rank 0 may start later than this rank."""
        deadline = time.monotonic() + 60
        while True:
            try:
                return socket.create_connection(MASTER, timeout=60)
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def average(self, values: list[float]) -> list[float]:
        """The mean of every rank's values."""
        if RANK != 0:
            self.send(self.files[0], values)
            return self.receive(self.files[0])
        rows = [values, *(self.receive(file) for file in self.files)]
        mean = [sum(column) / WORLD_SIZE for column in zip(*rows)]
        for file in self.files:
            self.send(file, mean)
        return mean

    @staticmethod
    def send(file: TextIO, values: list[float]) -> None:
        """One line of JSON a message."""
        file.write(json.dumps(values) + "\n")
        file.flush()

    @staticmethod
    def receive(file: TextIO) -> list[float]:
        """The next message. Raises ConnectionError when the other side has ended."""
        line = file.readline()
        if not line:
            raise ConnectionError("another rank has left")
        values: list[float] = json.loads(line)
        return values


def main() -> None:
    """Learn y = 3x - 1 from noisy points."""
    random.seed(RANK)
    points = [(x := random.uniform(-1, 1), 3 * x - 1 + random.gauss(0, 0.05)) for _ in range(500)]
    slope = offset = 0.0
    peers = Peers()
    for step in range(1, STEPS + 1):
        errors = [(slope * x + offset - y, x) for x, y in points]
        loss = sum(error * error for error, _ in errors) / len(points)
        gradient = [
            2 * sum(error * x for error, x in errors) / len(points),
            2 * sum(error for error, _ in errors) / len(points),
        ]
        slope_change, offset_change, loss = peers.average([*gradient, loss])
        slope -= LR * slope_change
        offset -= LR * offset_change
        if step % 10 == 0 or step == STEPS:
            print(f"step {step}/{STEPS} loss {loss:.5f}", flush=True)

    if RANK == 0:
        checkpoint = OUTPUT_DIR / "checkpoint"
        checkpoint.mkdir(parents=True, exist_ok=True)
        unfinished = checkpoint / "model.json.part"
        unfinished.write_text(json.dumps({"slope": slope, "offset": offset}))
        os.replace(unfinished, checkpoint / "model.json")
        print(f"learned y = {slope:.3f} x + {offset:.3f}", flush=True)


if __name__ == "__main__":
    main()
