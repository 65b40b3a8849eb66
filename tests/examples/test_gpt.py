"""The example project under real torchrun: it learns, survives SIGKILL, resumes, obeys SIGTERM."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.torch

EXAMPLE = Path(__file__).parents[2] / "examples" / "gpt"
SMALL = {
    "n_layer": "1",
    "n_head": "2",
    "n_embd": "32",
    "block_size": "32",
    "batch_size": "4",
    "corpus_megabytes": "0.5",
    "sample_bytes": "0",
}
PROGRESS = re.compile(
    r"^step (\d+)/(\d+) loss (\d+\.\d{3}) lr (\d\.\de-\d\d) tok/s (\d+)$", re.MULTILINE
)


def torchrun_command(ranks: int = 2) -> list[str]:
    return [
        sys.executable,
        "-m",
        "torch.distributed.run",
        # a port of its own
        "--standalone",
        "--nproc-per-node",
        str(ranks),
        "--local-ranks-filter",
        "0",
        str(EXAMPLE / "train.py"),
    ]


def environment(output: Path, **settings: str | int) -> dict[str, str]:
    given = {name: str(value) for name, value in settings.items()}
    return {**os.environ, **SMALL, **given, "OUTPUT_DIR": str(output)}


def train(output: Path, **settings: str | int) -> str:
    """Train to the end with two ranks; return what rank 0 printed."""
    done = subprocess.run(
        torchrun_command(),
        env=environment(output, **settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@contextmanager
def training(output: Path, **settings: str | int) -> Iterator[subprocess.Popen[str]]:
    """A training with two ranks that goes on while the test looks at it."""
    log = output.parent / "log"
    with log.open("w") as file:
        process = subprocess.Popen(
            torchrun_command(),
            env=environment(output, **settings),
            stdout=file,
            stderr=subprocess.STDOUT,
            text=True,
        )
    try:
        yield process
    finally:
        for rank in (0, 1):
            if pid := rank_pid(output, rank):
                os.kill(pid, signal.SIGKILL)
        process.kill()
        process.wait()


def rank_pid(output: Path, rank: int) -> int | None:
    wanted = {f"OUTPUT_DIR={output}".encode(), f"RANK={rank}".encode()}
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and wanted <= set(
                (entry / "environ").read_bytes().split(b"\0")
            ):
                return int(entry.name)
        except OSError:
            continue
    return None


def checkpoints(output: Path) -> list[Path]:
    return sorted((output / "checkpoint").glob("step-*.pt"))


def steps_on_disk(output: Path) -> list[int]:
    """Load every checkpoint in another process (torch does not belong into this one)."""
    code = (
        "import sys, torch\n"
        "for path in sys.argv[1:]:\n"
        "    print(torch.load(path, weights_only=True)['step'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, checkpoints(output))],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [int(line) for line in done.stdout.split()]


def test_loss_falls_and_a_resumed_training_goes_on_exactly(tmp_path: Path) -> None:
    output = tmp_path / "output"
    in_one_go = PROGRESS.findall(train(output, steps=80, log_every=40, checkpoint_every=40))
    assert [(done, of) for done, of, *_ in in_one_go] == [("1", "80"), ("40", "80"), ("80", "80")]
    first, _, last = (float(loss) for _, _, loss, *_ in in_one_go)
    assert first > 5.0
    assert last < first - 1.5
    scalars = (output / "tensorboard" / "scalars.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in scalars] == [1, 40, 80]

    assert steps_on_disk(output) == [40, 80]
    checkpoints(output)[-1].unlink()
    resumed = train(output, steps=80, log_every=40)
    assert "resumed after step 40" in resumed
    again = PROGRESS.findall(resumed)
    assert [done for done, *_ in again] == ["80"]
    assert float(again[-1][2]) == pytest.approx(last, abs=0.002)


def test_sigkill_while_a_checkpoint_is_written_leaves_only_whole_ones(tmp_path: Path) -> None:
    output = tmp_path / "output"
    # large enough that writing takes much longer than noticing it
    large = {"n_layer": 4, "n_embd": 512, "block_size": 8, "batch_size": 1}
    with training(output, steps=500, checkpoint_every=1, **large) as process:
        until(lambda: checkpoints(output))
        pid = rank_pid(output, 0)
        assert pid
        until(lambda: held_while_writing(pid, output))
        os.kill(pid, signal.SIGKILL)
        process.wait(timeout=240)
    assert process.returncode == 1
    assert unfinished(output)
    whole = steps_on_disk(output)
    assert 1 <= len(whole) <= 3
    resumed = train(output, steps=whole[-1] + 2, checkpoint_every=1, log_every=1, **large)
    assert f"resumed after step {whole[-1]}" in resumed
    assert [int(done) for done, *_ in PROGRESS.findall(resumed)] == [whole[-1] + 1, whole[-1] + 2]
    assert steps_on_disk(output) == [whole[-1] + 1, whole[-1] + 2]
    assert not unfinished(output)


def unfinished(output: Path) -> list[Path]:
    return list((output / "checkpoint").glob("*.tmp"))


def held_while_writing(pid: int, output: Path) -> bool:
    """Whether the process is held in the middle of a checkpoint; if not, it goes on."""
    if not unfinished(output):
        return False
    os.kill(pid, signal.SIGSTOP)
    until(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("T"))
    if unfinished(output):
        return True
    os.kill(pid, signal.SIGCONT)
    return False


def test_sigterm_saves_and_ends_all_ranks_after_the_same_step(tmp_path: Path) -> None:
    output = tmp_path / "output"
    log = tmp_path / "log"
    with training(output, steps=100_000, checkpoint_every=100_000, log_every=1) as process:
        until(lambda: "step 3/" in log.read_text())
        # only one rank is told; the other must learn of it
        pid = rank_pid(output, 1)
        assert pid
        os.kill(pid, signal.SIGTERM)
        assert process.wait(timeout=240) == 0
    text = log.read_text()
    last = int(PROGRESS.findall(text)[-1][0])
    assert f"stopped by SIGTERM after step {last}" in text
    assert steps_on_disk(output) == [last]


def test_unusable_settings_are_told_in_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLE / "train.py")],
        env=environment(tmp_path, n_embd=30, n_head=4),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "n_embd=30 is not a multiple of n_head=4\n"


def test_declared_defaults_are_those_of_the_program() -> None:
    sys.path.insert(0, str(EXAMPLE))
    try:
        from settings import Settings
    finally:
        sys.path.remove(str(EXAMPLE))
    from rankdeck.project.hyperparameters import load_hyperparameters

    declared = load_hyperparameters(EXAMPLE / "HyperParameters.json")
    assert not declared.problems
    assert {entry.name: float(entry.default or "nan") for entry in declared.entries} == {
        name: float(value) for name, value in vars(Settings()).items()
    }


def until(look: object, timeout: float = 240.0) -> None:
    assert callable(look)
    deadline = time.monotonic() + timeout
    while not look():
        assert time.monotonic() < deadline, f"not within {timeout} s"
        time.sleep(0.002)
