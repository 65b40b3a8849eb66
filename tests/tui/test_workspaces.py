from __future__ import annotations

from pathlib import Path

import pytest

from rankdeck.job.draft import JobDraft
from rankdeck.library.workspaces import WorkspaceStore
from tests.tui.fake_run import write_project
from tests.tui.pilot import SMALL, WIDE, make_deck, screen_text, until, until_shown
from tests.tui.test_templates import LONG
from tui.screens.confirm import ConfirmScreen
from tui.screens.workspaces import WorkspacesScreen


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkspaceStore:
    """Two workspaces and a broken one, in a config folder of their own."""
    monkeypatch.setenv("RANKDECK_CONFIG", str(tmp_path / "config"))
    store = WorkspaceStore(tmp_path / "config" / "workspaces")
    job = JobDraft(backend="ssh", hostfile="/lab/hosts", exclude="node07", time_limit="2h")
    store.save("lab", job, "four nodes beside the window")
    store.save("night", JobDraft(backend="slurm", backend_options={"partition": "night"}), "夜")
    (store.folder / "zz.yaml").write_text("backend: ssh\nentry: train.py\n")
    return store


@pytest.mark.parametrize("size", [SMALL, WIDE, LONG])
async def test_workspaces_are_listed_and_used(
    home: Path, store: WorkspaceStore, size: tuple[int, int]
) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=size, notifications=True) as pilot:
        deck.go("workspaces")
        await until_shown(pilot, "/lab/hosts")
        text = screen_text(deck)
        assert "1 cannot be used" in text
        assert "✖ line 2: e" in text
        assert "● yes" not in text
        await pilot.press("enter")
        await until_shown(pilot, "● yes")
        assert store.current == "lab"
        await pilot.press("down", "u")
        await until(pilot, lambda: store.current == "night")
        await until_shown(pilot, "● yes  night")
        await pilot.press("u")
        await until(pilot, lambda: store.current == "")
        await pilot.press("end", "u")
        await until_shown(pilot, "belongs to a")
        assert store.current == ""


async def test_what_is_wrong_with_a_whole_file_is_told_and_shown_by_a_key(
    home: Path, store: WorkspaceStore
) -> None:
    (store.folder / "aa.yaml").write_text("backend: [ssh\n")
    deck = make_deck(home)
    async with deck.run_test(size=SMALL) as pilot:
        deck.go("workspaces")
        await until_shown(pilot, "✖ line 2: is not")
        await until_shown(pilot, "enter use  i file  ")
        await pilot.press("i")
        await until_shown(pilot, "is not valid YAML")
        await until_shown(pilot, "│   backend: [ssh")


async def test_a_new_one_is_made_in_the_editor(
    home: Path, store: WorkspaceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def edit(app: object, command: list[str]) -> None:
        path = Path(command[-1])
        path.write_text(path.read_text().replace("backend: ssh", "backend: mpi"))

    monkeypatch.setenv("EDITOR", "true")
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setattr("tui.shelf_edit.run_outside", edit)
    deck = make_deck(home)
    async with deck.run_test(size=WIDE, notifications=True) as pilot:
        deck.go("workspaces")
        await until_shown(pilot, "night")
        await pilot.press("a", *"new", "enter")
        await until_shown(pilot, "new: saved")
        assert store.get("new").draft.backend == "mpi"
        await until_shown(pilot, "new: which nodes, for what")


async def test_a_new_one_that_is_left_as_it_was_is_not_made_and_that_is_said(
    home: Path, store: WorkspaceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITOR", "true")
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setattr("tui.shelf_edit.run_outside", lambda app, command: None)
    deck = make_deck(home)
    async with deck.run_test(size=WIDE, notifications=True) as pilot:
        deck.go("workspaces")
        await until_shown(pilot, "night")
        await pilot.press("a", *"new", "enter")
        await until_shown(pilot, "new: nothing was changed: not made")
        await pilot.press("E")
        await until_shown(pilot, ": nothing was changed")
    assert not store.path("new").exists()


async def test_deleting_the_current_one_leaves_none(home: Path, store: WorkspaceStore) -> None:
    store.use("lab")
    deck = make_deck(home)
    async with deck.run_test(size=WIDE) as pilot:
        deck.go("workspaces")
        await until_shown(pilot, "● yes")
        await pilot.press("d")
        await until(pilot, lambda: isinstance(deck.screen, ConfirmScreen))
        await until_shown(pilot, "Delete this workspace?")
        await pilot.press("y")
        await until(pilot, lambda: not store.path("lab").exists())
        await until(pilot, lambda: store.current == "")
        await until(pilot, lambda: isinstance(deck.screen, WorkspacesScreen))


async def test_a_launched_job_begins_from_the_current_one(
    home: Path, store: WorkspaceStore, tmp_path: Path
) -> None:
    store.save("here", JobDraft(nproc_per_node=2, env={"A": "b"}))
    store.use("here")
    project = write_project(tmp_path / "project")
    deck = make_deck(home)
    got: list[str] = []
    async with deck.run_test(size=SMALL) as pilot:
        draft = JobDraft(entry="train.py", launcher="direct", args=("1", "0", "0"))
        deck.controller.launch(
            str(project), draft, lambda run, error: got.append(run.id if run else str(error))
        )
        await until(pilot, lambda: bool(got))
    (run,) = deck.controller.store.list()
    assert run.world_size == 2
    assert "A: b" in deck.controller.store.find(run.id).job.read_text()
