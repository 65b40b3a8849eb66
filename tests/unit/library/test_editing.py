from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from rankdeck.library.editing import Editing
from rankdeck.library.templates import TemplateStore
from rankdeck.library.workspaces import WorkspaceStore

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> TemplateStore:
    store = TemplateStore(tmp_path / "templates")
    store.save("a", "# mine\nentry: a.py\n")
    return store


def test_the_file_changes_only_when_the_text_is_kept(store: TemplateStore) -> None:
    editing = Editing(store, "a")
    assert not editing.changed
    editing.copy.write_text("# mine\nentri: b.py\n")
    assert editing.changed
    (problem,) = editing.problems()
    assert (problem.line, problem.key, problem.file) == (2, "entri", str(store.path("a")))
    assert store.get("a").draft.entry == "a.py"
    assert [kept.name for kept in store.list()] == ["a"]
    editing.keep()
    assert store.get("a").broken
    assert os.listdir(store.folder) == ["a.yaml"]


def test_what_is_forgotten_leaves_nothing(store: TemplateStore) -> None:
    editing = Editing(store, "new")
    assert editing.is_new
    assert editing.problems() == ()
    editing.forget()
    assert os.listdir(store.folder) == ["a.yaml"]


def test_a_broken_file_can_be_edited_byte_for_byte(store: TemplateStore) -> None:
    store.path("a").write_bytes(b"# \xff\nentry: [\n")
    editing = Editing(store, "a")
    assert editing.problems()
    editing.copy.write_bytes(editing.copy.read_bytes() + b"x: 1\n")
    editing.keep()
    assert store.path("a").read_bytes().endswith(b"entry: [\nx: 1\n")


def test_the_beginning_of_a_new_one_is_a_valid_one(tmp_path: Path) -> None:
    for shelf in (TemplateStore(tmp_path / "t"), WorkspaceStore(tmp_path / "w")):
        editing = Editing(shelf, "new")
        assert editing.problems() == ()
        editing.keep()
        assert shelf.get("new").problems == ()
        assert shelf.get("new").description.startswith("new: ")
