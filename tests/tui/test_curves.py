"""The curves of a run: what is seen, what the keys do, what is told of."""

from __future__ import annotations

import struct
import threading
from typing import TYPE_CHECKING

import pytest
from textual.app import App

from rankdeck.config.settings import Settings
from rankdeck.metrics.reader import MetricsReader
from rankdeck.run.layout import RunDir
from rankdeck.run.state import RunPhase
from tests.tui import hostile
from tests.tui.fake_run import NOW, write_run
from tests.tui.pilot import until
from tui.keys import Scope, keys_of
from tui.widgets.curves_layout import csv_text, grid_of
from tui.widgets.curves_pane import CurvesPane, can_show_braille

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from textual.app import ComposeResult
    from textual.message import Message
    from textual.pilot import Pilot

SIZES = [(80, 24), (120, 40), (200, 60), (54, 14), (30, 8)]


class Desk(App[None]):
    """The pane alone."""

    def __init__(self, run: RunDir, settings: Settings | None = None) -> None:
        super().__init__()
        self.run_dir = run
        self.settings = settings or Settings()
        self.copied: list[tuple[str, str]] = []
        self.went_back = False

    BINDINGS = [("escape", "leave", "leave")]  # noqa: RUF012

    def compose(self) -> ComposeResult:
        yield CurvesPane()

    def on_mount(self) -> None:
        self.pane.focus()
        self.pane.open(self.run_dir)

    @property
    def pane(self) -> CurvesPane:
        return self.query_one(CurvesPane)

    def copy(self, text: str, what: str) -> None:
        self.copied.append((text, what))

    def action_leave(self) -> None:
        self.went_back = True


def text_of(pilot: Pilot[None]) -> str:
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


async def shown(pilot: Pilot[None], text: str) -> None:
    await until(pilot, lambda: text in text_of(pilot))


async def read(pilot: Pilot[None], app: Desk) -> None:
    """Until everything has been read and drawn."""

    def done() -> bool:
        state = app.pane.state
        return bool(state.metrics) and state.pictures[0][1].part >= 1

    await until(pilot, done)


def lines(count: int = 300, *, nan: bool = True) -> Iterable[str]:
    for step in range(1, count + 1):
        loss = "nan" if nan and step == 200 else f"{5 / step + (9 if step == 100 else 1):.4f}"
        acc, lr = step / 3, 1e-3 / step
        yield f"step {step}/{count} loss {loss} lr {lr:.2e} grad_norm 1.5 acc {acc:.1f}%"


def fill(run: RunDir, rank: int = 0, text: Iterable[str] | None = None) -> None:
    attempt = run.node("node01").attempt(0)
    size, pairs = 0, b""
    with attempt.log(rank).open("w") as log:
        for number, line in enumerate(lines() if text is None else text):
            size += log.write(line + "\n")
            pairs += struct.pack("<dQ", NOW - 400 + number, size)
    attempt.times(rank).write_bytes(pairs)


@pytest.fixture
def run(home: Path) -> RunDir:
    made = RunDir(home / "runs" / write_run(home, "first", RunPhase.RUNNING))
    for rank in range(4):
        fill(made, rank)
    return made


@pytest.mark.parametrize("size", SIZES)
async def test_charts_are_seen_at_every_size(run: RunDir, size: tuple[int, int]) -> None:
    app = Desk(run)
    async with app.run_test(size=size) as pilot:
        await shown(pilot, "loss")
        await read(pilot, app)
        for strip in app.screen._compositor.render_strips():
            assert sum(segment.cell_length for segment in strip) == size[0]
        for key in ("enter", "left", "S", "L", "x", "A", "A", "+", "h", "0"):
            await pilot.press(key)
        await shown(pilot, "loss")


async def test_the_grid_shows_what_matters_first_and_enter_shows_one(run: RunDir) -> None:
    app = Desk(run)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, "✕1 not a number")
        assert app.pane.state.metrics == ("loss", "lr", "grad_norm", "acc")
        assert "rank 0 · step 300/300 · ⚠ 2 alerts (A) · metric 1 of 4" in text_of(pilot)
        await pilot.press("right", "enter")
        assert app.pane.state.metric == "lr"
        await shown(pilot, "←→ inspect")
        await pilot.press("down")
        assert app.pane.state.metric == "grad_norm"
        await pilot.press("escape")
        assert not app.pane.state.alone
        assert not app.went_back
        await pilot.press("escape")
        assert app.went_back


async def test_the_cursor_tells_step_value_and_time(run: RunDir) -> None:
    app = Desk(run)
    async with app.run_test(size=(120, 40)) as pilot:
        await read(pilot, app)
        await pilot.press("enter", "left")
        await shown(pilot, " step 300  after 4:59")
        before = app.pane.state.view.cursor
        assert before is not None
        await pilot.press("left")
        after = app.pane.state.view.cursor
        assert after is not None
        assert after < before
        await pilot.press("home")
        await shown(pilot, " step 1 ")
        await pilot.press("escape")
        assert app.pane.state.view.cursor is None


async def test_zoom_pan_and_all_of_it_again(run: RunDir) -> None:
    app = Desk(run)
    async with app.run_test(size=(120, 40)) as pilot:
        await read(pilot, app)
        await pilot.press("enter", "+")
        assert app.pane.state.seen == (150.5, 300.0)
        await pilot.press("h")
        assert app.pane.state.seen == (113.125, 262.625)
        await pilot.press("l", "l", "l")
        assert app.pane.state.seen == (150.5, 300.0), "not beyond the end"
        await pilot.press("-")
        assert app.pane.state.view.left is None
        await pilot.press("+", "+", "0")
        assert app.pane.state.view.left is None


async def test_scale_smoothing_and_axis_are_told(run: RunDir) -> None:
    app = Desk(run)
    async with app.run_test(size=(120, 40)) as pilot:
        await read(pilot, app)
        await pilot.press("L", "S", "x")
        await shown(pilot, "smooth 0.6 · log · by time")
        await shown(pilot, "3:20")
        await pilot.press("L", "S", "S", "S", "x")
        await until(pilot, lambda: "smooth" not in text_of(pilot) and "log" not in text_of(pilot))


async def test_alerts_are_told_listed_and_gone_to(run: RunDir) -> None:
    messages: list[Message] = []
    app = Desk(run)
    async with app.run_test(size=(120, 40), message_hook=messages.append) as pilot:
        await read(pilot, app)
        told = [m for m in messages if isinstance(m, CurvesPane.Alerted)]
        assert [a.text for a in told[-1].alerts] == [
            "loss jumps to 9.05 at step 100, from about 1.075",
            "loss is NaN at step 200",
        ]
        await pilot.press("A")
        await shown(pilot, "Alerts, newest first")
        await pilot.press("down", "enter")
        assert (app.pane.state.metric, app.pane.state.view.cursor) == ("loss", 100)
        await shown(pilot, " step 100  after 1:39")


async def test_ranks_are_chosen_and_joined(run: RunDir) -> None:
    fill(run, 1, lines(150))
    app = Desk(run)
    async with app.run_test(size=(120, 40)) as pilot:
        await read(pilot, app)
        await pilot.press("R", *"0-1", "enter")
        await shown(pilot, "mean of ranks 0-1")
        await pilot.press("m")
        await shown(pilot, "min of ranks 0-1")
        await pilot.press("m", "m")
        await shown(pilot, "B ╍╍  rank 1")
        await pilot.press("R", *"9", "enter")
        await until(pilot, lambda: bool(app._notifications))
        assert "there is no rank 9" in next(iter(app._notifications)).message
        await pilot.press("escape")
        assert app.focused is app.pane


async def test_the_filter_narrows_as_it_is_typed(run: RunDir) -> None:
    app = Desk(run)
    async with app.run_test(size=(120, 40)) as pilot:
        await read(pilot, app)
        await pilot.press("/", *"norm")
        await until(pilot, lambda: app.pane.state.metrics == ("grad_norm",))
        await pilot.press("enter")
        assert app.focused is app.pane
        await pilot.press("escape")
        assert len(app.pane.state.metrics) == 4
        await pilot.press("/", *"zzz", "enter")
        await shown(pilot, "no metric has 'zzz' in its name")


async def test_other_runs_are_laid_over(home: Path, run: RunDir) -> None:
    other = RunDir(home / "runs" / write_run(home, "second", age=900))
    fill(other)
    app = Desk(run)
    async with app.run_test(size=(120, 40)) as pilot:
        await read(pilot, app)
        await pilot.press("o")
        await shown(pilot, "second")
        await pilot.press("space")
        await shown(pilot, "B [×] second")
        await pilot.press("enter")
        await shown(pilot, "B ╍╍  second")
        assert [curve.label for curve in app.pane.state.curves()][1] == "second"
        await pilot.press("escape")
        await until(pilot, lambda: "second" not in text_of(pilot))


async def test_a_run_keeps_its_letter_while_others_go(home: Path, run: RunDir) -> None:
    for name, age in (("second", 900.0), ("third", 1900.0)):
        fill(RunDir(home / "runs" / write_run(home, name, age=age)))
    app = Desk(run)
    async with app.run_test(size=(120, 40)) as pilot:
        await read(pilot, app)
        await pilot.press("o")
        await shown(pilot, "third")
        await pilot.press("space", "space")
        await shown(pilot, "C [×] third")
        await pilot.press("up", "up", "space")
        await shown(pilot, "[ ] second")
        assert "C [×] third" in text_of(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: [c.number for c in app.pane.state.curves()] == [0, 2])


async def test_a_series_is_copied_as_csv(run: RunDir) -> None:
    app = Desk(run)
    async with app.run_test(size=(120, 40)) as pilot:
        await read(pilot, app)
        await pilot.press("y")
        text, what = app.copied[0]
        assert what == "loss, 300 values"
        rows = text.splitlines()
        assert rows[0] == "curve,step,time,loss"
        assert rows[1].split(",")[1:] == ["1", f"{NOW - 400.2:.3f}", "6.0"]
        assert rows[200].endswith(",nan")


async def test_new_numbers_appear_and_nothing_is_painted_without_any(run: RunDir) -> None:
    app = Desk(run)
    async with app.run_test(size=(120, 40)) as pilot:
        await read(pilot, app)
        await pilot.pause()
        painted: list[object] = []
        app.pane.refresh = lambda *regions, **_: painted.append(regions) or app.pane  # type: ignore
        app.pane._redraw()
        assert painted == []
        with run.node("node01").attempt(0).log(0).open("a") as log:
            log.write("step 301/400 loss 0.25\n")
        app.pane._sources[0]._wake.set()
        await until(pilot, lambda: bool(painted))
        assert "301/400" in "".join(piece[0] for piece in app.pane._lines[0])


async def test_a_disk_that_hangs_blocks_no_key(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = threading.Event()
    reading = threading.Event()

    def read_some(reader: MetricsReader, budget: int = 0) -> bool:
        reading.set()
        hangs.wait(60)
        return False

    monkeypatch.setattr(MetricsReader, "read_some", read_some)
    app = Desk(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, reading.is_set)
        await pilot.press("A")
        await shown(pilot, "nothing is odd")
        await pilot.press("escape", "escape")
        assert app.went_back
    hangs.set()


async def test_without_numbers_it_says_which_lines_would_be_read(home: Path) -> None:
    run = RunDir(home / "runs" / write_run(home, text="hello"))
    app = Desk(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot, "No numbers in the logs yet.")
        await shown(pilot, "metrics.yaml")


async def test_own_expressions_are_used_and_bad_ones_told(home: Path, run: RunDir) -> None:
    (home / "project" / "metrics.yaml").write_text("patterns:\n  - '(?P<x>'\n")
    fill(run, 0, ["score after 1 was <7>", "score after 2 was <8>"])
    app = Desk(run, Settings(metric_patterns=(r"after (?P<step>\d+) was <(?P<score>\d+)>",)))
    # wide: the path of the file is shown, too
    async with app.run_test(size=(400, 40)) as pilot:
        await until(pilot, lambda: "score" in app.pane.state.metrics)
        await pilot.press("A")
        await shown(pilot, "metrics.yaml:2:")


async def test_names_from_outside_are_nothing_but_text(home: Path, run: RunDir) -> None:
    names = [text.decode(errors="replace") for text in hostile.CORPUS]
    evil = [f"step {step} {name} loss=0.5 {name}: 1.5" for step in (1, 2) for name in names]
    evil += [f"step {step} 损失={step}.5 [/rank3]_loss={step}.5" for step in (3, 4)]
    fill(run, 0, evil)
    write_run(home, "evil", age=500, shown=names[2] + names[5])
    app = Desk(run)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "损失" in app.pane.state.metrics)
        for keys in ("", "enter", "o", "A"):
            if keys:
                await pilot.press(keys)
            await pilot.pause()
            for strip in app.screen._compositor.render_strips():
                assert all(segment.text.isprintable() for segment in strip)
                assert sum(segment.cell_length for segment in strip) == 120


def test_every_key_has_its_action() -> None:
    for key in keys_of(Scope.CURVES):
        assert hasattr(CurvesPane, "action_" + key.action.split("(")[0]), key.action


def test_as_many_charts_as_fit_and_large_ones_where_there_are_few() -> None:
    assert grid_of(1, 80, 23).places == 1
    assert grid_of(6, 80, 23).places == 6
    assert grid_of(4, 120, 39).places == 4
    many = grid_of(100, 200, 59)
    assert many.width >= 28
    assert many.height >= 6
    assert grid_of(3, 20, 5).places == 1


def test_ascii_where_the_locale_has_no_utf8() -> None:
    assert can_show_braille({"LANG": "en_US.UTF-8"})
    assert can_show_braille({})
    assert not can_show_braille({"LC_ALL": "de_DE.ISO-8859-1", "LANG": "en_US.UTF-8"})
    assert csv_text((), "=loss") == "curve,step,time,'=loss\n"
