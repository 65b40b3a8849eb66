from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import msgspec
import pytest

from rankdeck.config.settings import Settings
from rankdeck.run.state import Failure, RunPhase
from rankdeck.run.store import RunStore
from rankdeck.run.summary import RunSummary
from tests.tui.fake_run import NOW, write_run
from tests.tui.pilot import SMALL, WIDE, make_deck, screen_text, until, until_shown
from tui.keys import Scope, keys_of
from tui.looks import plain
from tui.run_filter import run_text
from tui.run_listing import RunListing
from tui.screens.runs import RunsScreen
from tui.widgets.prompt_line import PromptLine
from tui.widgets.run_table import RunTable, cause, run_cells
from tui.widgets.text_lines import TextLines

if TYPE_CHECKING:
    from pathlib import Path


async def test_empty_list_says_what_to_do(home: Path) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await until_shown(pilot, "There are no runs yet")
        assert "rankdeck demo" in screen_text(deck)


@pytest.mark.parametrize("size", [SMALL, WIDE, (200, 60)])
async def test_rows_tell_state_in_words(home: Path, size: tuple[int, int]) -> None:
    write_run(home, "good", RunPhase.SUCCEEDED, age=30)
    failure = Failure(rank=1, node="node01", category="exception", summary="rank 1 ran out")
    write_run(home, "bad", RunPhase.FAILED, age=90, failure=failure)
    deck = make_deck(home)
    async with deck.run_test(size=size) as pilot:
        await until_shown(pilot, "bad")
        text = screen_text(deck)
        good = next(line for line in text.splitlines() if "good" in line[:40])
        bad = next(line for line in text.splitlines() if "bad" in line[:40])
        for part in ("✔ succeeded", "3/10", "30%", "0.5", "0:30", "30s"):
            assert part in good
        for part in ("✖ failed", "rank 1 ran", "1m"):
            assert part in bad
        assert ("BACKEND" in text) == (size[0] >= 100)
        assert "1 failed · 1 succeeded" in text
        assert all(len(line) == size[0] for line in text.splitlines())


def test_what_does_not_fit_is_told_shorter() -> None:
    run = RunSummary(
        id="a", name="a", state=RunPhase.FAILED, backend="ssh", launcher="torchrun", nnodes=1,
        world_size=8, nproc_per_node=8, created=NOW, step=140_035, total_steps=500_000,
        failure_rank=2, failure_node="n1",
        failure_summary="rank 2 on n1 raised torch.OutOfMemoryError: CUDA",
    )  # fmt: skip
    steps = {room: run_cells(run, NOW, {"step": room, "loss": 9})["step"][0] for room in (14, 20)}
    assert steps == {14: "140k/500k  28%", 20: "140035/500000    28%"}
    assert run_cells(run, NOW, {"step": 30})["step"][0] == "140035/500000    ██░░░░░░  28%"
    assert cause(run, 60) == run.failure_summary
    assert cause(run, 30) == "torch.OutOfMemoryError: CUDA"
    early = msgspec.structs.replace(run, step=9, total_steps=2_000_000)
    assert run_cells(early, NOW, {"step": 11})["step"][0] == "9/2M     0%"


async def test_keys_of_runs_are_offered_where_there_are_runs(home: Path) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=SMALL, notifications=True) as pilot:
        await until_shown(pilot, "There are no runs yet")
        await until(pilot, lambda: "rerun" not in screen_text(deck))
        await pilot.press("s", "d", "c", "r", "slash")
        await pilot.pause()
        assert isinstance(deck.screen, RunsScreen)
        assert not deck._notifications
        assert not deck.screen.query_one(PromptLine).is_open
        write_run(home, "one")
        await until_shown(pilot, "rerun")


async def test_a_wide_screen_shows_every_key_that_is_worth_a_hint(home: Path) -> None:
    write_run(home, "one")
    deck = make_deck(home)
    async with deck.run_test(size=(200, 60)) as pilot:
        await until_shown(pilot, "one")
        last = screen_text(deck).splitlines()[-1]
        for key in keys_of(Scope.RUNS, Scope.EVERYWHERE):
            assert not key.bar or f"{key.shown.split()[0]} {key.label}" in last
        await pilot.resize_terminal(80, 24)
        await until_shown(pilot, "…  ? help")


async def test_a_filter_that_nothing_matches_says_the_way_back(home: Path) -> None:
    write_run(home, "one")
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await until_shown(pilot, "one")
        await pilot.press("slash", *"nobody", "enter")
        await until_shown(pilot, "No run is like that; esc shows all runs.")


async def test_many_runs_have_their_texts_before_a_filter_is_typed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.run_listing._MANY", 3)
    for number in range(4):
        write_run(home, f"job{number}", age=100 + number)
    made: list[str] = []
    text = run_text
    monkeypatch.setattr("tui.run_listing.run_text", lambda run: made.append(run.id) or text(run))
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await until_shown(pilot, "job3")
        await until(pilot, lambda: not deck.screen._listing.unread)  # type: ignore[attr-defined]
        await pilot.press("slash", *"job2")
        await until_shown(pilot, "1 of 4")
    assert made == []


def test_what_is_typed_narrows_what_the_words_before_left() -> None:
    runs = tuple(
        RunSummary(
            id=f"r{number}", name=name, state=state, backend="ssh", launcher="torchrun", nnodes=1,
            world_size=8, nproc_per_node=8, created=NOW - number,
        )
        for number, (name, state) in enumerate(
            (
                ("llama-sft", RunPhase.FAILED),
                ("llama-dpo", RunPhase.SUCCEEDED),
                ("vit", RunPhase.FAILED),
            )
        )
    )  # fmt: skip
    listing = RunListing()
    listing.runs = runs
    expected = {
        "llama": 2, "llama state:fail": 1, "llama state:zzz": 1, "llama state:succeeded": 1,
        "vit state:succeeded": 0, "vit state:failed": 1, '"llama-s" state:failed': 1,
        "!llama vit": 1, "!llama llama": 0, "": 3,
    }  # fmt: skip
    for text, count in expected.items():
        listing.read(text)
        assert len(listing.rows(NOW)) == count, text
    listing.read("llama dpo")
    assert len(listing.rows(NOW)) == 1
    listing.runs = runs[:1]
    assert listing.rows(NOW) == ()


def test_a_filter_leaves_the_order_and_the_order_follows_the_clock() -> None:
    def made(name: str, state: RunPhase, ended: float | None) -> RunSummary:
        return RunSummary(
            id=name, name=name, state=state, backend="ssh", launcher="torchrun", nnodes=1,
            world_size=8, nproc_per_node=8, created=NOW, started=NOW, ended=ended,
        )  # fmt: skip

    listing = RunListing()
    listing.runs = (
        made("b-goes-on", RunPhase.RUNNING, None),
        made("c-ended", RunPhase.FAILED, NOW + 10),
        made("a-ended", RunPhase.FAILED, NOW + 20),
    )

    def names(now: float) -> list[str]:
        return [run.name for run in listing.rows(now)]

    listing.sort("name", falls=False)
    assert names(NOW) == ["a-ended", "b-goes-on", "c-ended"]
    listing.read("state:failed ended")
    assert names(NOW) == ["a-ended", "c-ended"]
    listing.sort("name", falls=True)
    assert names(NOW) == ["c-ended", "a-ended"]
    listing.read("")
    listing.sort("elapsed", falls=True)
    assert names(NOW + 5) == ["a-ended", "c-ended", "b-goes-on"]
    assert names(NOW + 15) == ["a-ended", "b-goes-on", "c-ended"]
    assert names(NOW + 25) == ["b-goes-on", "a-ended", "c-ended"]


async def test_new_runs_appear_and_the_cursor_stays_on_its_run(home: Path) -> None:
    write_run(home, "one", age=200)
    write_run(home, "two", age=100)
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await until_shown(pilot, "two")
        await pilot.press("down")
        table = deck.screen.query_one(RunTable)
        assert table.selected is not None
        assert table.selected.name == "one"
        write_run(home, "three", age=10)
        await until_shown(pilot, "three")
        assert table.selected is not None
        assert table.selected.name == "one"


async def test_filter_by_words(home: Path) -> None:
    for name in ("llama-sft", "llama-dpo", "vit"):
        write_run(home, name, age={"llama-sft": 30, "llama-dpo": 20, "vit": 10}[name])
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await until_shown(pilot, "vit")
        table = deck.screen.query_one(RunTable)
        await pilot.press("slash", *"sft LLAMA", "enter")
        await until(pilot, lambda: [run.name for run in table.rows] == ["llama-sft"])
        assert "1 of 3 shown" in screen_text(deck)
        await pilot.press("escape")
        await until(pilot, lambda: len(table.rows) == 3)


async def test_the_line_of_the_filter_tells_each_number_that_is_left(home: Path) -> None:
    for name in ("llama-sft", "llama-dpo", "vit"):
        write_run(home, name)
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await until_shown(pilot, "vit")
        await pilot.press("slash", *"llama")
        note = deck.screen.query_one("#prompt-note")
        for typed, said in (("", "2 of 3"), ("-s", "1 of 3"), ("x", "0 of 3")):
            await pilot.press(*typed)
            await until(
                pilot, lambda said=said: said in screen_text(deck).splitlines()[note.region.y]
            )


async def test_delete_names_what_goes_and_asks(home: Path) -> None:
    run_id = write_run(home, "old")
    path = home / "runs" / run_id
    deck = make_deck(home)
    async with deck.run_test(size=WIDE) as pilot:
        await until_shown(pilot, "old")
        await pilot.press("d")
        await until_shown(pilot, "KiB)")
        text = screen_text(deck)
        assert "Delete old?" in text
        question = deck.screen.query_one(TextLines).lines
        assert any(str(path) in plain(line) for line in question)
        assert "logs of all ranks" in text
        await pilot.press("n")
        assert path.exists()
        await pilot.press("d", "y")
        await until(pilot, lambda: not path.exists())
        await until_shown(pilot, "There are no runs yet")


async def test_a_living_run_is_not_deleted(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.controller.Controller._adopt", lambda self, run_id: None)
    run_id = write_run(home, "live", RunPhase.RUNNING)
    deck = make_deck(home)
    async with deck.run_test(size=SMALL, notifications=True) as pilot:
        await until_shown(pilot, "live")
        await pilot.press("d")
        await until_shown(pilot, "stop it first")
        assert (home / "runs" / run_id).exists()


async def test_quit_says_that_runs_go_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.controller.Controller._adopt", lambda self, run_id: None)
    write_run(home, "live", RunPhase.RUNNING)
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await until_shown(pilot, "live")
        await pilot.press("q")
        await until_shown(pilot, "1 run goes on without it")
        await pilot.press("y")
        await pilot.pause()
    assert "1 run goes on" in deck.farewell


async def test_quit_without_living_runs_asks_nothing(home: Path) -> None:
    write_run(home, "done")
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await until_shown(pilot, "done")
        await pilot.press("q")
        await until(pilot, lambda: not deck.is_running)
    assert deck.farewell == ""


async def test_nothing_is_drawn_while_nothing_changes(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(home, "done")
    deck = make_deck(home)
    # notices look at the runs by themselves
    deck.settings = Settings(notify=False)
    async with deck.run_test(size=SMALL) as pilot:
        await until_shown(pilot, "done")
        drawn: list[object] = []
        monkeypatch.setattr(
            RunTable, "refresh", lambda self, *a, **k: drawn.append(a) or self, raising=True
        )
        asked = 0
        listed = RunStore.list

        def count(self: RunStore, limit: int | None = None) -> object:
            nonlocal asked
            asked += 1
            return listed(self, limit)

        monkeypatch.setattr(RunStore, "list", count)
        # what it still has to read may come late; what recurs is never over
        for _ in range(5):
            drawn.clear()
            asked = 0
            for _ in range(30):
                deck.screen.query_one(RunTable).tick(deck.clock())
                await pilot.pause(0.05)
            if not drawn and not asked:
                break
        assert drawn == []
        assert asked == 0


async def test_a_filter_says_what_is_wrong_and_is_recalled(home: Path) -> None:
    write_run(home, "good", age=30)
    write_run(home, "bad", RunPhase.FAILED, age=90)
    deck = make_deck(home)
    async with deck.run_test(size=WIDE) as pilot:
        await until_shown(pilot, "bad")
        table = deck.screen.query_one(RunTable)
        await pilot.press("slash", *"state", "colon", *"fail")
        await until_shown(pilot, "1 of 2 shown")
        await pilot.press(*"zz")
        await until_shown(pilot, "there is no state 'failzz'")
        assert [run.name for run in table.rows] == ["bad"]
        await pilot.press("enter")
        assert deck.screen.query_one(PromptLine).is_open
        await pilot.press("backspace", "backspace", "enter")
        assert not deck.screen.query_one(PromptLine).is_open
        assert "/state:fail" in screen_text(deck).splitlines()[0]
        await pilot.press("slash")
        assert deck.screen.query_one(PromptLine).text == "state:fail"
        await pilot.press("escape")
        await until(pilot, lambda: len(table.rows) == 2)


async def test_rows_are_sorted_and_the_cursor_stays(home: Path) -> None:
    for name, ranks, age in (("b", 2, 10), ("c", 8, 20), ("a", 4, 30)):
        write_run(home, name, ranks=ranks, age=age)
    deck = make_deck(home)
    async with deck.run_test(size=WIDE) as pilot:
        await until_shown(pilot, "4 ")
        table = deck.screen.query_one(RunTable)
        await until(pilot, lambda: len(table.rows) == 3)
        await pilot.press("j")
        while table.sorting[0] != "name":
            await pilot.press("o")
        assert [run.name for run in table.rows] == ["a", "b", "c"]
        assert table.selected is not None
        assert table.selected.name == "c"
        while table.sorting[0] != "ranks":
            await pilot.press("o")
        assert [run.name for run in table.rows] == ["c", "a", "b"]
        await pilot.press("O")
        assert [run.name for run in table.rows] == ["b", "a", "c"]
        write_run(home, "d", ranks=6, age=5)
        await until(pilot, lambda: [run.name for run in table.rows] == ["b", "a", "d", "c"])


async def test_several_are_deleted_at_once_and_living_ones_are_left_out(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.controller.Controller._adopt", lambda self, run_id: None)
    ids = [write_run(home, f"old-{i}", age=100 + i) for i in range(9)]
    live = write_run(home, "live", RunPhase.RUNNING, age=10)
    deck = make_deck(home)
    async with deck.run_test(size=WIDE, notifications=True) as pilot:
        await until_shown(pilot, "old-8")
        await pilot.press("ctrl+a")
        await until_shown(pilot, "10 marked")
        await pilot.press("d")
        await until_shown(pilot, "KiB)")
        text = screen_text(deck)
        assert "Delete 9 runs?" in text
        assert "and 4 more" in text
        assert "Left out, because not ended: live" in text
        await pilot.press("n")
        assert all((home / "runs" / run_id).exists() for run_id in ids)
        await pilot.press("d", "y")
        await until_shown(pilot, "9 runs: deleted")
        assert [path.name for path in (home / "runs").iterdir()] == [live]
        await until(pilot, lambda: deck.screen.query_one(RunTable).marked == ())


async def test_several_are_stopped_at_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.controller.Controller._adopt", lambda self, run_id: None)
    monkeypatch.setattr("rankdeck.run.launch.ensure_supervised", lambda run: True)
    ids = [write_run(home, f"live-{i}", RunPhase.RUNNING, age=100 + i) for i in range(3)]
    write_run(home, "done", age=10)
    deck = make_deck(home)
    async with deck.run_test(size=WIDE, notifications=True) as pilot:
        await until_shown(pilot, "live-2")
        await pilot.press("ctrl+a", "s")
        await until_shown(pilot, "Stop 3 runs?")
        assert "12 ranks" in screen_text(deck)
        await pilot.press("y")
        await until_shown(pilot, "3 runs: asked to stop")
        for run_id in ids:
            assert [p.name.rpartition("-")[2] for p in _inbox(home, run_id)] == ["stop.json"]
        await pilot.press("K")
        await until_shown(pilot, "done has already ended")
        await pilot.press("down", "K", "y")
        await until(pilot, lambda: len(_inbox(home, ids[0])) == 2)


def _inbox(home: Path, run_id: str) -> list[Path]:
    folder = home / "runs" / run_id / "control"
    return sorted(folder.iterdir()) if folder.exists() else []


async def test_a_read_only_deck_deletes_nothing(home: Path) -> None:
    run_id = write_run(home, "old")
    deck = make_deck(home)
    deck.controller.read_only = True
    async with deck.run_test(size=WIDE, notifications=True) as pilot:
        await until_shown(pilot, "old")
        await pilot.press("d")
        await until_shown(pilot, "read-only")
        assert (home / "runs" / run_id).exists()


async def test_details_tell_what_changed_and_why_it_failed(home: Path) -> None:
    failure = Failure(
        rank=3,
        node="node01",
        category="exception",
        summary="rank 3 ran out of memory",
        hint="use a smaller batch",
        evidence=("torch.OutOfMemoryError: CUDA",),
        collateral_ranks=(0, 1, 2),
    )
    write_run(home, "first", age=300, ranks=2)
    write_run(home, "second", RunPhase.FAILED, age=100, ranks=4, failure=failure)
    _same_project(home)
    deck = make_deck(home)
    async with deck.run_test(size=(120, 70)) as pilot:
        for part in (
            "since the run before",
            "nproc_per_node 2 → 4",
            "use a smaller batch",
            "torch.OutOfMemoryError",
            "last events",
            "name first → second",
        ):
            await until_shown(pilot, part)  # fmt: skip
        await pilot.press("down")
        await until_shown(pilot, "the first run of its project")
        await pilot.press("i")
        await until(pilot, lambda: "last events" not in screen_text(deck))
        await pilot.press("i")
        await until_shown(pilot, "last events")
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: "last events" not in screen_text(deck))
        await pilot.press("i")
        await until_shown(pilot, "esc closes")
        await until_shown(pilot, "the first run of its project")
        await pilot.press("escape")
        await until(pilot, lambda: "esc closes" not in screen_text(deck))


async def test_two_marked_runs_are_compared(home: Path) -> None:
    write_run(home, "first", age=300, ranks=2)
    write_run(home, "second", age=100, ranks=4)
    deck = make_deck(home)
    async with deck.run_test(size=SMALL, notifications=True) as pilot:
        await until_shown(pilot, "second")
        await pilot.press("c")
        await until_shown(pilot, "mark two runs")
        await pilot.press("space", "c")
        await until_shown(pilot, "nproc_per_node 2 → 4")
        await pilot.press("escape", "space", "c")
        await until_shown(pilot, "nproc_per_node 2 → 4")


async def test_what_is_stale_says_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.controller.Controller._adopt", lambda self, run_id: None)
    run_id = write_run(home, "alone", RunPhase.RUNNING)
    os.utime(home / "runs" / run_id / "state.json", (NOW - 14, NOW - 14))
    deck = make_deck(home)
    async with deck.run_test(size=WIDE) as pilot:
        await until_shown(pilot, "stale 14s, unsupervised")


async def test_ids_are_copied(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[tuple[str, str]] = []
    monkeypatch.setattr("tui.deck.Deck.copy", lambda self, *words: copied.append(words))
    one, two = write_run(home, "one", age=200), write_run(home, "two", age=100)
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        await until_shown(pilot, "one")
        await pilot.press("y", "Y", "ctrl+a", "y")
        await pilot.pause()
    assert copied == [
        (two, "id"),
        (f"rankdeck attach {two}", "rankdeck attach …"),
        (f"{two}\n{one}", "2 ids"),
    ]


def _same_project(home: Path) -> None:
    """Hand-written runs name no project in their states."""
    for path in (home / "runs").iterdir():
        state = json.loads((path / "state.json").read_bytes())
        state["project"] = "/p"
        (path / "state.json").write_text(json.dumps(state))
