from __future__ import annotations

import pytest

from rankdeck.agent.progress import find_metrics, find_progress, last_lines


@pytest.mark.parametrize(
    ("line", "step", "total"),
    [
        ("step 5", 5, None),
        ("step 5/100 loss 0.1", 5, 100),
        ("Step: 12", 12, None),
        ("[rank0]: step=7, loss=1", 7, None),
        ("global_step = 1,840 / 5,000", 1840, 5000),
        (" iteration      100/  500000 | consumed samples: 9", 100, 500000),
        ("Iter 3 of 9", 3, 9),
        ("{'step': 10, 'loss': 0.5}", 10, None),
        ('{"step": 10}', 10, None),
        ("Epoch 1 step [20/30]", 20, 30),
        (" 12%|█▏        | 123/1000 [00:10<01:11, 12.3it/s]", 123, 1000),
        ("step 99999999999999999999999", 999999999999999999, None),
    ],
)
def test_a_step_is_found(line: str, step: int, total: int | None) -> None:
    progress = find_progress([line])
    assert progress is not None
    assert (progress.step, progress.total) == (step, total)


@pytest.mark.parametrize(
    "line",
    [
        "max_steps=1000",
        "warmup steps: 100",
        "step time 0.35",
        "s/step 0.35",
        "time per step: 0.35 s",
        "4.2 steps/s",
        "footstep 3",
        "loss 0.5 epoch 3",
        "",
        "done 3/4",
    ],
)
def test_other_numbers_are_no_step(line: str) -> None:
    assert find_progress([line]) is None


def test_the_newest_line_with_a_step_counts() -> None:
    assert find_progress(["saving", "step 4 loss 3", "step 3 loss 2"]).step == 4  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("line", "metrics"),
    [
        ("loss 0.5 lr 3e-4", {"loss": 0.5, "lr": 0.0003}),
        ("loss=0.5, grad_norm: 1.25", {"loss": 0.5, "grad_norm": 1.25}),
        ("train_loss: 2 val/acc 0.9", {"train_loss": 2.0, "val/acc": 0.9}),
        ("tok/s 11.2k | mfu .31", {"tok/s": 11200.0, "mfu": 0.31}),
        ("{'loss': 1.5, 'learning_rate': 1e-05}", {"loss": 1.5, "learning_rate": 1e-05}),
        ("loss nan lr inf", {}),
        ("loss 1e999", {}),
        ("floss 3, lossy 4, loss: high", {}),
        ("LOSS=-1.5", {"loss": -1.5}),
        ("loss 0.5.1", {}),
    ],
)
def test_well_known_numbers_are_found(line: str, metrics: dict[str, float]) -> None:
    assert find_metrics(line) == metrics


def test_lines_are_split_at_every_kind_of_end() -> None:
    assert last_lines(b"a\nb\r\nc\rd\n\n  \n") == ["d", "c", "b", "a"]
    assert last_lines(b"\xffx") == ["\ufffdx"]
    assert last_lines(b"") == []
    assert len(last_lines(b"x\n" * 100)) == 12


def test_a_long_line_costs_no_time() -> None:
    """Patterns that backtrack would take minutes here."""
    for text in ("step " + "9" * 4000, "loss" * 1000, "1%|" * 1300, " " * 4096, "step=" * 800):
        find_progress([text])
        find_metrics(text)
