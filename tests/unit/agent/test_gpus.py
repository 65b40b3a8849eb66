"""The process that asks the driver: its rounds."""

from __future__ import annotations

import pytest

from rankdeck.agent import gpus


class SlowGpus:
    """A driver that takes longer for a round than a round may take, and is gone after three."""

    def __init__(self) -> None:
        self.now, self.rounds = 100.0, 0
        self.slept: list[float] = []

    def __len__(self) -> int:
        return 1

    def ask(self, index: int) -> None:
        self.now += gpus.GAP * 2

    def end_round(self) -> None:
        self.rounds += 1
        if self.rounds == 3:
            raise BrokenPipeError

    def monotonic(self) -> float:
        # time goes on between two looks at it
        self.now += 0.001
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def test_a_driver_that_is_slow_is_asked_on_and_on(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = SlowGpus()
    monkeypatch.setattr(gpus, "time", driver)
    monkeypatch.setattr(gpus, "_say", lambda text: None)
    with pytest.raises(BrokenPipeError):
        gpus._print_rounds("nvml", driver)
    assert driver.slept == [0.0, 0.0]
