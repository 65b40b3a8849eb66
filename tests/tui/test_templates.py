from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rankdeck.job.draft import JobDraft
from rankdeck.library.templates import TemplateStore
from rankdeck.library.workspaces import workspace_store
from rankdeck.run.store import RunStore
from tests.tui.fake_run import write_project, write_run
from tests.tui.hostile import CORPUS
from tests.tui.pilot import SMALL, WIDE, make_deck, screen_text, until, until_shown
from tests.tui.settled import threads_rest
from tests.tui.test_hostile_screens import assert_plain
from tui.screens.confirm import ConfirmScreen
from tui.screens.new_job import NewJobScreen
from tui.screens.run import RunScreen
from tui.screens.templates import TemplatesScreen
from tui.shelf_screen import ShelfTable
from tui.widgets.text_lines import TextLines

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from tui.deck import Deck

LONG = (200, 60)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TemplateStore:
    """Three templates and a broken one, in a config folder of their own."""
    monkeypatch.setenv("RANKDECK_CONFIG", str(tmp_path / "config"))
    store = TemplateStore(tmp_path / "config" / "templates")
    project = write_project(tmp_path / "project")
    job = JobDraft(
        project=str(project), entry="train.py", launcher="direct", args=("3", "0.01", "0")
    )
    store.save("llama-sft", job, "fine-tune the 7B model")
    store.save("mnist", JobDraft(entry="mnist.py", backend="slurm", nnodes=4), "比較 a 测试")
    store.save("vit-b16", JobDraft(entry="vit.py", backend="ssh", nproc_per_node=8))
    (store.folder / "zz-broken.yaml").write_text("# mine\nentry: a.py\nnodes: 4\n")
    return store


async def _open(pilot: Pilot[None], deck: Deck) -> None:
    deck.go("templates")
    await until(pilot, lambda: isinstance(deck.screen, TemplatesScreen))
    await until_shown(pilot, "llama-sft")


@pytest.mark.parametrize("size", [SMALL, WIDE, LONG])
async def test_templates_and_broken_ones_are_listed(
    home: Path, store: TemplateStore, size: tuple[int, int]
) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=size, notifications=True) as pilot:
        await _open(pilot, deck)
        text = screen_text(deck)
        assert "templates" in text
        assert "1 cannot be used" in text
        assert "✖ line 3: nodes is not a" in text
        assert "比較 a 测试" in text
        assert "slurm" in text
        if size != SMALL:
            await until_shown(pilot, "entry: train.py")
            await pilot.press("end")
            await until_shown(pilot, "did you mean nnodes?")
            assert "✖ nodes: 4" in screen_text(deck)
        else:
            await pilot.press("i")
            await until_shown(pilot, "entry: train.py")


async def test_the_filter_is_fuzzy_and_knows_fields(home: Path, store: TemplateStore) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=SMALL, notifications=True) as pilot:
        await _open(pilot, deck)
        await pilot.press("slash", *"backend:slurm")
        await until_shown(pilot, "1 of 4")
        assert "llama" not in screen_text(deck)
        await pilot.press("escape")
        await until_shown(pilot, "llama-sft")
        await pilot.press("slash", *"vb6", "enter")
        assert deck.screen.query_one(ShelfTable).selected.name == "vit-b16"
        assert "1 of 4 shown" in screen_text(deck)
        await pilot.press("escape")
        await until_shown(pilot, "llama-sft")
        assert isinstance(deck.screen, TemplatesScreen)
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(deck.screen, TemplatesScreen))


async def test_a_file_that_comes_when_its_list_has_been_left_harms_nothing(
    home: Path, store: TemplateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, left = threading.Event(), threading.Event()

    def late(_: object) -> str:
        asked.set()
        left.wait(90)
        return "entry: train.py"

    monkeypatch.setattr("tui.shelf_screen.text_of", late)
    deck = make_deck(home)
    async with deck.run_test(size=WIDE) as pilot:
        await _open(pilot, deck)
        await until(pilot, asked.is_set)
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(deck.screen, TemplatesScreen))
        left.set()
        await until(pilot, threads_rest)
        await until_shown(pilot, "no runs")


@pytest.mark.parametrize("key", ["enter", "n", "e"])
async def test_a_template_is_opened_in_the_form(home: Path, store: TemplateStore, key: str) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=WIDE, notifications=True) as pilot:
        await _open(pilot, deck)
        await pilot.press(key)
        await until(pilot, lambda: isinstance(deck.screen, NewJobScreen))
        await until_shown(pilot, "templates ▸ new job from llama-sft")
        await until_shown(pilot, "node 0")


async def test_a_template_is_started_after_its_plan_was_shown(
    home: Path, store: TemplateStore
) -> None:
    deck = make_deck(home, clock=None)
    async with deck.run_test(size=WIDE, notifications=True) as pilot:
        await _open(pilot, deck)
        await pilot.press("ctrl+l")
        await until(pilot, lambda: isinstance(deck.screen, ConfirmScreen))
        await until_shown(pilot, "Start llama-sft?")
        assert RunStore(home).list() == ()
        assert any("launcher:   direct" in line[0][0] for line in _lines(deck))
        await pilot.press("y")
        await until(pilot, lambda: isinstance(deck.screen, RunScreen))
        await until_shown(pilot, "succeeded")


def _lines(deck: Deck) -> tuple[tuple[tuple[str, str], ...], ...]:
    return tuple(line for line in deck.screen.query_one(TextLines).lines if line)


async def test_a_broken_template_is_not_started(home: Path, store: TemplateStore) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=WIDE, notifications=True) as pilot:
        await _open(pilot, deck)
        await pilot.press("end", "ctrl+l")
        await until_shown(pilot, "E opens it in your editor")
        await pilot.press("enter")
        assert isinstance(deck.screen, TemplatesScreen)


async def test_copies_are_made_under_another_name(home: Path, store: TemplateStore) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=SMALL, notifications=True) as pilot:
        await _open(pilot, deck)
        await pilot.press("c")
        await until_shown(pilot, "llama-sft-2")
        await pilot.press("enter")
        await until_shown(pilot, "copied to llama-sft-2")
        await until(pilot, lambda: store.path("llama-sft-2").exists())
        assert store.text("llama-sft-2") == store.text("llama-sft")
        await pilot.press("c", *"/../x", "enter")
        await until_shown(pilot, "name must be")
    assert len(store.list()) == 5


async def test_marked_templates_are_deleted_after_one_question(
    home: Path, store: TemplateStore
) -> None:
    (store.folder / "no name.yaml").write_text("entry: a.py\n")
    deck = make_deck(home)
    async with deck.run_test(size=WIDE, notifications=True) as pilot:
        await _open(pilot, deck)
        await until_shown(pilot, "no name")
        await pilot.press("ctrl+a", "d")
        await until_shown(pilot, "Delete 5 templates?")
        assert "vit-b16.yaml" in screen_text(deck)
        await pilot.press("n")
        assert len(store.list()) == 5
        await until(pilot, lambda: isinstance(deck.screen, TemplatesScreen))
        await pilot.press("d")
        await until_shown(pilot, "Delete 5 templates?")
        await pilot.press("y")
        await until_shown(pilot, "There are no templates yet")
    assert store.list() == ()


async def test_a_template_is_made_of_a_run(home: Path, store: TemplateStore) -> None:
    write_run(home, "one")
    deck = make_deck(home)
    async with deck.run_test(size=WIDE, notifications=True) as pilot:
        await _open(pilot, deck)
        await pilot.press("a", *"kept last", "enter")
        await until_shown(pilot, "kept: saved")
        await until(pilot, lambda: store.path("kept").exists())
        assert store.get("kept").draft.launcher == "direct"
        await pilot.press("a", *"kept nothing-such", "enter")
        await until_shown(pilot, "nothing-such")


async def test_secrets_of_a_run_are_left_out_after_a_question(
    home: Path, store: TemplateStore
) -> None:
    run = home / "runs" / write_run(home, "one")
    (run / "job.yaml").write_text(
        (run / "job.yaml").read_text() + "env:\n  HF_TOKEN: abc\n  A: b\n"
    )
    deck = make_deck(home)
    async with deck.run_test(size=WIDE, notifications=True) as pilot:
        await _open(pilot, deck)
        await pilot.press("a", *"kept last", "enter")
        await until_shown(pilot, "without what looks secret?")
        assert "env.HF_TOKEN" in screen_text(deck)
        assert not store.path("kept").exists()
        await pilot.press("y")
        await until(pilot, lambda: store.path("kept").exists())
        assert store.get("kept").draft.env == {"A": "b"}


async def _edited(
    pilot: Pilot[None], monkeypatch: pytest.MonkeyPatch, change: tuple[str, str], key: str = "E"
) -> None:
    def edit(app: object, command: list[str]) -> None:
        assert command[0] == "true"
        path = Path(command[-1])
        path.write_text(path.read_text().replace(*change))

    monkeypatch.setenv("EDITOR", "true")
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setattr("tui.shelf_edit.run_outside", edit)
    await pilot.press(key)


async def test_editing_keeps_what_is_right(
    home: Path, store: TemplateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=WIDE, notifications=True) as pilot:
        await _open(pilot, deck)
        await _edited(pilot, monkeypatch, ("direct", "torchrun"))
        await until_shown(pilot, "llama-sft: saved")
        await until_shown(pilot, "launcher: torchrun")
    assert store.get("llama-sft").draft.launcher == "torchrun"
    assert len(os.listdir(store.folder)) == 4


@pytest.mark.parametrize(("answers", "broken"), [("ny", True), ("nn", False), ("ynn", False)])
async def test_mistakes_are_told_and_kept_only_if_wanted(
    home: Path,
    store: TemplateStore,
    monkeypatch: pytest.MonkeyPatch,
    answers: str,
    broken: bool,
) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=WIDE, notifications=True) as pilot:
        await _open(pilot, deck)
        await _edited(pilot, monkeypatch, ("launcher:", "lancher:"))
        for answer in answers:
            await until(pilot, lambda: isinstance(deck.screen, ConfirmScreen))
            await until_shown(pilot, "is not a known key")
            question = deck.screen
            await pilot.press(answer)
            await until(pilot, lambda asked=question: deck.screen is not asked)
        await until_shown(pilot, "kept with its mistakes" if broken else "as it was")
        await until(pilot, lambda: len(os.listdir(store.folder)) == 4)
    assert store.get("llama-sft").broken is broken


async def test_nothing_is_changed_where_the_deck_is_read_only(
    home: Path, store: TemplateStore
) -> None:
    deck = make_deck(home)
    deck.controller.read_only = True
    async with deck.run_test(size=WIDE, notifications=True) as pilot:
        await _open(pilot, deck)
        for keys in (("c", "enter"), ("E",), ("d", "y"), ("a", *"new", "enter")):
            await pilot.press(*keys)
            await pilot.pause()
        await until_shown(pilot, "read-only")
    assert [kept.name for kept in store.list()] == ["llama-sft", "mnist", "vit-b16", "zz-broken"]
    assert len(os.listdir(store.folder)) == 4


async def test_hostile_files_are_shown_as_text(home: Path, store: TemplateStore) -> None:
    (store.folder / "hostile.yaml").write_bytes(
        b"# " + b" ".join(CORPUS) + b"\n" + b"\n".join(CORPUS)
    )
    for number, text in enumerate(CORPUS):
        name = text.decode("utf-8", "replace").replace("/", "_").replace("\0", "_")[:50]
        (store.folder / f"{number} {name}.yaml").write_bytes(b"# " + text + b"\nentry: " + text)
    deck = make_deck(home)
    async with deck.run_test(size=LONG, notifications=True) as pilot:
        await _open(pilot, deck)
        for _ in range(len(store.list())):
            await pilot.press("down")
            await pilot.pause(0.06)
            assert_plain(deck)


async def test_the_workspace_it_would_begin_from_is_told(home: Path, store: TemplateStore) -> None:
    workspaces = workspace_store()
    workspaces.save("here", JobDraft(nproc_per_node=2))
    workspaces.use("here")
    deck = make_deck(home)
    async with deck.run_test(size=WIDE, notifications=True) as pilot:
        await _open(pilot, deck)
        await until_shown(pilot, "in workspace here")
        await pilot.press("ctrl+l")
        await until_shown(pilot, "Start llama-sft?")
        assert "in workspace here" in screen_text(deck)
        assert any("ranks:      2 on 1 node" in line[0][0] for line in _lines(deck))


async def test_without_templates_it_says_how_one_is_made_and_offers_no_more(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RANKDECK_CONFIG", str(tmp_path / "none"))
    deck = make_deck(home)
    async with deck.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "no runs")
        await pilot.press("t")
        await until_shown(pilot, "ctrl+t in the form of a job keeps what it says")
        keys = screen_text(deck).splitlines()[-1]
        assert "a add" in keys
        assert "delete" not in keys
        assert "open in form" not in keys


async def test_keys_of_the_list_do_nothing_while_a_line_is_typed(
    home: Path, store: TemplateStore
) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=WIDE, notifications=True) as pilot:
        await _open(pilot, deck)
        await pilot.press("slash", "ctrl+l", *"nde")
        await until_shown(pilot, "/ nde")
        assert isinstance(deck.screen, TemplatesScreen)
        assert "open in form" not in screen_text(deck)
