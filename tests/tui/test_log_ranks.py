"""The logs of many ranks in one pane: merged, chosen, while they grow, and back to one."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rankdeck.logs.sources import rank_logs
from rankdeck.run.layout import RunDir
from rankdeck.run.state import RunPhase
from tests.tui.fake_run import NOW, write_run
from tests.tui.log_desk import Deck, Desk
from tests.tui.pilot import until
from tui.widgets import log_pane
from tui.widgets.log_pane import LogPane

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

RANKS = 4


class Ranks:
    """A run of four ranks that write in turn, a line a second each."""

    def __init__(self, home: Path) -> None:
        self.run = RunDir(home / "runs" / write_run(home, "job", RunPhase.RUNNING, ranks=RANKS))
        self.logs = rank_logs(self.run, 0)
        for log in self.logs:
            log.path.write_bytes(b"")
            log.times.write_bytes(b"")
        self.now = NOW

    def write(self, rank: int, text: str, seconds: float = 0.25) -> None:
        self.now += seconds
        log = self.logs[rank]
        with log.path.open("a") as out:
            out.write(text + "\n")
        pair = struct.pack("<dQ", self.now, log.path.stat().st_size)
        with log.times.open("ab") as out:
            out.write(pair)

    def write_steps(self, first: int, last: int) -> None:
        for step in range(first, last + 1):
            for rank in range(RANKS):
                self.write(rank, f"step {step} of rank {rank}")


@pytest.fixture
def ranks(home: Path) -> Ranks:
    ranks = Ranks(home)
    ranks.write_steps(1, 100)
    return ranks


@pytest.fixture
async def desk(ranks: Ranks) -> AsyncIterator[Desk]:
    app = Deck()
    async with app.run_test(size=(100, 22)) as pilot:
        desk = Desk(app, pilot, ranks.logs[1].path)
        desk.pane.open(desk.path, "rank 1", run=ranks.run, attempt=0, rank=1)
        desk.pane.focus()
        await desk.tick()
        yield desk


def shown(desk: Desk) -> list[str]:
    return [f"{row.label.strip()} {row.row.cells.text}" for row in desk.pane.view.page.rows]


def last_line(path: str) -> str:
    return Path(path).read_text().splitlines()[-1]


async def grown(desk: Desk, text: str) -> None:
    """Tick until the pane shows this; merging waits a moment for other ranks."""

    def there() -> bool:
        desk.pane.tick()
        return any(text in line for line in shown(desk))

    await until(desk.pilot, there)


async def test_all_ranks_by_time_and_back_at_the_same_line(desk: Desk) -> None:
    assert shown(desk)[-1] == " step 100 of rank 1"
    await desk.enter("ctrl+g", "50")
    top = shown(desk)[0]
    await desk.press("m")
    assert shown(desk)[0] == f"[1]{top}"
    assert "all 4 ranks by time" in desk.pane.status
    lines = shown(desk)
    at = next(n for n, line in enumerate(lines) if "rank 1" in line)
    assert [line[:3] for line in lines[at : at + 4]] == ["[1]", "[2]", "[3]", "[0]"]
    await desk.press("m")
    assert "all 4 ranks" not in desk.pane.status
    assert lines[at].removeprefix("[1]") == shown(desk)[0]


async def test_it_is_followed_while_it_grows(desk: Desk, ranks: Ranks) -> None:
    await desk.press("m")
    assert shown(desk)[-1] == "[3] step 100 of rank 3"
    ranks.write_steps(101, 103)
    await grown(desk, "step 103 of rank 3")
    lines = shown(desk)[-12:]
    assert lines == [
        f"[{rank}] step {step} of rank {rank}" for step in (101, 102, 103) for rank in range(4)
    ]
    assert desk.pane.following


async def test_ranks_are_chosen(desk: Desk) -> None:
    await desk.enter("M", "0,2-3")
    assert "ranks 0,2-3" in desk.pane.status
    assert not any("rank 1" in line for line in shown(desk))
    await desk.enter("M", "9")
    assert "the run has no rank 9" in desk.pane.status
    await desk.enter("M", "x")
    assert "is not a rank" in desk.pane.status
    await desk.enter("M", "")
    assert "all 4 ranks by time" in desk.pane.status


async def test_filter_and_search_among_all_ranks(desk: Desk) -> None:
    await desk.press("m")
    await desk.enter("&", "rank 2 & step 5")
    assert all(line.endswith("of rank 2") for line in shown(desk))
    assert shown(desk)[-1] == "[2] step 59 of rank 2"
    await desk.press("g")
    await desk.look_for("step 55")
    assert desk.found == "step 55 of rank 2"
    await desk.enter("&", "")
    await desk.enter("ctrl+g", "+5s")
    assert desk.found.startswith("step")


async def test_copies_say_whose_line_it_is(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[str] = []
    monkeypatch.setattr(log_pane, "copy", lambda _, text, what: copied.append(text))
    await desk.press("m", "v", "k", "k", "k", "y")
    assert copied == ["\n".join(f"[{rank}] step 100 of rank {rank}" for rank in range(4))]


async def test_pagers_and_editors_get_a_copy_of_the_merged_lines(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ran: list[tuple[str, ...]] = []

    def run(_: object, command: list[str]) -> None:
        ran.append((*command, last_line(command[-1])))

    monkeypatch.setattr(log_pane, "run_outside", run)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("PAGER", "less")
    monkeypatch.setenv("EDITOR", "vi")
    monkeypatch.delenv("VISUAL", raising=False)
    await desk.press("m", "o")
    await until(desk.pilot, lambda: len(ran) == 1)
    program, line, path, last = ran[0]
    assert (program, line, last) == ("less", "+400", "[3] step 100 of rank 3")
    # nobody reads it any more
    assert not Path(path).parent.exists()
    await desk.press("O")
    await until(desk.pilot, lambda: len(ran) == 2)
    assert f"a copy of these lines: {ran[1][2]}" in desk.pane.status
    assert Path(ran[1][2]).parent.parent == tmp_path


async def test_alike_lines_are_folded_and_the_odd_ones_found(desk: Desk, ranks: Ranks) -> None:
    for step in range(1, 9):
        for rank in range(RANKS):
            odd = "nan" if (step, rank) == (5, 2) else f"{10 / step:.3f}"
            ranks.write(rank, f"epoch {step} loss {odd} took {step + rank / 1000:.3f} s", 0.01)
        for rank in range(RANKS):
            ranks.write(rank, f"epoch {step} done", 0.01)
    await desk.press("x")
    await grown(desk, "epoch 8 done")
    assert "folded" in desk.pane.status
    labels = [line.split(" epoch")[0] for line in shown(desk) if "done" in line]
    assert set(labels) == {"×4"}
    await desk.press("x")
    await grown(desk, "epoch 8 done")
    loose = shown(desk)
    assert any(line.startswith("×4 epoch 8 loss") for line in loose), loose
    assert any(line.startswith("[0-1,3] epoch 5 loss 2.0") for line in loose), loose
    assert any(line.startswith("[2] epoch 5 loss nan") for line in loose)
    await desk.press("x")
    assert "folded" not in desk.pane.status
    await desk.press("X", "X")
    assert "only what most did not write (about alike)" in desk.pane.status
    await grown(desk, "loss nan")
    assert all("nan" in line or "of rank" in line for line in shown(desk)), shown(desk)
    await desk.press("m", "m")
    assert "all 4 ranks by time ·" in desk.pane.status + " ·"


async def test_another_rank_keeps_the_view_of_all(desk: Desk, ranks: Ranks) -> None:
    await desk.press("m", "t")
    log = ranks.logs[3]
    desk.pane.open(log.path, "rank 3", run=ranks.run, attempt=0, rank=3)
    await desk.tick()
    assert "all 4 ranks by time" in desk.pane.status
    await desk.press("m")
    assert shown(desk)[-1] == " step 100 of rank 3"
    assert desk.pane.look.times.value == "clock"


async def test_a_log_without_a_run_has_no_other_ranks(desk: Desk) -> None:
    desk.pane.open(desk.path, "a file")
    await desk.tick()
    for key in "mxX":
        await desk.press(key)
        assert "there is only this log" in desk.pane.status


async def test_a_run_that_cannot_be_read_says_so(desk: Desk, ranks: Ranks) -> None:
    ranks.run.plan.unlink()
    await desk.press("m")
    assert "there is no run" in desk.pane.status
    assert isinstance(desk.pane, LogPane)
